"""Real SQLite files, one engine or the other."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hive.store import InlineEngine, Store, ThreadEngine
from hive.store.connection import prepare
from tests.store.old_files import ALL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An open store: with threads of its own, or on the loop's thread in a simulation."""
    engine = InlineEngine() if request.node.get_closest_marker("sim") else ThreadEngine()
    async with Store(path, engine) as opened:
        yield opened


@pytest.fixture
def later_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this program know further versions, so that the file of today is an old one."""
    monkeypatch.setattr("hive.store.engine.prepare", partial(prepare, migrations=ALL))
    for module in ("schema", "checks"):
        monkeypatch.setattr(f"hive.store.{module}.MIGRATIONS", ALL)
