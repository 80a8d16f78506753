"""A harness that connects all the time cannot fill the event log."""

from __future__ import annotations

import pytest

from actors.testing import advance
from hive.clock import MINUTE
from hive.daemon.hive import Hive
from hive.participants.presence_events import EVENTS_PER_MINUTE
from tests.support.hives import Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


async def flap(hive: Hive, times: int) -> None:
    for _ in range(times):
        async with connected(hive.paths.agent_socket("damocles")) as line:
            await line.ok("hello", role="harness")
        await advance(0.01)


async def presence(hive: Hive) -> list[tuple[str, int]]:
    found = await hive.parts.events.recent(1000)
    return [(row.event, row.detail.get("skipped", 0)) for row in found if "connected" in row.event]


async def test_the_first_changes_are_recorded_and_the_others_counted(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm(peers=["damocles"])) as hive:
        await advance(1)
        await flap(hive, 100)
        recorded = await presence(hive)
        assert EVENTS_PER_MINUTE <= len(recorded) <= EVENTS_PER_MINUTE + 2
        assert {kind for kind, _ in recorded} == {"connected", "disconnected"}
        await advance(MINUTE)
        async with connected(hive.paths.agent_socket("damocles")) as line:
            await line.ok("hello", role="harness")
            kind, skipped = (await presence(hive))[-1]
            assert kind == "connected"
            assert skipped > 100


async def test_the_log_ends_with_the_present_state(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm(peers=["damocles"])) as hive:
        await advance(1)
        await flap(hive, EVENTS_PER_MINUTE)
        async with connected(hive.paths.agent_socket("damocles")) as line:
            await line.ok("hello", role="harness")
            await advance(MINUTE)
            assert (await presence(hive))[-1][0] == "connected"
        await advance(MINUTE)
        assert (await presence(hive))[-1][0] == "disconnected"
