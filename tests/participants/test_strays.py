"""A container that others have started is adopted where it is wanted, and shown elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from attrs import evolve

from actors import ChildState
from actors.testing import advance, settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.exits import Exited
from hive.machines.runtime import Running
from hive.participants.participant import Agent, new_agent
from hive.participants.strays import (
    Sighting,
    StrayCause,
    sighting,
    stray_cause,
    stray_reason,
)
from hive.store import Desired, EventRecord, ParticipantRecord
from tests.support.hives import CALM, TRANSIENT, Site, swarm
from tests.support.runtimes import ScriptedRuntime

RUNNING = Running(1, 0.0, "alice-1", adopted=False, source="kernel")


def record(desired: Desired = Desired.RUNNING, failed: str | None = None) -> ParticipantRecord:
    return evolve(new_agent("alice", AgentManifest(), 1.0), desired=desired, failed=failed)


STOPPED, PARKED = record(Desired.STOPPED), record(failed="exited with status 1")


# The rules


@pytest.mark.parametrize(
    ("found", "child", "expected"),
    [
        (record(), ChildState.BACKOFF, Sighting.RETRY),
        (record(), ChildState.STARTING, Sighting.KNOWN),
        (record(), ChildState.RUNNING, Sighting.KNOWN),
        (record(), ChildState.STOPPING, Sighting.KNOWN),
        (record(), ChildState.STOPPED, Sighting.STRAY),
        (record(), ChildState.PARKED, Sighting.STRAY),
        (record(), None, Sighting.STRAY),
        (STOPPED, None, Sighting.STRAY),
        (STOPPED, ChildState.STOPPED, Sighting.STRAY),
        (STOPPED, ChildState.BACKOFF, Sighting.STRAY),
        (PARKED, ChildState.PARKED, Sighting.STRAY),
        (PARKED, None, Sighting.STRAY),
    ],
)
async def test_what_to_do_depends_on_what_the_hive_would_do(
    found: ParticipantRecord, child: ChildState | None, expected: Sighting
) -> None:
    assert sighting(Agent(found), child) is expected
    assert sighting(Agent(found, stray=True, running=RUNNING), child) is Sighting.KNOWN
    assert sighting(Agent(found, running=RUNNING), child) is Sighting.KNOWN


@pytest.mark.parametrize("child", [ChildState.STARTING, ChildState.RUNNING])
async def test_a_queued_start_is_admitted(child: ChildState) -> None:
    assert sighting(Agent(record(), queued_for="memory is short"), child) is Sighting.ADMIT


@pytest.mark.parametrize(
    ("found", "cause", "words"),
    [
        (STOPPED, StrayCause.STOPPED, "it should be stopped"),
        (evolve(STOPPED, failed="gone"), StrayCause.STOPPED, "it should be stopped"),
        (PARKED, StrayCause.PARKED, "it has failed (exited with status 1)"),
        (record(), StrayCause.ENDED, "it has ended and is not to be restarted"),
    ],
)
def test_the_reason_says_why_and_what_to_do(
    found: ParticipantRecord, cause: StrayCause, words: str
) -> None:
    assert stray_cause(found) is cause
    assert stray_reason(found) == (
        f"runs although {words}; 'hive-c0re stop alice' ends it, 'hive-c0re start alice' takes it "
        "over"
    )


# In a hive


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice", peers=["damocles"])) as opened:
        await opened.until_state("alice", "running")
        runtime.calls.clear()
        yield opened


async def appear(hive: Hive, runtime: ScriptedRuntime, name: str = "alice") -> Running:
    """Start a container as another program does, and tell the hive of it."""
    running = runtime.run_unasked(name)
    await hive.parts.lifecycle.strays.appeared(name)
    return running


async def events(hive: Hive, kind: str) -> list[EventRecord]:
    await settle()
    return [each for each in await hive.parts.events.recent(100) if each.event == kind]


@pytest.mark.sim
async def test_a_stopped_agents_container_is_shown_and_ended_by_a_stop(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    running = await appear(hive, runtime)
    row = await hive.status("alice")
    assert (row.state, row.running, row.pid, row.source) == ("stray", True, running.pid, "kernel")
    assert row.reason == stray_reason(STOPPED)
    [event] = await events(hive, "stray")
    assert (event.name, event.detail) == ("alice", {"cause": "stopped", "pid": running.pid})
    await hive.stop("alice")
    row = await hive.status("alice")
    assert (row.state, row.running, row.pid) == ("stopped", False, None)
    assert runtime.machines == {}


@pytest.mark.sim
async def test_a_stray_that_ends_is_recorded_with_its_cause(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    await appear(hive, runtime)
    runtime.end("alice", Exited(3))
    row = await hive.status("alice")
    assert (row.state, row.running, row.pid, row.reason) == (
        *("stopped", False, None),
        "exited with status 3",
    )
    assert [each.detail["reason"] for each in await events(hive, "ended")] == [row.reason]


@pytest.mark.sim
async def test_a_start_adopts_a_stray_and_supervises_it(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    running = await appear(hive, runtime)
    runtime.calls.clear()
    await hive.start("alice")
    row = await hive.status("alice")
    assert (row.state, row.pid) == ("running", running.pid)
    assert set(runtime.verbs("alice")) == {"adopt"}, "no second start"
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")


@pytest.mark.sim
async def test_a_start_waits_until_the_stray_is_adopted(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    await appear(hive, runtime)
    release = runtime.hold("adopt", "alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    assert not starting.done()
    release.set()
    await starting
    assert (await hive.status("alice")).state == "running"


@pytest.mark.sim
async def test_a_parked_agents_container_is_a_stray(hive: Hive, runtime: ScriptedRuntime) -> None:
    for _ in range(CALM.max_restarts):
        runtime.end("alice", Exited(1))
        await hive.until_state("alice", "backoff")
        await hive.until_state("alice", "running", within=1000)
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "failed")
    await appear(hive, runtime)
    row = await hive.status("alice")
    assert (row.state, row.reason) == ("stray", stray_reason(PARKED))
    await hive.start("alice")
    assert (await hive.status("alice")).state == "running"


@pytest.mark.sim
async def test_the_container_of_an_agent_that_has_ended_is_a_stray(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice", restart=TRANSIENT)) as hive:
        await hive.until_state("alice", "running")
        runtime.end("alice", Exited(0))
        await hive.until_state("alice", "ended")
        await appear(hive, runtime)
        assert (await hive.status("alice")).state == "stray"
        assert [e.detail["cause"] for e in await events(hive, "stray")] == ["ended"]


@pytest.mark.sim
async def test_a_container_that_runs_during_a_back_off_is_adopted_at_once(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")
    running = await appear(hive, runtime)
    row = await hive.until_state("alice", "running", within=1)
    assert (row.pid, row.restarts) == (running.pid, 1), "a restart by others counts"
    assert runtime.verbs("alice") == ["adopt"]
    assert await events(hive, "stray") == []


@pytest.mark.sim
async def test_restarts_by_others_do_not_renew_the_budget(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    for _ in range(CALM.max_restarts):
        runtime.end("alice", Exited(1))
        await hive.until_state("alice", "backoff")
        await appear(hive, runtime)
        await hive.until_state("alice", "running", within=1)
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "failed", within=1)


@pytest.mark.sim
async def test_a_start_by_others_during_a_stop_is_judged_after_it(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    stopping = asyncio.ensure_future(hive.stop("alice"))
    await settle()
    appearing = asyncio.ensure_future(hive.parts.lifecycle.strays.appeared("alice"))
    await settle()
    assert not appearing.done()
    release.set()
    await stopping
    runtime.run_unasked("alice")
    await appearing
    assert (await hive.status("alice")).state == "stray"


@pytest.mark.sim
async def test_a_container_that_is_gone_again_is_no_stray(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    await hive.parts.lifecycle.strays.appeared("alice")
    assert (await hive.status("alice")).state == "stopped"
    assert await events(hive, "stray") == []


@pytest.mark.sim
@pytest.mark.parametrize("name", ["damocles", "nobody", "operator"])
async def test_what_is_no_agent_of_this_hive_is_left_alone(
    hive: Hive, runtime: ScriptedRuntime, name: str
) -> None:
    await appear(hive, runtime, name)
    assert runtime.verbs(name) == []
    assert await events(hive, "stray") == []


@pytest.mark.sim
async def test_what_runs_already_is_not_adopted_again(hive: Hive, runtime: ScriptedRuntime) -> None:
    await hive.parts.lifecycle.strays.appeared("alice")
    assert runtime.verbs("alice") == []
    assert (await hive.status("alice")).state == "running"


@pytest.mark.sim
async def test_a_container_that_a_stop_could_not_end_is_a_stray_until_its_end(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.broken["stop"] = "it runs even after a kill"
    with pytest.raises(FailedError, match="even after a kill"):
        await hive.stop("alice")
    assert (await hive.status("alice")).state == "stray"
    runtime.end("alice", Exited(0))
    assert (await hive.status("alice")).state == "stopped", "its end is heard"


@pytest.mark.sim
async def test_a_restart_by_another_program_is_counted_and_recorded(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    again = evolve(RUNNING, pid=7, instance="alice-7", since=5.0)
    hive.parts.lifecycle.strays.record_restart("alice", again, "systemd restarted it")
    row = await hive.status("alice")
    assert (row.state, row.pid, row.restarts) == ("running", 7, 1)
    [event] = await events(hive, "external_restart")
    assert event.detail == {"pid": 7, "reason": "systemd restarted it"}
    for name in ("damocles", "nobody"):
        hive.parts.lifecycle.strays.record_restart(name, again, "systemd restarted it")
    await advance(1)
    assert len(await events(hive, "external_restart")) == 1


@pytest.mark.sim
async def test_a_stray_outlives_the_hive(site: Site, hive: Hive, runtime: ScriptedRuntime) -> None:
    await hive.stop("alice")
    await appear(hive, runtime)
    await hive.close()
    assert "alice" in runtime.machines, "the operator decides, not the end of the daemon"


@pytest.mark.sim
async def test_a_container_that_cannot_be_looked_at_does_not_keep_the_daemon_down(
    site: Site,
) -> None:
    """That of a stopped agent may be between up and down for long, as after a failed unmount."""
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        await hive.until_state("bob", "running")
        await hive.stop("alice")
        runtime.run_unasked("alice")
        await hive.close(keep_agents=True)
    runtime.broken["adopt alice"] = "systemd-nspawn@h-alice.service has been deactivating for 30 s"
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        await hive.until_state("bob", "running")
        assert (await hive.status("alice")).state == "stopped"
        [trouble] = await events(hive, "trouble")
        assert "has been deactivating for 30 s" in trouble.detail["what"]


@pytest.mark.sim
async def test_systemd_that_does_not_answer_does_not_keep_the_daemon_down(site: Site) -> None:
    runtime = ScriptedRuntime()
    runtime.broken["running"] = "systemctl show did not end within 10 s"
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
