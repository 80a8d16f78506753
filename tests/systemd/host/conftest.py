"""Tests that start and end real containers: only in the testbed, see `tests/testbed`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.systemd.host.lab import IMAGE, ContainerLab
from tests.testbed.tree import make_image

_REASON = "these drive a real systemd; run `make test-machines` as root"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.root)
        item.add_marker(pytest.mark.systemd)
    if ours and os.environ.get("HYPERHIVE_TESTBED") != "1":
        # One line says for all of them what is skipped and why.
        first, *others = ours
        first.add_marker(pytest.mark.skip(reason=f"{first.name} and {len(others)} more: {_REASON}"))
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def image() -> str:
    """Return the name of an image whose containers boot in half a second and take no room."""
    root = Path("/var/lib/machines", IMAGE)
    if not root.exists():
        make_image(root)
    return IMAGE


@pytest.fixture
async def lab(image: str, tmp_path: Path) -> AsyncIterator[ContainerLab]:
    lab = ContainerLab(tmp_path)
    await lab.runtime.open()
    yield lab
    await lab.clean()
    await lab.runtime.close()
