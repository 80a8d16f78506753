"""Fixtures: a hive for each test, or one with two agents, a manager and a peer."""

from collections.abc import AsyncIterator

import pytest

from hive.daemon.hive import Hive
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    """Where the agents of `hive` run."""
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    """A simulated hive whose agents are running."""
    config = swarm("alice", "bob", peers=["damocles"], manager=True)
    async with site.simulated(runtime, config) as opened:
        for name in ("alice", "bob", "hm1nd"):
            await opened.until_state(name, "running")
        yield opened


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    """A connection of alice."""
    async with connected(hive.paths.agent_socket("alice")) as line:
        yield line


@pytest.fixture
async def bob(hive: Hive) -> AsyncIterator[Line]:
    """A connection of bob."""
    async with connected(hive.paths.agent_socket("bob")) as line:
        yield line


@pytest.fixture
async def host(hive: Hive) -> AsyncIterator[Line]:
    """A connection of the operator."""
    async with connected(hive.paths.host_socket) as line:
        yield line
