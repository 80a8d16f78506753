"""The lab of tests that start and end real containers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.systemd.host.lab import IMAGE, ContainerLab
from tests.testbed.tree import make_image


@pytest.fixture(scope="session")
def image() -> str:
    """Return the name of an image whose containers boot in half a second and use little disk."""
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
