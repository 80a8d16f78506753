"""Ends of agents while no daemon was watching."""

import pytest

from actors.testing import advance
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.exits import Ended, Signaled
from hive.wire.rows import EventRow
from tests.support.hives import Site, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

REASON = "killed by SIGKILL, while no daemon was watching"


def killed() -> Ended:
    return Ended(Signaled(9), 7.0, ("last words",), "signal")


async def recorded(hive: Hive, kind: str) -> list[EventRow]:
    await advance(1)  # until they are on disk
    return [e for e in await hive.parts.events.recent(100) if e.event == kind]


async def test_an_agent_that_ended_meanwhile_is_reported_and_started(site: Site) -> None:
    runtime = ScriptedRuntime(unwatched={"alice": killed()})
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
        [event] = await recorded(hive, "ended")
        assert (event.name, event.detail["reason"], event.detail["signal"]) == ("alice", REASON, 9)
        assert event.detail["last_lines"] == ["last words"]
        row = await hive.status("alice")
        assert (row.last_end, row.restarts) == (REASON, 0)
        assert (await hive.status("bob")).last_end is None
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        await hive.until_state("alice", "running")
        assert len([e for e in await recorded(hive, "ended") if e.detail["reason"] == REASON]) == 1


async def test_a_stopped_agent_that_ended_meanwhile_is_reported_and_stays_stopped(
    site: Site,
) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await hive.stop("alice")
    runtime.unwatched["alice"] = killed()
    async with site.simulated(runtime, swarm("alice")) as hive:
        assert [e.detail["reason"] for e in await recorded(hive, "ended")] == [REASON]
        row = await hive.status("alice")
        assert (row.state, row.last_end) == ("stopped", REASON)


async def test_an_end_that_cannot_be_found_out_keeps_no_daemon_down(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unwatched_end(self: ScriptedRuntime, name: str) -> None:
        raise FailedError("systemd gave no answer")

    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        await hive.stop("alice")
    monkeypatch.setattr(ScriptedRuntime, "unwatched_end", unwatched_end)
    async with site.simulated(runtime, swarm("alice")) as hive:
        [event] = await recorded(hive, "trouble")
        assert event.detail["what"].endswith("cannot be found out: systemd gave no answer")
        assert (await hive.status("alice")).state == "stopped"
