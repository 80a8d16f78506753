"""The actors of agents and peers, and the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL

import pytest

from actors.testing import advance, settle
from hive.clock import LoopClock
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import ConflictError, NotAllowedError, UnknownNameError
from hive.event_log import EventLog
from hive.exits import Ended, Exited, OutOfMemory, Signaled, facts
from hive.participants.agent_actor import MachineEnded
from hive.participants.participant import (
    Agent,
    OnExit,
    Participant,
    Peer,
    Presence,
    new_agent,
    new_peer,
)
from hive.participants.registry import Registry
from hive.store import InlineEngine, Store
from tests.support.hives import EXEC, Site, connected, echo, swarm, until
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


# An agent


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice", "bob", peers=["damocles"])) as opened:
        for name in ("alice", "bob"):
            await opened.until_state(name, "running")
        runtime.calls.clear()
        yield opened


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (Exited(1), "exited with status 1"),
        (Signaled(SIGKILL), "killed by SIGKILL"),
        (OutOfMemory(), "killed by the kernel: out of memory"),
        (Exited(0), "exited with status 0"),
    ],
    ids=str,
)
async def test_the_containers_exit_is_the_actors_exit_and_restart_rules_apply(
    hive: Hive, runtime: ScriptedRuntime, how: Exited, reason: str
) -> None:
    runtime.end("alice", how, "last words")
    row = await hive.until_state("alice", "backoff")
    assert (row.running, row.pid, row.reason, row.last_lines) == (
        False,
        None,
        reason,
        ["last words"],
    )
    row = await hive.until_state("alice", "running")
    assert (row.restarts, row.reason) == (1, None)
    assert runtime.verbs("alice") == ["create", "start"]
    assert runtime.verbs("bob") == []
    ended = [e for e in await hive.parts.events.recent(100) if e.event == "ended"]
    assert [(e.name, e.detail) for e in ended] == [
        ("alice", {"reason": reason, "last_lines": ["last words"], **facts(Ended(how, 0.0))})
    ]


async def test_the_exit_cause_is_known_in_the_next_hive(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.end("alice", OutOfMemory())
    await hive.until_state("alice", "backoff")
    await hive.stop("alice")
    await hive.close()
    async with site.simulated(runtime, swarm("alice")) as again:
        row = await again.status("alice")
        assert (row.state, row.reason) == ("stopped", "killed by the kernel: out of memory")


async def test_a_crash_of_the_actor_ends_no_container(
    hive: Hive, runtime: ScriptedRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    before = await hive.status("alice")
    agents = hive.parts.supervision._supervisors.agents
    ref = (await agents.child("alice")).ref
    ref.tell("what no agent understands")
    await hive.until_state("alice", "backoff")
    assert "alice" in runtime.machines
    await advance(20)
    after = await hive.status("alice")
    assert after.state == "running"
    assert (after.pid, after.source, after.restarts) == (before.pid, "kernel", 1)
    assert runtime.verbs("alice") == ["adopt"]
    assert "crashed" in caplog.text
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")


async def test_a_stop_works_with_an_invalid_manifest(hive: Hive, runtime: ScriptedRuntime) -> None:
    participant = hive.parts.registry.agent("alice")
    await hive.parts.registry.save(participant, manifest='{"exec": 7}')
    assert participant.settings == AgentManifest()
    await hive.stop("alice")
    assert runtime.verbs("alice") == ["stop"]
    assert (await hive.status("alice")).state == "stopped"
    runtime.run_unasked("alice")
    await hive.parts.lifecycle.strays.report()
    assert (await hive.status("alice")).state == "stray"
    await hive.stop("alice")
    assert runtime.verbs("alice") == ["stop", "stop"]


async def test_the_exit_of_an_earlier_container_is_ignored(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    watcher = runtime.machines["alice"].watcher
    assert watcher is not None
    await hive.restart("alice")
    watcher(Ended(Exited(1), 0.0))
    ref = (await hive.parts.supervision._supervisors.agents.child("alice")).ref
    ref.tell(MachineEnded(object(), Ended(Exited(1), 0.0)))
    await advance(100)
    row = await hive.status("alice")
    assert (row.state, row.restarts) == ("running", 0), "the operator's restart is not counted"


async def test_an_agent_that_ends_while_it_comes_up_is_not_shown_as_running(site: Site) -> None:
    async def brief(client: object) -> None:
        return None

    async with site.simulated(agents={"brief": brief, "echo": echo}) as hive:
        row = await hive.until_state("brief", "failed", within=1000)
        assert (row.running, row.failed) == (False, True)
        assert await hive.answer_to(await hive.send("echo", "you")) == "echo you"


async def test_a_stop_while_the_socket_opens_leaves_no_container_and_no_socket(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    path = hive.paths.agent_socket("alice")
    for turns in range(8):
        await hive.stop("alice")
        participant = hive.parts.registry.agent("alice")
        starting = asyncio.ensure_future(hive.start("alice"))
        await until(participant.lifecycle_lock.locked)
        for _ in range(turns):
            await asyncio.sleep(0)
        await hive.stop("alice")
        await asyncio.wait([starting])
        starting.exception()
        assert "alice" not in runtime.machines
        assert not path.exists()


async def test_a_stop_during_the_start_ends_the_start(hive: Hive, runtime: ScriptedRuntime) -> None:
    await hive.stop("alice")
    runtime.calls.clear()
    release = runtime.hold("create", "alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    await until(lambda: "create" in runtime.verbs("alice"))
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await until(lambda: "stop" in runtime.verbs("alice"))
    release.set()
    await asyncio.wait([starting, stopping])
    assert runtime.verbs("alice") == ["create", "stop"]
    assert isinstance(starting.exception(), ConflictError)
    assert not hive.paths.agent_socket("alice").exists()


async def test_a_stopped_agents_socket_is_closed_and_opens_again(hive: Hive) -> None:
    path = hive.paths.agent_socket("alice")
    async with connected(path) as line:
        await line.ok("whoami")
        await hive.stop("alice")
        assert await line.reader.read() == b""
    assert not path.exists()
    await hive.start("alice")
    async with connected(path) as line:
        await line.ok("whoami")


async def test_a_container_that_cannot_be_stopped_still_loses_its_socket(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.broken["stop"] = "busy"
    with pytest.raises(Exception, match="busy"):
        await hive.stop("alice")
    assert not hive.paths.agent_socket("alice").exists()
    runtime.broken.clear()


async def test_on_exit_is_keep_until_a_stop_is_requested(hive: Hive) -> None:
    alice = hive.parts.registry.agent("alice")
    assert alice.on_exit is OnExit.KEEP
    await hive.stop("alice")
    assert alice.on_exit is OnExit.STOP
    await hive.start("alice")
    assert alice.on_exit is OnExit.KEEP


# A peer


async def test_a_peers_socket_needs_no_runtime(hive: Hive, runtime: ScriptedRuntime) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as line:
        assert (await line.ok("whoami"))["kind"] == "peer"
    assert runtime.verbs("damocles") == []


async def test_a_peers_socket_is_retried_for_ever(site: Site, runtime: ScriptedRuntime) -> None:
    (site.run_dir / "agents").mkdir()
    in_the_way = site.run_dir / "agents" / "damocles"
    in_the_way.write_text("a file where a directory should be")
    async with site.simulated(runtime, swarm("alice", peers=["damocles"])) as hive:
        await advance(1800)
        assert "cannot listen" in str((await hive.status("damocles")).reason)
        assert (await hive.status("alice")).state == "running"
        in_the_way.unlink()
        await advance(60)
        assert hive.paths.agent_socket("damocles").is_socket()


# The registry


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(tmp_path / "hive.sqlite", InlineEngine(), clock=clock) as store:
        made = Registry(store, clock, EventLog(store, clock))
        for name in ("alice", "hm1nd"):
            made.join(new_agent(name, EXEC, 0.0))
        made.join(new_peer("damocles", 0.0))
        yield made


def test_presence_counts_connections() -> None:
    presence = Presence()
    assert (presence.connected, presence.since, presence.last_seen) == (False, None, None)
    presence.on_connect(1.0)
    presence.on_connect(2.0)
    assert (presence.connected, presence.since, presence.last_seen) == (True, 1.0, 2.0)
    presence.on_disconnect(3.0)
    assert (presence.connected, presence.since, presence.last_seen) == (True, 1.0, 3.0)
    presence.on_disconnect(4.0)
    assert (presence.connected, presence.since, presence.last_seen) == (False, None, 4.0)


async def test_the_registry_distinguishes_agents_from_peers(registry: Registry) -> None:
    assert [participant.name for participant in registry] == ["alice", "hm1nd", "damocles"]
    assert [participant.name for participant in registry.agents] == ["hm1nd", "alice"]
    assert [participant.name for participant in registry.peers] == ["damocles"]
    assert isinstance(registry.agent("manager"), Agent)
    assert registry.agent("manager").name == "hm1nd"
    assert isinstance(registry.peer("damocles"), Peer)
    with pytest.raises(NotAllowedError, match="is a peer"):
        registry.agent("damocles")
    with pytest.raises(NotAllowedError, match="is an agent"):
        registry.peer("alice")
    with pytest.raises(UnknownNameError, match="did you mean 'damocles'"):
        registry.get("damocels")


async def test_a_saved_change_is_on_disk_and_published(registry: Registry) -> None:
    changed: list[Participant] = []
    unsubscribe = registry.subscribe(changed.append)
    alice = registry.get("alice")
    await registry.save(alice, status_text="reading")
    assert [record.status_text for record in await registry._store.participants()] == ["reading"]
    assert changed == [alice]
    unsubscribe()
    registry.save_soon(alice, status_text=None)
    await settle()
    assert changed == [alice]
    assert [record.status_text for record in await registry._store.participants()] == [None]


async def test_a_removed_participant_is_not_stored_again(registry: Registry) -> None:
    alice = registry.get("alice")
    await registry.save(alice, paused=True)
    registry.leave(alice)
    await registry._store.delete_participant("alice")
    registry.on_disconnect(alice)
    await settle()
    with pytest.raises(UnknownNameError, match="does not take part"):
        await registry.save(alice, paused=False)
    assert await registry._store.participants() == ()


async def test_a_failed_write_of_save_soon_is_ignored(registry: Registry) -> None:
    await registry._store.close()
    alice = registry.get("alice")
    registry.on_connect(alice)
    await settle()
    assert alice.presence.connected
