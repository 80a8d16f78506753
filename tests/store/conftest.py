"""Real SQLite files, one engine or the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """An open store with threads of its own."""
    async with Store(path) as opened:
        yield opened
