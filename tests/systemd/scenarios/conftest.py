"""Whole hives of the real programs, whose agents are real containers: only in the testbed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.host.lab import IMAGE
from tests.systemd.scenarios.hives import ContainerHive
from tests.testbed.tree import make_image


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[ContainerHive]:
    """A hive that is not started yet; processes that the test leaves running are ended."""
    if not Path("/var/lib/machines", IMAGE).exists():
        make_image(Path("/var/lib/machines", IMAGE))
    made = ContainerHive(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_failed_units() -> Iterator[None]:
    """Reset failed units after the test."""
    yield
    subprocess.run(["systemctl", "reset-failed"], check=True)
