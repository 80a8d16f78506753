"""One browser and one hive with its dashboard for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, started
from tests.browser.swarm import BrowsedHive


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", name="_chromium")
def _started_chromium() -> Iterator[Chromium]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="session", name="_swarm")
def _started_swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowsedHive]:
    made = BrowsedHive(tmp_path_factory.mktemp("browsed"))
    yield made
    made.close()


@pytest.fixture
def hive(_swarm: BrowsedHive) -> BrowsedHive:
    """The hive, in which nothing waits for the operator."""
    _swarm.mend()
    return _swarm


@pytest.fixture
def stranger(_chromium: Chromium, hive: BrowsedHive) -> Chromium:
    """A browser that is not logged in."""
    _chromium.reset()
    _chromium.base = hive.url
    return _chromium


@pytest.fixture
def browser(stranger: Chromium, hive: BrowsedHive) -> Iterator[Chromium]:
    """A browser that is logged in. Whatever its console complains about fails the test."""
    hive.log_in(stranger)
    yield stranger
    assert stranger.complaints() == []
