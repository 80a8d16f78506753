"""Starts and turns wait while the machine is short of something; nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import HiveConfig, MachineProtection
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.participants.machine_gate import OPEN_SECONDS, OVERDUE_SECONDS, RECHECK_SECONDS
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

MACHINE = MachineProtection(pressure_wait=600.0)


def config(*agents: str, **options: Any) -> HiveConfig:
    return attrs.evolve(swarm(*agents, **options), machine=MACHINE)


class Machine:
    """A machine whose pressure and disk the test sets."""

    def __init__(self, site: Site) -> None:
        self.runtime = ScriptedRuntime()
        self.pressures: dict[str, float] = {"memory": 0.0}
        self.short: str | None = None
        self._site = site

    @asynccontextmanager
    async def hive(self, config: HiveConfig) -> AsyncIterator[Hive]:
        opened = self._site.simulated(
            self.runtime, config, read_pressures=lambda: dict(self.pressures)
        )
        async with opened as hive:
            hive.parts.gate._shortage = lambda: self.short
            yield hive

    async def press(self, percent: float) -> None:
        """Change the pressure, and let the next reading pass."""
        self.pressures["memory"] = percent
        await advance(6)
        await settle()

    def started(self) -> list[str]:
        return [call.name for call in self.runtime.calls if call.verb == "start"]


@pytest.fixture
async def machine(site: Site) -> Machine:
    return Machine(site)


async def events(hive: Hive, *kinds: str) -> list[tuple[str, str | None]]:
    found = await hive.parts.events.recent(100)
    return [(row.event, row.name) for row in found if row.event in kinds]


async def test_agents_are_queued_with_the_reason_while_the_machine_is_under_pressure(
    machine: Machine,
) -> None:
    machine.pressures["memory"] = 55.0
    async with machine.hive(config("alice", "bob")) as hive:
        row = await hive.until_state("alice", "queued")
        assert row.reason is not None
        assert "waited for memory in 55 %" in row.reason
        assert not row.running
        await advance(300)
        assert machine.started() == []
        first, *queued = await events(hive, "pressure", "queued")
        assert first == ("pressure", None)
        assert sorted(queued) == [("queued", "alice"), ("queued", "bob")]


async def test_queued_agents_start_one_after_the_other_when_it_is_over(machine: Machine) -> None:
    machine.pressures["memory"] = 55.0
    async with machine.hive(config("alice", "bob", "carol")) as hive:
        await hive.until_state("carol", "queued")
        await machine.press(0.0)
        assert 1 <= len(machine.started()) < 3
        await advance(2 * (OPEN_SECONDS + RECHECK_SECONDS))
        assert sorted(machine.started()) == ["alice", "bob", "carol"]
        [(_, name)] = await events(hive, "pressure_ended")
        assert name is None
        assert (await hive.status("alice")).reason is None


async def test_an_agent_that_runs_is_adopted_under_pressure_and_on_a_full_disk(
    machine: Machine,
) -> None:
    machine.pressures["memory"], machine.short = 99.0, "the disk is full"
    machine.runtime.run_unasked("alice")
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        assert machine.runtime.verbs("alice") == ["adopt"]


async def test_a_restart_after_an_end_waits_as_well(machine: Machine) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        await machine.press(55.0)
        machine.runtime.end("alice")
        await hive.until_state("alice", "queued", within=60)
        await machine.press(0.0)
        await hive.until_state("alice", "running")


@pytest.mark.parametrize("act", [Hive.start, Hive.restart])
async def test_a_requested_start_is_not_held_for_pressure(
    machine: Machine, act: Callable[[Hive, str], Any]
) -> None:
    machine.pressures["memory"] = 55.0
    async with machine.hive(config("alice", "bob")) as hive:
        await hive.until_state("alice", "queued")
        await act(hive, "alice")
        assert (await hive.status("alice")).state == "running"
        assert (await hive.status("bob")).state == "queued"
        machine.runtime.end("alice")
        await hive.until_state("alice", "queued", within=60)


async def test_after_the_longest_wait_they_start_one_at_a_time(machine: Machine) -> None:
    machine.pressures["memory"] = 99.0
    async with machine.hive(config("alice", "bob")) as hive:
        await hive.until_state("bob", "queued")
        await advance(595)
        assert machine.started() == []
        await advance(10 + RECHECK_SECONDS)
        assert len(machine.started()) == 1
        await advance(OVERDUE_SECONDS + RECHECK_SECONDS)
        assert len(machine.started()) == 2


async def test_a_queued_agent_can_be_stopped(machine: Machine) -> None:
    machine.pressures["memory"] = 99.0
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "queued")
        await hive.stop("alice")
        assert (await hive.status("alice")).state == "stopped"
        await machine.press(0.0)
        assert machine.started() == []


async def test_without_readings_nothing_waits(site: Site) -> None:
    machine = Machine(site)
    machine.pressures.clear()
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")


# Disks


async def test_all_that_wait_for_a_full_disk_say_so(machine: Machine) -> None:
    async with machine.hive(config("alice", "bob")) as hive:
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
        machine.short = "the disk of /x is nearly full"
        for name in ("alice", "bob"):
            machine.runtime.end(name)
            await hive.until_state(name, "queued", within=60)
        for _ in range(4):
            await advance(RECHECK_SECONDS)
            reasons = {(await hive.status(name)).reason for name in ("alice", "bob")}
            assert reasons == {machine.short}


async def test_a_requested_start_on_a_full_disk_is_refused_and_changes_nothing(
    machine: Machine,
) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        machine.short = "the disk of /x is nearly full"
        for refused in (hive.restart("alice"), hive.parts.lifecycle.rebuild("alice")):
            with pytest.raises(FailedError, match="'alice' is not started: the disk of /x"):
                await refused
        assert (await hive.status("alice")).state == "running"
        await hive.start("alice")  # it runs, so there is nothing to do
        await hive.stop("alice")
        with pytest.raises(FailedError, match="nearly full"):
            await hive.start("alice")
        assert (await hive.status("alice")).state == "stopped"
        with pytest.raises(FailedError, match="nearly full"):
            await hive.parts.lifecycle.spawn("dora", swarm("dora").agents["dora"])
        assert "dora" not in hive.parts.registry


async def test_an_automatic_start_waits_for_room_without_spending_restarts(
    machine: Machine,
) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        machine.short = "the disk of /x is nearly full"
        machine.runtime.end("alice")
        row = await hive.until_state("alice", "queued", within=60)
        assert row.reason == "the disk of /x is nearly full"
        await advance(5000)
        assert (await hive.status("alice")).restarts == row.restarts
        machine.short = None
        await hive.until_state("alice", "running")


# Turns


async def orders(line: Line, after: int) -> list[dict[str, Any]]:
    answer = await line.ok("orders", wait_seconds=0, after=after)
    found: list[dict[str, Any]] = answer["orders"]
    return found


@asynccontextmanager
async def harness(hive: Hive, name: str) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket(name)) as line:
        await line.ok("hello", role="harness")
        yield line


async def test_harnesses_begin_no_turn_under_pressure_and_go_on_spread(machine: Machine) -> None:
    async with (
        machine.hive(config("alice", "bob", peers=["damocles"])) as hive,
        harness(hive, "alice") as alice,
        harness(hive, "bob") as bob,
        harness(hive, "damocles") as peer,
    ):
        lines = (alice, bob, peer)
        first = [(await orders(line, 0))[-1]["seq"] for line in lines]
        await machine.press(70.0)
        paused = [await orders(line, after) for line, after in zip(lines, first, strict=True)]
        kinds = [[each["order"] for each in found] for found in paused]
        assert kinds == [["pause"], ["pause"], []]
        assert "under pressure" in paused[0][0]["reason"]
        await machine.press(0.0)
        now = hive.parts.harnesses._clock.now()
        resumed = [
            (await orders(line, found[-1]["seq"]))[0]
            for line, found in zip((alice, bob), paused[:2], strict=True)
        ]
        assert [each["order"] for each in resumed] == ["resume", "resume"]
        assert len({each["at"] for each in resumed}) == 2
        assert all(now - 6 <= each["at"] <= now + 60 for each in resumed)


async def test_a_harness_that_connects_under_pressure_is_paused_at_once(machine: Machine) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        await machine.press(70.0)
        async with harness(hive, "alice") as line:
            assert [each["order"] for each in await orders(line, 0)] == ["pause"]


async def test_the_operators_pause_outlasts_the_pressure(machine: Machine) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        async with harness(hive, "alice") as line:
            seq = (await orders(line, 0))[-1]["seq"]
            await machine.press(70.0)
            await hive.parts.lifecycle.set_paused("alice", paused=True)
            await machine.press(0.0)
            found = await orders(line, seq)
            assert [each["order"] for each in found] == ["pause", "pause"]
            assert found[-1]["reason"] == "paused by the operator"
            await hive.parts.lifecycle.set_paused("alice", paused=False)
            [last] = await orders(line, found[-1]["seq"])
            assert last["order"] == "resume"
            assert last.get("at") is None


async def test_turns_are_not_held_longer_than_the_longest_wait(machine: Machine) -> None:
    async with machine.hive(config("alice")) as hive:
        await hive.until_state("alice", "running")
        async with harness(hive, "alice") as line:
            seq = (await orders(line, 0))[-1]["seq"]
            await machine.press(70.0)
            await advance(605)
            assert [each["order"] for each in await orders(line, seq)] == ["pause", "resume"]
