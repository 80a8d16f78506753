"""Fixtures: a broker on a real SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.store import Kind, Store
from tests.broker.client import BrokerClient, local_broker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the test's store."""
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """An open store with its own threads."""
    async with Store(path) as opened:
        yield opened


@pytest.fixture
async def broker(store: Store) -> AsyncIterator[BrokerClient]:
    """A broker with two agents."""
    async with local_broker(store) as opened:
        for name in ("alice", "bob"):
            opened.add_inbox(name, Kind.AGENT)
        yield opened
