"""The state of the swarm, and a daemon that answers with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.top.state import TopState
from tests.top.fake_host import FakeHost, serve
from tests.top.swarm_answers import APPROVAL, EVENTS, ITEMS, MESSAGES, OVERVIEW, SWARM, state_of


@pytest.fixture(name="swarm_state")
def _swarm_state() -> TopState:
    return state_of()


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Iterator[FakeHost]:
    host = FakeHost(tmp_path / "host.sock")
    host.answers = {
        "agent_status": {"agent_statuses": SWARM},
        "overview": OVERVIEW,
        "attention": {"items": ITEMS},
        "pending": {"approvals": [APPROVAL]},
        "search": {"messages": MESSAGES},
        "events": {"events": EVENTS},
    }
    stop = serve(host)
    yield host
    stop()
