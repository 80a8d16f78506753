"""The health gate asks nothing of an agent while it is frozen, and no time counts then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.testing import advance, settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.deploys.health_gate import wait_until_healthy
from hive.errors import FailedError
from tests.support.hives import Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.sim

WITH_HARNESS = AgentManifest(run=("agent",))


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = swarm("alice", manifest=WITH_HARNESS)
    async with site.simulated(ScriptedRuntime(), config) as opened:
        await opened.until_state("alice", "running")
        yield opened


async def test_frozen_time_is_not_that_of_the_agent(hive: Hive) -> None:
    parts = hive.parts
    alice = parts.registry.agent("alice")
    waiting = asyncio.ensure_future(wait_until_healthy(parts.registry, alice, deadline=60))
    await advance(50)
    await parts.freezes.estop([alice])
    await advance(1000)
    assert not waiting.done()
    await parts.freezes.thaw([alice])
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", role="harness")
        await line.ok("report", state="idle", since=0.0)
        await advance(5)
        await settle()
        assert waiting.done()
        await waiting


async def test_the_time_that_was_left_goes_on_after_the_thaw(hive: Hive) -> None:
    parts = hive.parts
    alice = parts.registry.agent("alice")
    waiting = asyncio.ensure_future(wait_until_healthy(parts.registry, alice, deadline=60))
    await advance(50)
    await parts.freezes.estop([alice])
    await advance(1000)
    await parts.freezes.thaw([alice])
    await advance(9)
    assert not waiting.done()
    await advance(2)
    with pytest.raises(FailedError, match="did not become healthy within 60 s"):
        await waiting
