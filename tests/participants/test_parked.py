"""A parked agent stays parked, with its cause and its count, until somebody acts."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.exits import Ended, Exited, Signaled
from hive.machines.runtime import CannotStartError
from hive.participants.start_checks import MisconfiguredError, failure_of
from hive.store import ParticipantOrigin
from tests.support.hives import CALM, EXEC, Site, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

HARNESS = AgentManifest(run=("agent",))


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice", "bob")) as opened:
        await opened.until_state("alice", "running")
        runtime.calls.clear()
        yield opened


async def park(hive: Hive, runtime: ScriptedRuntime) -> None:
    for _ in range(CALM.max_restarts):
        runtime.end("alice", Exited(4), "boom: no such key")
        await hive.until_state("alice", "backoff")
        await hive.until_state("alice", "running", within=1000)
    runtime.end("alice", Exited(4), "boom: no such key")
    await hive.until_state("alice", "failed")
    await settle()


@pytest.mark.parametrize("keep_agents", [False, True])
async def test_it_is_parked_under_the_next_daemon_too_with_cause_and_count(
    site: Site, hive: Hive, runtime: ScriptedRuntime, keep_agents: bool
) -> None:
    await park(hive, runtime)
    await hive.close(keep_agents=keep_agents)
    runtime.calls.clear()
    async with site.simulated(runtime, swarm("alice", "bob")) as again:
        await advance(1000)
        row = await again.status("alice")
        assert (row.state, row.failed, row.restarts) == ("failed", True, CALM.max_restarts)
        assert (row.reason, row.last_lines) == ("exited with status 4", ["boom: no such key"])
        assert runtime.verbs("alice") == []
        mails = [each for each in await again.inbox() if "failed" in (each.body or "")]
        assert len(mails) == 1, "the operator was notified once, by the daemon that parked it"


async def test_it_is_parked_after_a_daemon_that_was_killed(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    """A killed daemon writes nothing at its end: what the next one finds was written before."""
    await park(hive, runtime)
    records = {each.name: each for each in await hive.parts.store.participants()}
    assert records["alice"].failed == "exited with status 4"
    assert records["alice"].restarts == CALM.max_restarts
    assert records["bob"].failed is None


async def test_a_restart_of_the_broker_starts_no_parked_agent(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await park(hive, runtime)
    runtime.calls.clear()
    broker = hive.parts.system.whereis("broker")
    assert broker is not None
    hive.parts.system.kill(broker)
    await advance(100)
    assert (await hive.status("bob")).state == "running"
    row = await hive.status("alice")
    assert (row.state, runtime.verbs("alice")) == ("failed", [])


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (lambda hive: hive.start("alice"), "running"),
        (lambda hive: hive.restart("alice"), "running"),
        (lambda hive: hive.stop("alice"), "stopped"),
    ],
    ids=["start", "restart", "stop"],
)
async def test_the_operator_ends_it_also_under_the_next_daemon(
    site: Site,
    hive: Hive,
    runtime: ScriptedRuntime,
    act: Callable[[Hive], Awaitable[None]],
    state: str,
) -> None:
    await park(hive, runtime)
    await hive.close()
    async with site.simulated(runtime, swarm("alice", "bob")) as again:
        await again.until_state("bob", "running")
        await act(again)
        row = await again.status("alice")
        assert (row.state, row.failed, row.restarts) == (state, False, CALM.max_restarts)
        await settle()
    async with site.simulated(runtime, swarm("alice", "bob")) as third:
        assert (await third.until_state("alice", state)).failed is False


async def test_a_container_that_runs_although_its_agent_is_parked_is_told(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    await park(hive, runtime)
    await hive.close()
    runtime.run_unasked("alice")
    async with site.simulated(runtime, swarm("alice", "bob")) as again:
        row = await again.status("alice")
        assert (row.state, row.running) == ("stray", True)
        await again.start("alice")
        assert (await again.status("alice")).state == "running", "it is adopted"


# Restarts


async def test_only_automatic_restarts_are_counted(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")
    assert (await hive.status("alice")).restarts == 0, "it is counted when it is done"
    await hive.until_state("alice", "running")
    assert (await hive.status("alice")).restarts == 1
    await hive.restart("alice")
    await hive.stop("alice")
    await hive.start("alice")
    assert (await hive.status("alice")).restarts == 1
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")
    await hive.start("alice")
    assert (await hive.status("alice")).restarts == 1, "this start was the operator's, too"


async def test_an_adoption_by_the_next_daemon_is_no_restart(
    site: Site, hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.close(keep_agents=True)
    async with site.simulated(runtime, swarm("alice", "bob")) as again:
        assert (await again.until_state("alice", "running")).restarts == 0


# What no restart mends


@pytest.mark.parametrize(
    ("manifest", "ended", "is_misconfigured"),
    [
        (HARNESS, Ended(Exited(7), 0.0), True),
        (EXEC, Ended(Exited(7), 0.0), False),
        (HARNESS, Ended(Exited(1), 0.0), False),
        (HARNESS, Ended(Signaled(9), 0.0), False),
        (EXEC, Ended(Exited(203), 0.0, result="exit-code"), True),
        (EXEC, Ended(Exited(200), 0.0, result="exit-code"), True),
        (EXEC, Ended(Exited(203), 0.0), False),
    ],
    ids=["harness", "own 7", "failure", "signal", "no program", "no directory", "own 203"],
)
def test_which_ends_mean_that_the_configuration_is_wrong(
    manifest: AgentManifest, ended: Ended, is_misconfigured: bool
) -> None:
    failure = failure_of(ended, has_harness=manifest.exec is None)
    assert isinstance(failure, MisconfiguredError) is is_misconfigured
    assert str(failure) == str(ended)


async def test_a_harness_that_says_its_configuration_is_wrong_is_not_started_again(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice", "bob", manifest=HARNESS)) as hive:
        await hive.until_state("alice", "running")
        words = "hive-ag3nt: there is no program 'x' on PATH that can be started"
        runtime.end("alice", Exited(7), words)
        row = await hive.until_state("alice", "failed", within=1)
        assert (row.restarts, row.last_lines) == (0, [words])
        assert (await hive.status("bob")).state == "running"
        await settle()
        [mail] = [each for each in await hive.inbox() if "failed" in (each.body or "")]
        assert words in (mail.body or "")


async def test_a_program_that_is_missing_at_an_automatic_start_parks_at_once(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    why = "alice could not be started: there is no program 'x'"
    runtime.failing_starts["alice"] = deque([CannotStartError(why)])
    runtime.end("alice", Signaled(9))
    row = await hive.until_state("alice", "failed", within=100)
    assert (row.reason, row.restarts) == (why, 1)
    await hive.start("alice")
    assert (await hive.status("alice")).state == "running"


async def test_an_invalid_manifest_parks_at_once(hive: Hive, runtime: ScriptedRuntime) -> None:
    agent = hive.parts.registry.agent("alice")
    await hive.parts.registry.save(agent, manifest='{"exec": 7}')
    runtime.end("alice", Exited(1))
    row = await hive.until_state("alice", "failed", within=100)
    assert row.restarts == 1
    assert "exec" in str(row.reason)


async def parked_notices(hive: Hive, name: str) -> tuple[list[str], list[str], list[object]]:
    """Return the reasons that the operator, the manager and the event log have been given."""
    mail = [
        [
            found["reason"]
            for each in await hive.inbox(to)
            if (found := json.loads(each.body or "{}")).get("event") == "failed"
            and found["agent"] == name
        ]
        for to in ("operator", "hm1nd")
    ]
    events = [
        each.detail["reason"]
        for each in await hive.parts.events.recent(100)
        if each.event == "failed" and each.name == name
    ]
    return mail[0], mail[1], events


WHY = "carol could not be started: there is no program 'x'"


async def begin_with_the_daemon(site: Site, runtime: ScriptedRuntime) -> Hive:
    hive = site.simulated(runtime, swarm("carol", manager=True))
    await hive.open()
    return hive


async def begin_by_start(site: Site, runtime: ScriptedRuntime) -> Hive:
    manifest = AgentManifest(exec=("agent",), autostart=False)
    config = attrs.evolve(swarm(manager=True), agents={"carol": manifest})
    hive = site.simulated(runtime, config)
    await hive.open()
    with pytest.raises(FailedError, match="could not be started"):
        await hive.start("carol")
    return hive


async def begin_by_reload(site: Site, runtime: ScriptedRuntime) -> Hive:
    hive = site.simulated(runtime, swarm(manager=True))
    await hive.open()
    hive.parts.reloader._read = lambda: swarm("carol", manager=True)
    await hive.parts.reloader.reload()
    return hive


async def begin_from_a_commit(site: Site, runtime: ScriptedRuntime) -> Hive:
    hive = site.simulated(runtime, swarm(manager=True))
    await hive.open()
    await hive.parts.lifecycle.add("carol", EXEC, ParticipantOrigin.REPOSITORY, "1" * 40)
    with pytest.raises(FailedError, match="could not be started"):
        await hive.parts.lifecycle.apply("carol")
    return hive


@pytest.mark.parametrize(
    "begin",
    [begin_with_the_daemon, begin_by_start, begin_by_reload, begin_from_a_commit],
)
async def test_an_agent_whose_first_start_fails_for_good_is_notified_as_any_other(
    site: Site, runtime: ScriptedRuntime, begin: Callable[[Site, ScriptedRuntime], Awaitable[Hive]]
) -> None:
    runtime.failing_starts["carol"] = deque([CannotStartError(WHY)])
    hive = await begin(site, runtime)
    try:
        assert (await hive.until_state("carol", "failed")).reason == WHY
        await settle()
        assert await parked_notices(hive, "carol") == ([WHY], [WHY], [WHY])
    finally:
        await hive.close()


async def test_the_first_run_of_a_spawned_agent_that_ends_for_good_is_notified_as_any_other(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm(manager=True)) as hive:
        await hive.parts.lifecycle.spawn("carol", HARNESS)
        runtime.end("carol", Exited(7))
        await hive.until_state("carol", "failed", within=1)
        await settle()
        why = ["exited with status 7"]
        assert await parked_notices(hive, "carol") == (why, why, why)


async def test_a_spawn_that_fails_is_an_error_and_no_notice(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm(manager=True)) as hive:
        runtime.failing_starts["carol"] = deque([CannotStartError(WHY)])
        with pytest.raises(FailedError, match="nothing is left of it"):
            await hive.parts.lifecycle.spawn("carol", EXEC)
        await settle()
        assert await parked_notices(hive, "carol") == ([], [], [])
