"""Tests that start and end real containers run only in the testbed, see `tests/testbed`."""

import os
from pathlib import Path

import pytest

_REAL = {Path(__file__).parent / room for room in ("host", "scenarios")}
_REASON = "these drive a real systemd; run `make test-machines` as root"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if _REAL & set(item.path.parents)]
    for item in ours:
        item.add_marker(pytest.mark.root)
        item.add_marker(pytest.mark.systemd)
    if ours and os.environ.get("HYPERHIVE_TESTBED") != "1":
        # One line for all of them says that they are skipped and why.
        first, *others = ours
        first.add_marker(pytest.mark.skip(reason=f"{first.name} and {len(others)} more: {_REASON}"))
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
