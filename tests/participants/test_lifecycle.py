"""The desired state is on disk first, then carried out, and the newest request wins."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from signal import SIGTERM

import pytest

from actors.testing import advance, settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import (
    BadRequestError,
    ConflictError,
    FailedError,
    HiveError,
    NotAllowedError,
    TimedOutError,
    UnknownNameError,
)
from hive.exits import Exited, Signaled
from hive.gateway.sockets import ParticipantSockets
from hive.machines.runtime import RemainsError
from hive.store import Desired
from tests.support.hives import CALM, EXEC, TEMPORARY, TRANSIENT, Site, connected, swarm, until
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


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


async def desired_on_disk(hive: Hive, name: str) -> Desired:
    records = {record.name: record for record in await hive.parts.store.participants()}
    return records[name].desired


async def state(hive: Hive, name: str = "alice") -> str:
    return (await hive.status(name)).state


async def in_back_off(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.end("alice", Exited(1), "the moon was full")
    await hive.until_state("alice", "backoff")


async def parked(hive: Hive, runtime: ScriptedRuntime) -> None:
    for _ in range(CALM.max_restarts):
        await in_back_off(hive, runtime)
        await hive.until_state("alice", "running", within=1000)
    runtime.end("alice", Exited(1), "the moon was full")
    await hive.until_state("alice", "failed")


@pytest.mark.parametrize(
    ("verb", "force", "says"),
    [
        ("stop", False, "it was asked to end, and is killed after 10 s"),
        ("kill", True, "it is killed"),
    ],
)
async def test_the_reason_during_a_stop_is_that_of_the_stop(
    hive: Hive, runtime: ScriptedRuntime, verb: str, force: bool, says: str
) -> None:
    await in_back_off(hive, runtime)
    await hive.until_state("alice", "running", within=1000)
    release = runtime.hold(verb, "alice")
    stopping = asyncio.ensure_future(hive.parts.lifecycle.stop("alice", force=force))
    await settle()
    row = await hive.status("alice")
    assert (row.state, row.reason) == ("stopping", says)
    assert row.last_end is not None, "the end before is still shown, as such"
    release.set()
    await stopping


# The desired state comes first


async def test_a_stop_is_on_disk_before_the_container_is_touched(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    assert runtime.verbs("alice") == ["stop"]
    assert await desired_on_disk(hive, "alice") is Desired.STOPPED
    assert await state(hive) == "stopping"
    release.set()
    await stopping
    assert await state(hive) == "stopped"


async def test_the_time_of_a_run_is_not_shown_as_the_time_of_its_stop_or_of_the_next_start(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    assert (await hive.status("alice")).since is not None
    release = runtime.hold("stop", "alice")
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    row = await hive.status("alice")
    assert (row.state, row.since) == ("stopping", None)
    release.set()
    await stopping
    row = await hive.status("alice")
    assert (row.state, row.since) == ("stopped", row.last_end_at)
    release = runtime.hold("start", "alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    row = await hive.status("alice")
    assert (row.state, row.since) == ("starting", None)
    release.set()
    await starting


async def test_a_stop_that_fails_is_kept_for_the_next_hive(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        runtime.broken["stop"] = "the bus is gone"
        with pytest.raises(FailedError, match="the bus is gone"):
            await hive.stop("alice")
        assert await desired_on_disk(hive, "alice") is Desired.STOPPED
        await hive.close(keep_agents=True)
    runtime.broken.clear()
    async with site.simulated(runtime, swarm("alice")) as hive:
        assert await state(hive) == "stray", "it still runs, although it should be stopped"
        row = await hive.status("alice")
        assert row.running
        assert "hive-c0re stop alice" in str(row.reason)
        await hive.stop("alice")
        assert (await state(hive), runtime.machines) == ("stopped", {})


async def test_a_start_outlives_the_hive_that_could_not_carry_it_out(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await hive.stop("alice")
        runtime.hold("start", "alice")
        starting = asyncio.ensure_future(hive.start("alice"))
        await settle()
        assert await desired_on_disk(hive, "alice") is Desired.RUNNING
        starting.cancel()
    runtime.held.clear()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")


async def test_mail_for_a_stopped_agent_waits_for_it_also_in_the_next_hive(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await hive.stop("alice")
        await hive.send("alice", "one")
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.send("alice", "two")
        assert (await hive.status("alice")).unread == 2


# The newest request wins


async def test_a_stop_during_a_back_off_wins(hive: Hive, runtime: ScriptedRuntime) -> None:
    await in_back_off(hive, runtime)
    await hive.stop("alice")
    await advance(10 * CALM.cap)
    assert (await state(hive), "alice" in runtime.machines) == ("stopped", False)


async def test_a_stop_wins_over_a_start_that_hangs(hive: Hive, runtime: ScriptedRuntime) -> None:
    await hive.stop("alice")
    release = runtime.hold("start", "alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    assert await state(hive) == "starting"
    await hive.stop("alice")
    with pytest.raises(ConflictError, match="stopped by another request"):
        await starting
    release.set()
    await advance(100)
    assert (await state(hive), "alice" in runtime.machines) == ("stopped", False)


async def test_a_stop_wins_over_a_restart_that_is_still_stopping(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    restarting = asyncio.ensure_future(hive.restart("alice"))
    await settle()
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    release.set()
    with pytest.raises(ConflictError, match="stopped by another request"):
        await restarting
    await stopping
    assert "start" not in runtime.verbs("alice")
    assert await state(hive) == "stopped"


@pytest.mark.parametrize("turns", range(12))
async def test_a_stop_wins_at_whatever_step_of_a_start_it_comes(
    hive: Hive, runtime: ScriptedRuntime, turns: int
) -> None:
    await hive.stop("alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    while hive.parts.registry.get("alice").record.desired is Desired.STOPPED:
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    await hive.stop("alice")
    await asyncio.wait([starting])
    await advance(100)
    assert starting.exception() is None or isinstance(starting.exception(), ConflictError)
    assert (await state(hive), "alice" in runtime.machines) == ("stopped", False)


async def test_a_start_wins_over_a_stop_that_is_under_way(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    assert not starting.done(), "an agent that is being stopped does not count as started"
    release.set()
    await asyncio.gather(stopping, starting)
    await advance(100)
    assert await state(hive) == "running"
    assert runtime.verbs("alice") == ["stop", "create", "start"]


async def test_a_kill_overtakes_a_graceful_stop(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.hold("stop", "alice")
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    killing = asyncio.ensure_future(hive.parts.lifecycle.stop("alice", force=True))
    await settle()
    assert "alice" not in runtime.machines, "at once, whatever the graceful stop waits for"
    runtime.held.popitem()[1].set()
    await asyncio.gather(stopping, killing)
    assert await state(hive) == "stopped"


# Starting from every state


async def test_a_start_ends_a_back_off(hive: Hive, runtime: ScriptedRuntime) -> None:
    await in_back_off(hive, runtime)
    before = asyncio.get_running_loop().time()
    await hive.start("alice")
    assert asyncio.get_running_loop().time() == before
    assert await state(hive) == "running"


async def test_a_start_revives_a_parked_agent_with_its_whole_budget(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await parked(hive, runtime)
    row = await hive.status("alice")
    assert (row.failed, row.reason, row.last_lines) == (
        True,
        "exited with status 1",
        ["the moon was full"],
    )
    assert await state(hive, "bob") == "running"
    assert runtime.verbs("bob") == []
    await hive.start("alice")
    await parked(hive, runtime)


async def test_a_restart_revives_a_parked_agent(hive: Hive, runtime: ScriptedRuntime) -> None:
    await parked(hive, runtime)
    await hive.restart("alice")
    assert await state(hive) == "running"


async def test_starting_what_runs_changes_nothing(hive: Hive, runtime: ScriptedRuntime) -> None:
    await hive.start("alice")
    await asyncio.gather(hive.start("alice"), hive.start("alice"))
    assert runtime.verbs("alice") == []


@pytest.mark.parametrize("policy", [TRANSIENT, TEMPORARY], ids=["transient", "temporary"])
async def test_an_agent_that_is_done_has_ended_and_can_be_started_again(
    site: Site, runtime: ScriptedRuntime, policy: object
) -> None:
    manifest = AgentManifest(exec=("agent",), restart=policy)  # type: ignore[arg-type]
    async with site.simulated(runtime, swarm("alice", manifest=manifest)) as hive:
        await hive.until_state("alice", "running")
        runtime.end("alice", Exited(0))
        row = await hive.until_state("alice", "ended")
        assert (row.running, row.failed, row.reason) == (False, False, "exited with status 0")
        await advance(1000)
        assert await state(hive) == "ended"
        await hive.start("alice")
        assert await state(hive) == "running"
        await hive.stop("alice")
        assert await state(hive) == "stopped"
        await hive.start("alice")
        assert await state(hive) == "running"


# Starts that fail


async def test_a_start_that_fails_says_why_and_is_tried_again(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    runtime.failing_starts["alice"] = deque(["no such image"])
    with pytest.raises(FailedError, match="could not be started: no such image"):
        await hive.start("alice")
    row = await hive.until_state("alice", "backoff")
    assert row.reason == "no such image"
    assert row.next_restart_at is not None
    await hive.until_state("alice", "running")
    assert (await hive.status("alice")).reason is None


async def test_an_agent_that_never_starts_is_parked_with_the_reason(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.failing_starts["alice"] = deque(["no such image"] * 4)
    runtime.end("alice", Signaled(SIGTERM))
    row = await hive.until_state("alice", "failed", within=1000)
    assert row.reason == "no such image"
    await settle()  # the state is known before its event is on disk
    [event] = [e for e in await hive.parts.events.recent(100) if e.event == "failed"]
    assert (event.name, event.detail["reason"]) == ("alice", "no such image")


async def test_a_start_that_takes_too_long_says_so_and_goes_on(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    release = runtime.hold("start", "alice")
    with pytest.raises(TimedOutError, match="not up after 30 s"):
        await hive.start("alice")
    release.set()
    await hive.until_state("alice", "running")


# Spawn and destroy


async def test_a_spawned_agent_runs_and_is_there_again_in_the_next_hive(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.parts.lifecycle.spawn("carol", EXEC)
    assert await state(hive, "carol") == "running"
    await hive.close()
    async with site.simulated(runtime, swarm("alice")) as again:
        await again.until_state("carol", "running")


async def test_a_name_is_given_once(hive: Hive, runtime: ScriptedRuntime) -> None:
    lifecycle = hive.parts.lifecycle
    outcomes = await asyncio.gather(
        *[lifecycle.spawn("carol", EXEC) for _ in range(3)], return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "Agent",
        "ConflictError",
        "ConflictError",
    ]
    assert runtime.verbs("carol") == ["create", "start"]
    for wrong in ("../x", "Carol", "manager", "operator", "a-long-name"):
        with pytest.raises(BadRequestError):
            await lifecycle.spawn(wrong, EXEC)
    with pytest.raises(ConflictError, match="'damocles'; 'hive-c0re unregister-peer damocles'"):
        await lifecycle.spawn("damocles", EXEC)


async def test_a_spawn_that_cannot_be_written_down_leaves_nothing(
    hive: Hive, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: object) -> asyncio.Future[None]:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(FailedError("the disk is full"))
        return failed

    with monkeypatch.context() as patched:
        patched.setattr(hive.parts.store, "upsert_participant", full)
        with pytest.raises(FailedError, match="disk is full"):
            await hive.parts.lifecycle.spawn("carol", EXEC)
    assert "carol" not in hive.parts.registry
    await hive.parts.lifecycle.spawn("carol", EXEC)


@pytest.mark.parametrize(
    ("request_", "column", "value"),
    [
        (lambda hive: hive.stop("alice"), "desired", Desired.RUNNING),
        (lambda hive: hive.parts.lifecycle.forget("alice"), "desired", Desired.RUNNING),
        (lambda hive: hive.parts.lifecycle.set_paused("alice", paused=True), "paused", False),
    ],
)
async def test_a_request_that_cannot_be_written_down_is_not_carried_out_later(
    hive: Hive,
    runtime: ScriptedRuntime,
    monkeypatch: pytest.MonkeyPatch,
    request_: Callable[[Hive], Awaitable[object]],
    column: str,
    value: object,
) -> None:
    async def full(record: object) -> None:
        raise FailedError("the disk is full")

    agent = hive.parts.registry.agent("alice")
    with monkeypatch.context() as patched:
        patched.setattr(hive.parts.store, "upsert_participant", full)
        with pytest.raises(FailedError, match="disk is full"):
            await request_(hive)
    assert getattr(agent.record, column) == value
    hive.parts.registry.touch(agent)
    await advance(1)
    [stored] = [each for each in await hive.parts.store.participants() if each.name == "alice"]
    assert getattr(stored, column) == value, "what is written next does not say otherwise"
    assert (await hive.status("alice")).state == "running"


async def test_what_another_request_has_set_since_stays_when_a_write_fails(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, agent = hive.parts.registry, hive.parts.registry.agent("alice")
    failing = asyncio.Event()

    async def late(record: object) -> None:
        await failing.wait()
        raise FailedError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(hive.parts.store, "upsert_participant", late)
        first = asyncio.ensure_future(registry.save(agent, status_text="one", description="x"))
        await settle()
    await registry.save(agent, status_text="two")
    failing.set()
    with pytest.raises(FailedError):
        await first
    assert (agent.record.status_text, agent.record.description) == ("two", None)


@pytest.mark.parametrize("purge", [False, True])
async def test_destroy_keeps_the_mail_unless_purge_is_given(
    site: Site, hive: Hive, runtime: ScriptedRuntime, purge: bool
) -> None:
    await hive.send("alice", "keep me")
    await hive.parts.lifecycle.destroy("alice", purge=purge)
    assert runtime.verbs("alice") == ["stop", "purge" if purge else "destroy"]
    assert not site.run_dir.joinpath("agents", "alice", "mcp.sock").exists()
    with pytest.raises(UnknownNameError):
        await hive.status("alice")
    with pytest.raises(UnknownNameError):
        await hive.send("alice", "no such agent")
    await hive.parts.lifecycle.spawn("alice", EXEC)
    assert [message.body for message in await hive.inbox("alice")] == ([] if purge else ["keep me"])
    assert (await hive.status("alice")).unread == (0 if purge else 1)


async def test_a_destroyed_agent_does_not_come_back(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", role="harness")
        participant = hive.parts.registry.get("alice")
        await hive.parts.lifecycle.destroy("alice", purge=False)
    hive.parts.registry.save_soon(participant, last_seen=1.0)
    with pytest.raises(UnknownNameError, match="not take part"):
        await hive.parts.registry.save(participant, status_text="still here")
    await hive.close()
    async with site.simulated(runtime, swarm("bob")) as again:
        assert [agent.name for agent in again.parts.registry.agents] == ["bob"]


async def test_a_start_that_waits_for_a_destroy_is_refused(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("destroy", "alice")
    destroying = asyncio.ensure_future(hive.parts.lifecycle.destroy("alice", purge=False))
    await settle()
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    release.set()
    await destroying
    with pytest.raises(ConflictError, match="destroyed by another request"):
        await starting
    assert runtime.verbs("alice") == ["stop", "destroy"]


async def test_a_destroy_that_failed_can_be_repeated(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.broken["destroy"] = "busy"
    with pytest.raises(FailedError, match="busy"):
        await hive.parts.lifecycle.destroy("alice", purge=False)
    assert await state(hive) == "stopped"
    runtime.broken.clear()
    await hive.parts.lifecycle.destroy("alice", purge=False)
    assert "alice" not in hive.parts.registry


@pytest.mark.parametrize("name", ["hm1nd", "manager"])
async def test_the_manager_is_not_destroyed_under_any_of_its_names(
    site: Site, runtime: ScriptedRuntime, name: str
) -> None:
    async with site.simulated(runtime, swarm("alice", manager=True)) as hive:
        await hive.until_state("hm1nd", "running")
        with pytest.raises(
            NotAllowedError,
            match=r"take \[manager\] out of the file",
        ):
            await hive.parts.lifecycle.destroy(name, purge=True)
        assert await state(hive, "hm1nd") == "running"


@pytest.mark.parametrize("broken", ["runtime", "sockets"])
async def test_a_purge_that_leaves_files_removes_all_else_and_can_be_finished(
    hive: Hive, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    lifecycle = hive.parts.lifecycle
    await hive.send("alice", "unread")

    async def refuse(self: object, name: str, **_: object) -> None:
        raise RemainsError(f"/the/directory/of/{name} is not removed: it is busy")

    owner = ScriptedRuntime if broken == "runtime" else ParticipantSockets
    with monkeypatch.context() as patched:
        patched.setattr(owner, "destroy" if broken == "runtime" else "purge", refuse)
        said = "destroyed, but .*/the/directory/of/alice is not .*: it is busy; .*destroy --purge a"
        with pytest.raises(FailedError, match=said):
            await lifecycle.destroy("alice", purge=True)
    assert "alice" not in hive.parts.registry
    with pytest.raises(UnknownNameError):
        await hive.inbox("alice")
    hive.paths.socket_dir("alice").mkdir(exist_ok=True)
    await lifecycle.check_destroy("alice", purge=True)
    await lifecycle.destroy("alice", purge=True)
    assert runtime.verbs("alice")[-1] == "purge"
    assert not hive.paths.socket_dir("alice").exists()
    for destroy in (lifecycle.check_destroy, lifecycle.destroy):
        with pytest.raises(UnknownNameError):
            await destroy("alice", purge=True)


async def test_a_purge_removes_what_a_destroy_without_it_has_left(hive: Hive) -> None:
    lifecycle = hive.parts.lifecycle
    await hive.send("alice", "keep me")
    hive.paths.agent_state("alice").mkdir(parents=True)  # as a runtime does before a start
    await lifecycle.destroy("alice", purge=False)
    with pytest.raises(UnknownNameError):
        await lifecycle.check_destroy("alice", purge=False)
    await lifecycle.destroy("alice", purge=True)
    assert not hive.paths.socket_dir("alice").exists()
    await lifecycle.spawn("alice", EXEC)
    assert not await hive.inbox("alice")


@pytest.mark.parametrize("name", ["../bob", "hm1nd", "damocles"])
async def test_a_purge_takes_only_names_of_agents(hive: Hive, name: str) -> None:
    with pytest.raises(HiveError):
        await hive.parts.lifecycle.destroy(name, purge=True)
    assert hive.paths.socket_dir("bob").exists()
    assert hive.paths.socket_dir("damocles").exists()


async def test_a_destroy_of_an_agent_that_is_just_spawned_leaves_nothing(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    lifecycle = hive.parts.lifecycle
    spawning = asyncio.ensure_future(lifecycle.spawn("carol", EXEC))
    await until(lambda: "carol" in hive.parts.registry)
    destroying = asyncio.ensure_future(lifecycle.destroy("carol", purge=False))
    with pytest.raises(ConflictError, match="by another request"):
        await spawning
    await destroying
    await settle()
    assert "carol" not in runtime.machines
    assert not hive.paths.agent_socket("carol").exists()


# Strays


async def test_a_stray_is_reported_and_left_alone_until_the_operator_decides(
    site: Site, runtime: ScriptedRuntime
) -> None:
    manifest = AgentManifest(exec=("agent",), autostart=False)
    runtime.run_unasked("alice")
    async with site.simulated(runtime, swarm("alice", "bob", manifest=manifest)) as hive:
        assert [await state(hive, name) for name in ("alice", "bob")] == ["stray", "stopped"]
        assert [e.name for e in await hive.parts.events.recent(9) if e.event == "stray"] == [
            "alice"
        ]
        await advance(1000)
        assert "alice" in runtime.machines
        await hive.start("alice")
        row = await hive.status("alice")
        assert (row.state, row.source) == ("running", "kernel")
        assert "start" not in runtime.verbs("alice")


async def test_a_stray_that_ends_by_itself_is_none_any_more(
    site: Site, runtime: ScriptedRuntime
) -> None:
    manifest = AgentManifest(exec=("agent",), autostart=False)
    runtime.run_unasked("alice")
    async with site.simulated(runtime, swarm("alice", manifest=manifest)) as hive:
        runtime.end("alice", Exited(3))
        row = await hive.status("alice")
        assert (row.state, row.running, row.reason) == ("stopped", False, "exited with status 3")


# Pause


async def test_a_pause_holds_mail_back_also_in_the_next_hive(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    await hive.parts.lifecycle.set_paused("alice", paused=True)
    await hive.close()
    async with site.simulated(runtime, swarm("alice")) as again:
        await again.send("alice", "wait")
        await again.start("alice")
        async with connected(again.paths.agent_socket("alice")) as line:
            assert (await line.ok("recv"))["messages"] == []
            await again.parts.lifecycle.set_paused("alice", paused=False)
            [message] = (await line.ok("recv", wait_seconds=5))["messages"]
            assert message["body"] == "wait"


# Peers


async def test_registering_a_peer_again_changes_its_settings_and_nothing_else(hive: Hive) -> None:
    lifecycle = hive.parts.lifecycle
    await lifecycle.register_peer("box-b")
    await hive.send("box-b", "keep me")
    again = await lifecycle.register_peer("box-b", broadcast=True, description="the other box")
    assert (again.record.broadcast, again.record.description) == (True, "the other box")
    assert (await hive.status("box-b")).unread == 1
    with pytest.raises(NotAllowedError, match="is an agent"):
        await lifecycle.register_peer("alice")
    with pytest.raises(BadRequestError):
        await lifecycle.register_peer("hm1nd")


async def test_registering_a_peer_again_keeps_what_is_not_given(hive: Hive) -> None:
    lifecycle = hive.parts.lifecycle
    await lifecycle.register_peer("box-b", broadcast=True, description="the box")
    record = (await lifecycle.register_peer("box-b")).record
    assert (record.broadcast, record.description) == (True, "the box")
    record = (await lifecycle.register_peer("box-b", broadcast=False)).record
    assert (record.broadcast, record.description) == (False, "the box")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
async def test_registering_a_peer_again_repairs_the_group_of_its_socket(hive: Hive) -> None:
    socket = hive.paths.agent_socket("damocles")
    assert socket.stat().st_gid == os.getegid()
    os.chown(socket.parent, -1, 1000)  # the line for systemd-tmpfiles came after the daemon
    socket.parent.chmod(0o2750)
    await hive.register_peer("damocles")
    assert socket.stat().st_gid == 1000


@pytest.mark.parametrize("purge", [False, True])
async def test_a_destroyed_agent_leaves_no_directory_of_its_socket(hive: Hive, purge: bool) -> None:
    directory = hive.paths.socket_dir("alice")
    assert directory.is_dir()
    await hive.parts.lifecycle.destroy("alice", purge=purge)
    assert not directory.exists()
    await hive.parts.lifecycle.spawn("alice", EXEC)
    assert hive.paths.agent_socket("alice").is_socket()


async def test_files_in_the_directory_of_a_socket_stay_without_purge(hive: Hive) -> None:
    mine = hive.paths.socket_dir("alice") / "mine"
    mine.write_text("x")
    await hive.parts.lifecycle.destroy("alice", purge=False)
    assert mine.exists()


async def test_a_peer_whose_socket_cannot_be_bound_says_so_each_time(
    site: Site, hive: Hive
) -> None:
    in_the_way = site.run_dir / "agents" / "box-b"
    in_the_way.write_text("a file where a directory should be")
    for _ in range(2):
        with pytest.raises(FailedError, match="cannot listen on"):
            await hive.register_peer("box-b")
    in_the_way.unlink()
    await advance(60)
    await hive.register_peer("box-b")
    assert hive.paths.agent_socket("box-b").is_socket()


async def test_a_peer_that_is_removed_while_it_is_registered_is_said_at_once(
    hive: Hive,
) -> None:
    lifecycle, loop = hive.parts.lifecycle, asyncio.get_running_loop()
    begun = loop.time()
    registering = asyncio.ensure_future(lifecycle.register_peer("box-b"))
    await asyncio.sleep(0)
    removing = asyncio.ensure_future(lifecycle.unregister_peer("box-b"))
    with pytest.raises(ConflictError, match="'box-b' was removed by another request meanwhile"):
        await registering
    await removing
    await settle()
    assert loop.time() - begun < 1
    assert "box-b" not in hive.parts.registry
    assert not hive.paths.agent_socket("box-b").exists()


async def test_a_peer_that_is_registered_while_it_is_removed_takes_part_again(hive: Hive) -> None:
    lifecycle = hive.parts.lifecycle
    removing = asyncio.ensure_future(lifecycle.unregister_peer("damocles"))
    await asyncio.sleep(0)
    again = asyncio.ensure_future(lifecycle.unregister_peer("damocles"))
    registering = asyncio.ensure_future(lifecycle.register_peer("damocles", broadcast=True))
    await removing
    with pytest.raises(ConflictError, match="removed by another request"):
        await again
    peer = await registering
    assert hive.parts.registry.get("damocles") is peer
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("send", to="damocles", body="still an inbox")
        assert (await line.ok("recv"))["messages"]


async def test_a_peer_with_unread_mail_is_unregistered_only_by_force(hive: Hive) -> None:
    lifecycle = hive.parts.lifecycle
    await hive.send("damocles", "unread")
    with pytest.raises(ConflictError, match="1 unread"):
        await lifecycle.unregister_peer("damocles")
    assert hive.paths.agent_socket("damocles").is_socket()
    await lifecycle.unregister_peer("damocles", force=True)
    assert not hive.paths.agent_socket("damocles").exists()
    assert "damocles" not in hive.parts.registry
    await hive.register_peer("damocles")
    assert (await hive.status("damocles")).unread == 1, "its mail has waited for its return"
    with pytest.raises(NotAllowedError, match="is an agent"):
        await lifecycle.unregister_peer("alice")


async def test_no_verb_of_a_lifecycle_takes_a_peer(hive: Hive, runtime: ScriptedRuntime) -> None:
    lifecycle = hive.parts.lifecycle
    for verb in (
        lifecycle.start("damocles"),
        lifecycle.stop("damocles"),
        lifecycle.stop("damocles", force=True),
        lifecycle.restart("damocles"),
        lifecycle.destroy("damocles", purge=True),
        lifecycle.set_paused("damocles", paused=True),
    ):
        with pytest.raises(NotAllowedError, match="'damocles' is a peer"):
            await verb
    assert runtime.verbs("damocles") == []
