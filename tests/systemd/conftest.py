"""Tests that start and end real containers run only in the testbed, see `tests/testbed`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed import bus

_REAL = {Path(__file__).parent / room for room in ("host", "scenarios")}
_REASON = "these drive a real systemd; run `make test-machines` as root"


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the temporary files of a worker: its host has a /tmp of its own."""
    if _is_testbed() and config.option.basetemp:
        Path(config.option.basetemp).parent.mkdir(parents=True, exist_ok=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if _REAL & set(item.path.parents)]
    for item in ours:
        item.add_marker(pytest.mark.root)
        item.add_marker(pytest.mark.systemd)
    if ours and not _is_testbed():
        # One line for all of them says that they are skipped and why.
        first, *others = ours
        first.add_marker(pytest.mark.skip(reason=f"{first.name} and {len(others)} more: {_REASON}"))
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _is_testbed() -> bool:
    return os.environ.get("HYPERHIVE_TESTBED") == "1"


@pytest.fixture(scope="session", autouse=True)
def nothing_acts_on_the_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run if anything that is called on the system bus meanwhile acts on the peer."""
    if not _is_testbed():
        yield
        return
    bus.hide_private_socket()
    with bus.recorded(tmp_path_factory.mktemp("bus") / "calls") as path:
        yield
    assert bus.acting(bus.read(path), bus.PEER) == []
