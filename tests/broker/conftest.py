"""A broker on a real SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.store import Kind, Store
from tests.broker.post import Router, local_router


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """An open store with threads of its own."""
    async with Store(path) as opened:
        yield opened


@pytest.fixture
async def router(store: Store) -> AsyncIterator[Router]:
    """A broker with two agents."""
    async with local_router(store) as opened:
        for name in ("alice", "bob"):
            opened.add_inbox(name, Kind.AGENT)
        yield opened
