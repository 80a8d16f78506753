"""Reloads of a running hive."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from hive.config import (
    AgentManifest,
    HiveConfig,
    Limits,
    MachineProtection,
    PeerConfig,
    RestartPolicy,
    manifest_to_json,
)
from hive.daemon.hive import Hive
from hive.errors import ConfigError, ConflictError, FailedError, TooLargeError
from hive.participants.reload_plan import Difference, Effect
from hive.participants.start_checks import StartChecks
from hive.store import Desired, ParticipantRecord
from hive.wire.host import ChangeGroup
from tests.support.hives import EXEC, Site, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

BIGGER = attrs.evolve(EXEC, memory_max="8G", description="bigger")


class File:
    """A hive.toml that the test writes."""

    def __init__(self, config: HiveConfig) -> None:
        self.config: HiveConfig | Exception = config

    def read(self) -> HiveConfig:
        if isinstance(self.config, Exception):
            raise self.config
        return self.config


@asynccontextmanager
async def opened(
    site: Site, runtime: ScriptedRuntime, config: HiveConfig
) -> AsyncIterator[tuple[Hive, File]]:
    file = File(config)
    hive = Hive(
        site.state_dir,
        run_dir=site.run_dir,
        runtime=runtime,
        config=config,
        environ={},
        read_config=file.read,
    )
    async with hive:
        yield hive, file


async def test_a_new_agent_is_started_and_a_changed_one_waits_for_its_restart(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice", peers=["damocles"])) as (hive, file):
        await hive.until_state("alice", "running")
        file.config = HiveConfig(
            agents={"alice": BIGGER, "bob": EXEC}, peers={"damocles": PeerConfig(broadcast=True)}
        )
        plan = await hive.parts.reloader.reload(dry_run=True)
        assert [change.name for change in plan.changes][-4:] == [
            "alice",
            "alice",
            "bob",
            "damocles",
        ]
        assert "bob" not in hive.parts.registry
        assert (await hive.parts.reloader.reload()).changes == plan.changes
        await hive.until_state("bob", "running")
        row = await hive.status("alice")
        assert row.needs_update
        assert row.differs == ['memory_max: "4G" -> "8G"'], "not the description, which is in force"
        assert runtime.verbs("alice") == ["create", "start"]
        assert hive.parts.registry.peer("damocles").record.broadcast
        await hive.restart("alice")
        row = await hive.status("alice")
        assert (row.needs_update, row.differs) == (False, None)
        assert runtime.specs["alice"].memory_max == "8G"


async def test_needs_update_survives_a_restart_of_the_daemon(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice")) as (hive, _):
        await hive.until_state("alice", "running")
        await hive.close(keep_agents=True)
    async with opened(site, runtime, HiveConfig(agents={"alice": BIGGER})) as (hive, _):
        row = await hive.until_state("alice", "running")
        assert row.needs_update


@pytest.mark.parametrize("problem", ["file", "conflict"])
async def test_a_problem_changes_nothing(site: Site, problem: str) -> None:
    async with opened(site, ScriptedRuntime(), swarm("alice", peers=["damocles"])) as found:
        hive, file = found
        before = {each.name: each.record for each in hive.parts.registry}
        if problem == "file":
            file.config = ConfigError("hive.toml:3: there is no such key")
        else:
            file.config = HiveConfig(agents={"alice": BIGGER, "damocles": EXEC, "bob": EXEC})
        with pytest.raises(ConfigError if problem == "file" else ConflictError):
            await hive.parts.reloader.reload()
        after = {each.name: each.record for each in hive.parts.registry}
        assert {name: record.manifest for name, record in after.items()} == {
            name: record.manifest for name, record in before.items()
        }


async def test_prune_removes_what_the_file_has_no_more_and_keeps_its_mail(site: Site) -> None:
    runtime = ScriptedRuntime()
    config = swarm("alice", peers=["damocles"], manager=True)
    async with opened(site, runtime, config) as (hive, file):
        await hive.until_state("alice", "running")
        for name in ("alice", "damocles", "hm1nd"):
            await hive.send(name, "for later")
        file.config = attrs.evolve(config, manager=None, agents={}, peers={})
        plan = await hive.parts.reloader.reload()
        assert {change.difference for change in plan.changes} == {Difference.LEFT_OVER}
        assert len(hive.parts.registry) == 3
        await hive.parts.reloader.reload(prune=True)
        assert len(hive.parts.registry) == 0
        assert "alice" not in runtime.machines
        file.config = config
        await hive.parts.reloader.reload()
        await hive.until_state("alice", "running")
        assert [message.body for message in await hive.inbox("alice")] == ["for later"]


async def test_a_stopped_agent_stays_stopped_and_autostart_false_is_not_started(
    site: Site,
) -> None:
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice")) as (hive, file):
        await hive.until_state("alice", "running")
        await hive.stop("alice")
        lazy = AgentManifest(exec=("agent",), autostart=False)
        file.config = HiveConfig(agents={"alice": BIGGER, "bob": lazy})
        await hive.parts.reloader.reload()
        for name in ("alice", "bob"):
            assert hive.parts.registry.agent(name).record.desired is Desired.STOPPED
        assert "bob" not in runtime.machines


async def test_reloads_in_parallel_are_one_after_the_other(site: Site) -> None:
    async with opened(site, ScriptedRuntime(), swarm("alice")) as (hive, file):
        file.config = swarm("alice", "bob")
        plans = await asyncio.gather(*(hive.parts.reloader.reload() for _ in range(5)))
        assert [len(plan.changes) > 0 for plan in plans].count(True) >= 1
        assert sorted(each.name for each in hive.parts.registry) == ["alice", "bob"]


async def test_a_daemon_without_a_file_says_so(site: Site) -> None:
    async with site.real(ScriptedRuntime(), swarm("alice")) as hive:
        with pytest.raises(ConfigError, match=r"runs without a hive\.toml"):
            await hive.parts.reloader.reload()


async def test_groups_broadcasts_and_project_need_no_restart(site: Site) -> None:
    runtime = ScriptedRuntime()
    first = attrs.evolve(EXEC, groups=("ops", "lab"))
    config = HiveConfig(agents={"alice": first, "bob": EXEC})
    async with opened(site, runtime, config) as (hive, file):
        await hive.until_state("alice", "running")
        assert hive.parts.mail.groups() == {"ops": {"alice"}, "lab": {"alice"}}
        await hive.parts.broker.ask(ChangeGroup(name="lab", add=["bob"]))
        second = attrs.evolve(EXEC, groups=("ops", "new"), broadcast=False, project="parser")
        file.config = attrs.evolve(config, agents={"alice": second, "bob": EXEC})
        (change,) = (await hive.parts.reloader.reload()).changes
        assert change.effect is Effect.NOW
        assert hive.parts.mail.groups() == {"ops": {"alice"}, "lab": {"bob"}, "new": {"alice"}}
        row = await hive.status("alice")
        assert (row.needs_update, row.project) == (False, "parser")
        await hive.send("*", "not for alice")
        assert await hive.inbox("alice") == ()
        assert len(await hive.inbox("bob")) == 1


async def test_a_start_brings_groups_in_line_with_the_manifest(site: Site) -> None:
    runtime = ScriptedRuntime()
    config = HiveConfig(agents={"alice": attrs.evolve(EXEC, groups=("ops",))})
    async with opened(site, runtime, config) as (hive, _):
        await hive.until_state("alice", "running")
        await hive.parts.broker.ask(ChangeGroup(name="ops", remove=["alice"]))
        await hive.restart("alice")
        assert hive.parts.mail.groups() == {"ops": {"alice"}}
    config = HiveConfig(agents={"alice": EXEC})
    async with opened(site, runtime, config) as (hive, _):
        await hive.until_state("alice", "running")
        assert hive.parts.mail.groups() == {}


async def test_limits_take_effect_at_once_and_the_lease_waits_for_the_daemon(site: Site) -> None:
    config = swarm("alice", peers=["damocles"])
    async with opened(site, ScriptedRuntime(), config) as (hive, file):
        await hive.until_state("alice", "running")
        lowered = Limits(
            body_bytes=10, rate=7, requests=5, connections=3, disk_reserve=1, lease_seconds=1000.0,
            pair_rate=2, max_hops=1, dedupe_keys=9, dedupe_window=60.0,
        )  # fmt: skip
        file.config = attrs.evolve(
            config, limits=lowered, machine=MachineProtection(cpu_pressure=50.0, log_lines=5)
        )
        plan = await hive.parts.reloader.reload()
        assert {(each.table, each.effect): len(each.keys) for each in plan.changes} == {
            ("limits", Effect.NOW): 9,
            ("limits", Effect.DAEMON_RESTART): 1,
            ("machine", Effect.NOW): 1,
            ("machine", Effect.DAEMON_RESTART): 1,
        }
        with pytest.raises(TooLargeError, match="the limit is 10"):
            await hive.send("alice", "a body of more than ten bytes")
        rules = hive.parts.broker.rules
        assert rules.sending.limits is rules.limits is rules.pacing.limits
        assert rules.limits == attrs.evolve(lowered, lease_seconds=900.0)
        assert (rules.sending.keys.most, rules.sending.keys.window) == (9, 60.0)
        assert (rules.sending.guard.pair_rate, rules.sending.guard.max_hops) == (2, 1)
        assert hive.parts.gate.has_limits
        still = (await hive.parts.reloader.reload(dry_run=True)).changes
        assert {(each.table, each.effect) for each in still} == {
            ("limits", Effect.DAEMON_RESTART),
            ("machine", Effect.DAEMON_RESTART),
        }


async def test_connections_and_requests_are_those_of_the_file(site: Site) -> None:
    config = swarm(peers=["damocles"])
    async with opened(site, ScriptedRuntime(), config) as (hive, file):
        await hive.client("damocles")
        file.config = attrs.evolve(config, limits=Limits(connections=1, requests=5))
        await hive.parts.reloader.reload()
        path = hive.paths.agent_socket("damocles")
        refused = []
        for _ in range(2):
            reader, writer = await asyncio.open_unix_connection(path)
            refused.append(await reader.readline())
            writer.close()
            await writer.wait_closed()
        assert b"has 1 connection, the most that" in refused[-1]
        assert hive.parts.budgets.of("damocles").meter.limit == 5


async def test_a_new_default_policy_is_that_of_the_next_requested_start(site: Site) -> None:
    config = swarm("alice")
    async with opened(site, ScriptedRuntime(), config) as (hive, file):
        await hive.until_state("alice", "running")
        file.config = attrs.evolve(config, restart=RestartPolicy(base=5.0, cap=50.0))
        (change,) = (await hive.parts.reloader.reload()).changes
        assert change.effect is Effect.AT_RESTART
        await hive.restart("alice")
        row = await hive.status("alice")
        assert row.restart_delays is not None
        assert row.restart_delays[:2] == [5.0, 10.0]


@asynccontextmanager
async def held_reload(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, **options: bool
) -> AsyncIterator[None]:
    """Do what is inside while a reload looks for the programs of agents."""
    reached, go_on = asyncio.Event(), threading.Event()
    loop, problems = asyncio.get_running_loop(), StartChecks.problems

    def held(self: StartChecks, *arguments: Any) -> list[str]:
        loop.call_soon_threadsafe(reached.set)
        assert go_on.wait(30)
        return problems(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(StartChecks, "problems", held)
        reloading = asyncio.ensure_future(hive.parts.reloader.reload(**options))
        await reached.wait()
    yield
    go_on.set()
    await reloading


async def stored(hive: Hive) -> dict[str, ParticipantRecord]:
    return {each.name: each for each in await hive.parts.store.participants()}


async def test_a_stop_and_an_estop_during_a_reload_are_not_undone_on_disk(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice", "bob", "carol")) as (hive, file):
        for name in ("alice", "bob", "carol"):
            await hive.until_state(name, "running")
        file.config = HiveConfig(agents=dict.fromkeys(("alice", "bob", "carol"), BIGGER))
        async with held_reload(hive, monkeypatch):
            await hive.stop("alice")
            await hive.parts.freezes.estop([hive.parts.registry.agent("bob")])
            await hive.parts.lifecycle.set_paused("carol", paused=True)
        found = await stored(hive)
        assert {each.manifest for each in found.values()} == {manifest_to_json(BIGGER)}
        assert found["alice"].desired is Desired.STOPPED
        assert found["bob"].frozen_at is not None
        assert found["carol"].paused


async def test_an_agent_that_is_removed_during_a_reload_is_not_there_for_the_next_daemon(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of a command: the file does not have it, and makes no new one."""
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice")) as (hive, file):
        await hive.parts.lifecycle.register_peer("damocles")
        file.config = HiveConfig(
            agents={"alice": BIGGER}, peers={"damocles": PeerConfig(broadcast=True)}
        )
        async with held_reload(hive, monkeypatch):
            await hive.parts.lifecycle.unregister_peer("damocles")
            file.config = HiveConfig(agents={"alice": BIGGER})
        assert ("damocles" in await stored(hive)) is ("damocles" in hive.parts.registry)


async def test_a_left_over_agent_that_cannot_be_removed_leaves_the_others_to_be(
    site: Site,
) -> None:
    runtime = ScriptedRuntime()
    async with opened(site, runtime, swarm("alice", "bob", "carol")) as (hive, file):
        for name in ("alice", "bob", "carol"):
            await hive.until_state(name, "running")
        runtime.broken["destroy alice"] = "its image is busy"
        file.config = HiveConfig(agents={"carol": EXEC})
        with pytest.raises(FailedError, match="its image is busy"):
            await hive.parts.reloader.reload(prune=True)
        assert [each.name for each in hive.parts.registry] == ["alice", "carol"]
