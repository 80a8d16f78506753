"""An agent that waits for a turn shows it, and gets one by a higher cap."""

from __future__ import annotations

import attrs
import pytest

from actors.testing import settle
from hive.config import Limits
from tests.support.hives import Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]


@pytest.mark.sim
async def test_who_waits_for_a_turn_shows_it_and_gets_one_by_a_higher_cap(site: Site) -> None:
    config = attrs.evolve(swarm("alice", "bob"), limits=Limits(turns=1))
    async with site.simulated(ScriptedRuntime(), config) as hive:
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
            await hive.send(name, "work")
        async with (
            connected(hive.paths.agent_socket("alice")) as alice,
            connected(hive.paths.agent_socket("bob")) as bob,
            connected(hive.paths.host_socket) as operator,
        ):
            assert len((await alice.ok("recv", wait_seconds=5))["messages"]) == 1
            bob.write({"cmd": "recv", "wait_seconds": 60})
            await settle()
            assert (await hive.status("bob")).reason == "waits for a turn: 1 of 1 run"
            turns = (await operator.ok("queues"))["turns"]
            assert [row["name"] for row in turns["holding"]] == ["alice"]
            assert [row["name"] for row in turns["waiting"]] == ["bob"]
            assert turns["holding"][0]["since"] <= turns["waiting"][0]["since"]
            hive.parts.broker.set_limits(Limits(turns=2))
            assert len((await bob.read())["messages"]) == 1
            assert (await hive.status("bob")).reason is None
            turns = (await operator.ok("queues"))["turns"]
            holding = turns.pop("holding")
            assert turns == {"limit": 2, "running": 2, "waiting": []}
            assert [row["name"] for row in holding] == ["alice", "bob"], "the longest first"
