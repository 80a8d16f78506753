"""A hive made of the real programs, in directories of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    """A hive that is not started yet; processes that the test leaves running are ended."""
    made = HiveOnDisk(tmp_path)
    yield made
    made.close()
