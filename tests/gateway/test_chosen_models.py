"""The choice of a model: kept by the daemon in any state of the agent, ordered of its harness."""

from __future__ import annotations

from typing import Any

import pytest

from hive.config import AgentManifest
from hive.daemon.hive import Hive
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

CONFIG = swarm("carol", manifest=AgentManifest(driver="claude"))

OPUS = {"model": "opus", "effort": "high"}

Row = dict[str, Any]


async def first_orders(hive: Hive, **report: Any) -> list[Row]:
    """Connect a harness of carol, let it report, and return its first orders about a model."""
    async with connected(hive.paths.agent_socket("carol")) as carol:
        await carol.ok("hello", role="harness", driver="claude")
        if report:
            await carol.ok("report", state="idle", since=0, **report)
        found = (await carol.ok("orders"))["orders"]
    return [order for order in found if order["order"] == "model"]


async def choose(hive: Hive, **choice: Any) -> None:
    async with connected(hive.paths.host_socket) as host:
        await host.ok("choose_model", name="carol", **choice)


async def shown(hive: Hive) -> tuple[str | None, str | None]:
    """Return the choice in the status row of carol."""
    async with connected(hive.paths.host_socket) as host:
        rows = (await host.ok("agent_status"))["agent_statuses"]
    [row] = [row for row in rows if row["name"] == "carol"]
    return row.get("chosen_model"), row.get("chosen_effort")


async def test_a_connected_harness_gets_each_choice_as_an_order(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        async with connected(hive.paths.agent_socket("carol")) as carol:
            await carol.ok("hello", role="harness", driver="claude")
            [resume] = (await carol.ok("orders"))["orders"]
            await choose(hive, **OPUS)
            assert await shown(hive) == ("opus", "high"), "before the harness has it"
            await choose(hive)
            chosen, default = (await carol.ok("orders", after=resume["seq"]))["orders"]
        assert (chosen["order"], chosen["model"], chosen["effort"]) == ("model", "opus", "high")
        assert "model" not in default
        assert await shown(hive) == (None, None)


async def test_a_choice_outlives_the_daemon_that_took_it(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        assert await first_orders(hive) == []
        await choose(hive, **OPUS)
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        assert await shown(hive) == ("opus", "high")
        for _ in range(2):
            [order] = await first_orders(hive)
            assert (order["model"], order["effort"]) == ("opus", "high")
        await choose(hive)
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        [order] = await first_orders(hive, chosen_model="opus")
        assert "model" not in order, "it is taken back also from a harness that does not know"
        assert await shown(hive) == (None, None)


async def test_a_choice_that_only_its_harness_knows_is_kept(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        assert await first_orders(hive, chosen_model="opus", chosen_effort="high") != []
        assert await shown(hive) == ("opus", "high"), "after its harness has gone"


async def test_a_stopped_and_a_frozen_agent_take_a_choice(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        await hive.until_state("carol", "running")
        async with connected(hive.paths.host_socket) as host:
            await host.ok("estop")
            await choose(hive, **OPUS)
            await host.ok("thaw")
            await host.ok("stop", scope={"agent_names": ["carol"]})
            await choose(hive, model="sonnet")
        assert await shown(hive) == ("sonnet", None)


async def test_a_choice_is_nothing_to_another_driver(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        await choose(hive, **OPUS)
    async with site.simulated(ScriptedRuntime(), swarm("carol")) as hive:
        assert await shown(hive) == (None, None)
        assert await first_orders(hive) == []


async def test_a_wrong_effort_is_refused(site: Site) -> None:
    async with (
        site.simulated(ScriptedRuntime(), CONFIG) as hive,
        connected(hive.paths.host_socket) as host,
    ):
        code, error = await host.refused("choose_model", name="carol", effort="enormous")
    assert (code, "effort" in error) == ("bad_request", True)


async def test_no_model_is_chosen_for_another_driver_or_a_peer(hive: Hive, host: Line) -> None:
    code, error = await host.refused("choose_model", name="alice", model="opus")
    assert (code, "only 'claude' has a model" in error) == ("conflict", True)
    code, _ = await host.refused("choose_model", name="damocles", model="opus")
    assert code == "not_allowed"
