"""Fixtures: stores in real SQLite files, with either engine."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hive.store import InlineEngine, Store, ThreadEngine
from hive.store.database import prepare
from tests.store.old_files import ALL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the store of this test."""
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An open store: with a `ThreadEngine`, in a simulation with an `InlineEngine`."""
    engine = InlineEngine() if request.node.get_closest_marker("sim") else ThreadEngine()
    async with Store(path, engine) as opened:
        yield opened


@pytest.fixture
def later_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add migrations to the program, so that a file of today needs a migration."""
    monkeypatch.setattr("hive.store.engine.prepare", partial(prepare, migrations=ALL))
    for module in ("schema", "checks"):
        monkeypatch.setattr(f"hive.store.{module}.MIGRATIONS", ALL)
