"""Agents that are the real Claude Code, in a real hive, and a scripted model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claude.swarm import Swarm
from tests.support.daemons import HiveOnDisk
from tests.support.messages_endpoint import Endpoint


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    """A hive that is not started yet; whatever the test leaves running is ended."""
    made = HiveOnDisk(tmp_path)
    with Endpoint() as endpoint:
        yield Swarm(made, endpoint, tmp_path)
        made.close()
