"""A reboot is no failure; reboots over the limit are."""

from __future__ import annotations

import pytest

from actors.testing import advance
from hive.daemon.hive import Hive
from hive.exits import Exited, Rebooted
from hive.participants.participant import RebootLimit, Reboots
from hive.participants.supervision import reboot_limit
from tests.support.hives import CALM, Site, swarm, until
from tests.support.runtimes import ScriptedRuntime

LIMIT = RebootLimit(max_reboots=2, within=10.0)


@pytest.mark.parametrize(
    ("times", "tolerated"),
    [
        ([0], [True]),
        ([0, 1], [True, True]),
        ([0, 1, 2], [True, True, False]),
        ([0, 5, 10], [True, True, False]),
        ([0, 5, 10.1], [True, True, True]),
        ([0, 6, 12, 18, 24], [True] * 5),
        ([0, 1, 2, 11.5, 21], [True, True, False, False, False]),
        ([0, 1, 2, 12.1, 13], [True, True, False, True, True]),
        ([0, 1, 2, 12.1, 13, 14], [True, True, False, True, True, False]),
    ],
)
def test_how_many_reboots_are_too_many(times: list[float], tolerated: list[bool]) -> None:
    reboots = Reboots()
    assert [reboots.record(at, LIMIT) for at in times] == tolerated


def test_removed_reboots_do_not_count() -> None:
    reboots = Reboots()
    assert [reboots.record(0.0, LIMIT) for _ in range(3)] == [True, True, False]
    reboots.clear()
    assert reboots.record(0.0, LIMIT)


@pytest.mark.sim
async def test_a_reboot_is_started_again_at_once_and_not_counted(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        before = await hive.until_state("alice", "running")
        await reboot(hive, runtime)
        row = await hive.status("alice")
        assert (row.restarts, row.reason) == (0, None)
        assert row.pid != before.pid


async def reboot(hive: Hive, runtime: ScriptedRuntime) -> None:
    """Reboot alice's container and wait until it runs again."""
    runtime.end("alice", Rebooted())
    await until(lambda: "alice" in runtime.machines)
    await hive.until_state("alice", "running")


@pytest.mark.sim
async def test_a_guest_that_reboots_in_a_loop_is_parked_with_the_reason(site: Site) -> None:
    runtime, limit = ScriptedRuntime(), reboot_limit(CALM)
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        await hive.until_state("alice", "running")
        for _ in range(limit.max_reboots):
            await reboot(hive, runtime)
        assert (await hive.status("alice")).restarts == 0
        for _ in range(CALM.max_restarts):
            runtime.end("alice", Rebooted())
            await hive.until_state("alice", "backoff")
            await hive.until_state("alice", "running", within=200)
        runtime.end("alice", Rebooted())
        row = await hive.until_state("alice", "failed")
        assert row.reason == "rebooted from inside more than 16 times within 1000 s"
        assert (await hive.status("bob")).state == "running"

        await hive.start("alice")
        before = (await hive.status("alice")).restarts
        await reboot(hive, runtime)
        assert (await hive.status("alice")).restarts == before, "a start by hand resets the limit"


@pytest.mark.sim
async def test_other_ends_between_reboots_are_ordinary_failures(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await reboot(hive, runtime)
        runtime.end("alice", Exited(1))
        assert (await hive.until_state("alice", "backoff")).reason == "exited with status 1"
        await advance(20)
        assert (await hive.status("alice")).restarts == 1
