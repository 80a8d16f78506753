"""A hive with its dashboard, each a real process; all tests share the compiled templates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from tests.support.daemons import HiveOnDisk
from tests.web.dashboard_process import DashboardProcess

SWARM = """
[agents.alice]
exec = ["sleep", "100000"]
[peers.bob]
"""


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Iterator[HiveOnDisk]:
    """A hive that runs."""
    made = HiveOnDisk(tmp_path)
    made.configure(SWARM)
    made.start()
    yield made
    made.close()


@pytest.fixture(name="dashboard")
def _dashboard(served: HiveOnDisk) -> Iterator[DashboardProcess]:
    """The dashboard of a hive, both of which run."""
    made = DashboardProcess(served)
    made.start()
    yield made
    made.close()


class _InMemory(BytecodeCache):
    """Keeps compiled templates."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cached = partial(Environment, bytecode_cache=_InMemory())
        patch.setattr("hive.web.rendering.Environment", cached)
        yield
