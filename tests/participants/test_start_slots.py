"""Agents start a few at a time; who waits is queued, and can be preferred, stopped and removed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from actors.testing import advance, settle
from hive.config import AgentManifest, HiveConfig, MachineProtection
from hive.daemon.hive import Hive
from hive.errors import ConflictError, FailedError, TimedOutError
from hive.participants.machine_gate import MachineGate
from hive.participants.start_slots import SLOT_SECONDS
from hive.participants.start_waits import START_DEADLINE
from tests.support.hives import Site, connected, until
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

NAMES = tuple(f"a{number}" for number in range(6))
SENTENCE = "other agents start first, 2 at a time (starts in [machine])"


WITH_HARNESS = AgentManifest(run=("cat",))


def config(*names: str, starts: int = 2, manifest: AgentManifest = WITH_HARNESS) -> HiveConfig:
    return HiveConfig(
        agents=dict.fromkeys(names or NAMES, manifest), machine=MachineProtection(starts=starts)
    )


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    """A hive of six agents whose harnesses do not connect by themselves, two of them starting."""
    async with site.simulated(runtime, config()) as opened:
        await until_queued(opened, 4)
        yield opened


async def connect(stack: AsyncExitStack, hive: Hive, name: str) -> None:
    """Connect a harness, which disconnects at the end of the stack."""
    line = await stack.enter_async_context(connected(hive.paths.agent_socket(name)))
    await line.ok("hello", role="harness")
    await settle()


async def states(hive: Hive) -> dict[str, str]:
    async with connected(hive.paths.host_socket) as operator:
        rows = (await operator.ok("agent_status"))["agent_statuses"]
    return {row["name"]: row["state"] for row in rows}


async def until_queued(hive: Hive, count: int) -> None:
    """Wait until so many agents are queued, which is at most one second."""
    async with asyncio.timeout(1):
        while len(await in_state(hive, "queued")) != count:
            await asyncio.sleep(0.01)


async def in_state(hive: Hive, state: str) -> list[str]:
    return [name for name, each in (await states(hive)).items() if each == state]


async def test_a_few_start_and_the_others_are_queued(hive: Hive) -> None:
    running, queued = await in_state(hive, "running"), await in_state(hive, "queued")
    assert (len(running), len(queued)) == (2, 4)
    assert {(await hive.status(name)).reason for name in queued} == {SENTENCE}
    async with connected(hive.paths.host_socket) as operator:
        assert (await operator.ok("list"))["queued"] == queued
        [agents] = [
            each
            for each in (await operator.ok("tree"))["tree"]["children"]
            if each["path"] == "hive-c0re/agents"
        ]
    shown = {each["path"].rpartition("/")[2]: each["state"] for each in agents["children"]}
    assert shown == dict.fromkeys(running, "running") | dict.fromkeys(queued, "queued")


async def test_the_next_one_starts_when_a_harness_is_connected(hive: Hive) -> None:
    async with AsyncExitStack() as stack:
        met: set[str] = set()
        for number in range(4):
            [name, *_] = set(await in_state(hive, "running")) - met
            met.add(name)
            await connect(stack, hive, name)
            assert len(await in_state(hive, "running")) == number + 3
        assert await in_state(hive, "queued") == []
    assert {(await hive.status(name)).reason for name in NAMES} == {None}


async def test_one_whose_harness_does_not_connect_holds_up_nobody_for_long(hive: Hive) -> None:
    await advance(SLOT_SECONDS - 1)
    assert len(await in_state(hive, "running")) == 2
    await advance(2)
    assert len(await in_state(hive, "running")) == 4
    await advance(SLOT_SECONDS)
    assert len(await in_state(hive, "running")) == 6


async def test_a_program_without_a_harness_needs_its_slot_only_until_it_runs(
    site: Site, runtime: ScriptedRuntime
) -> None:
    without = AgentManifest(exec=("sleep", "1000"))
    async with site.simulated(runtime, config(manifest=without)) as hive:
        for name in NAMES:
            await hive.until_state(name, "running", within=1)


async def test_a_start_that_fails_or_an_end_gives_its_slot_back(
    site: Site, runtime: ScriptedRuntime
) -> None:
    runtime.broken["start"] = "no such image"
    async with site.simulated(runtime, config()) as hive:
        await until(lambda: {call.name for call in runtime.calls} >= set(NAMES))
        runtime.broken.clear()
        await advance(2)
        first = await in_state(hive, "running")
        assert len(first) == 2
        for name in first:
            runtime.end(name)
        await settle()
        second = await in_state(hive, "running")
        assert len(second) == 2
        assert not set(first) & set(second)


async def test_agents_that_run_are_adopted_at_once(site: Site, runtime: ScriptedRuntime) -> None:
    for name in NAMES:
        runtime.run_unasked(name)
    async with site.simulated(runtime, config(*NAMES, "late")) as hive:
        for name in NAMES:
            await hive.until_state(name, "running", within=1)
        await hive.until_state("late", "running", within=1)


async def test_host_sock_answers_before_any_agent_comes_up(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.run_unasked("a0")
    gates: list[MachineGate] = []

    def hold(gate: MachineGate) -> None:
        gates.append(gate)

    with monkeypatch.context() as patch:
        patch.setattr(MachineGate, "open", hold)
        hive = site.simulated(runtime, config())
        await hive.open()
    try:
        await advance(10)
        assert set(await in_state(hive, "starting")) == set(NAMES), "and it answers"
        assert [call for call in runtime.calls if call.name] == []
        [gate] = gates
        gate.open()
        await hive.until_state("a0", "running", within=1)
    finally:
        await hive.close()


# Requests


async def test_a_requested_start_goes_before_the_queue(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    *others, last = await in_state(hive, "queued")
    started = asyncio.ensure_future(hive.start(last))
    await settle()
    assert not started.done(), "it is throttled, too"
    runtime.end((await in_state(hive, "running"))[0])
    await started
    assert (await hive.status(last)).state == "running"
    assert set(others) <= set(await in_state(hive, "queued"))


@pytest.mark.parametrize("verb", ["stop", "kill", "destroy"])
async def test_a_queued_agent_can_be_taken_out_of_the_queue(
    hive: Hive, runtime: ScriptedRuntime, verb: str
) -> None:
    name = (await in_state(hive, "queued"))[0]
    async with connected(hive.paths.host_socket) as operator:
        if verb == "stop":
            await operator.ok(verb, scope={"agent_names": [name]}, graceful=True)
        else:
            await operator.ok(verb, name=name)
    await advance(3 * SLOT_SECONDS)
    assert "start" not in runtime.verbs(name)
    assert len(await in_state(hive, "running")) == 5


async def test_the_deadline_of_a_start_begins_with_the_start_of_the_agent(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, config(starts=1)) as hive:
        await until_queued(hive, 5)
        await asyncio.gather(*map(hive.stop, NAMES))
        await asyncio.gather(*map(hive.start, NAMES))  # five times thirty seconds, one by one
        runtime.hold("start", "a0")
        await hive.stop("a0")
        with pytest.raises(TimedOutError, match=f"not up after {START_DEADLINE:g} s"):
            await hive.start("a0")
        runtime.held.clear()


async def test_who_waits_for_a_start_is_told_of_a_stop(hive: Hive) -> None:
    name = (await in_state(hive, "queued"))[0]
    started = asyncio.ensure_future(hive.start(name))
    await settle()
    await hive.stop(name)
    with pytest.raises(ConflictError, match=f"'{name}' was stopped by another request"):
        await started


async def test_restarts_after_a_storm_of_crashes_are_throttled(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, config()) as hive:
        await advance(3 * SLOT_SECONDS)
        for name in NAMES:
            runtime.end(name)
        await advance(1)
        assert len(await in_state(hive, "running")) == 2
        assert len(await in_state(hive, "queued")) == 4
        await advance(3 * SLOT_SECONDS)
        assert len(await in_state(hive, "running")) == 6
        assert {(await hive.status(name)).restarts for name in NAMES} == {1}


async def test_a_reload_changes_the_number(hive: Hive) -> None:
    hive.parts._live_settings().apply(config(starts=4))
    await settle()
    assert len(await in_state(hive, "running")) == 4


async def test_the_end_of_the_daemon_starts_nobody(hive: Hive, runtime: ScriptedRuntime) -> None:
    started = await in_state(hive, "running")
    async with AsyncExitStack() as requests:
        for name in await in_state(hive, "queued"):  # each with a request under way
            await requests.enter_async_context(hive.parts.registry.agent(name).lifecycle_lock)
        stopped = asyncio.ensure_future(hive.stop_agents())
        await until(lambda: not runtime.machines)
        await settle()
    await stopped
    assert sorted(call.name for call in runtime.calls if call.verb == "start") == started
    assert runtime.machines == {}


# Together with the gate of the machine


async def test_the_machine_is_looked_at_again_when_a_slot_is_free(
    site: Site, runtime: ScriptedRuntime
) -> None:
    pressures = {"memory": 0.0}
    opened = site.simulated(runtime, config(), read_pressures=lambda: dict(pressures))
    async with opened as hive:
        await until_queued(hive, 4)
        pressures["memory"] = 90.0
        await advance(SLOT_SECONDS + 6)
        assert len(await in_state(hive, "running")) == 2
        name, *_ = await in_state(hive, "queued")
        reason = (await hive.status(name)).reason
        assert reason is not None
        assert "waited for memory in 90 %" in reason
        await hive.start(name)
        pressures["memory"] = 0.0
        await advance(4 * SLOT_SECONDS)
        assert len(await in_state(hive, "running")) == 6


async def test_a_container_that_was_started_by_others_waits_for_no_slot(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    name = (await in_state(hive, "queued"))[0]
    runtime.run_unasked(name)
    await hive.parts.lifecycle.strays.appeared(name)
    await hive.until_state(name, "running", within=1)
    assert "start" not in runtime.verbs(name)


async def test_an_agent_that_is_stopped_while_it_starts_gives_its_slot_to_another(
    site: Site, runtime: ScriptedRuntime
) -> None:
    held = {name: runtime.hold("start", name) for name in NAMES}
    async with site.simulated(runtime, config(starts=1)) as hive:
        await until_queued(hive, 5)
        [starting] = await in_state(hive, "starting")
        stopped = asyncio.ensure_future(hive.stop(starting))
        await settle()
        for each in held.values():
            each.set()
        await stopped
        await settle()
        [running] = await in_state(hive, "running")
        assert running != starting


async def test_a_failed_spawn_leaves_no_place_in_the_queue(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.failing_starts["late"] = deque(["no such image"])
    spawned = asyncio.ensure_future(hive.parts.lifecycle.spawn("late", WITH_HARNESS))
    await settle()
    runtime.end((await in_state(hive, "running"))[0])
    with pytest.raises(FailedError, match="no such image"):
        await spawned
    await advance(3 * SLOT_SECONDS)
    assert len(await in_state(hive, "running")) == 6
