"""A large hive in a browser: what changes on the page, and how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, needs_chromium
from tests.browser.swarm import BrowsedHive
from tests.support.daemons import eventually

pytestmark = [needs_chromium, pytest.mark.timeout(120)]

MANY = 200

NODES_MAX = 10_000
"""Elements of a page, beyond which a browser of a phone is no longer fast."""

WATCHES = """
window.added = 0;
window.marked = [...document.querySelectorAll("[data-list=agents] tr")];
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) window.added += node.nodeType === Node.ELEMENT_NODE;
  }
}).observe(document.querySelector("[data-list=agents]"), {childList: true, subtree: true});
"""
"""Counts the elements that the list of agents gets, and remembers those that it has."""


REPORTS = """
return [...document.querySelectorAll("main pre")].map((each) => each.textContent.trim());
"""
"""The messages on a page."""


@pytest.fixture(scope="module", name="many")
def _started_large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowsedHive]:
    peers = "".join(f"[peers.p{number}]\n" for number in range(MANY))
    made = BrowsedHive(tmp_path_factory.mktemp("large"), peers)
    made.mend()
    yield made
    made.close()


@pytest.fixture
def large(_chromium: Chromium, many: BrowsedHive) -> Chromium:
    """A browser that is logged in at a hive of so many participants."""
    _chromium.reset()
    many.log_in(_chromium)
    return _chromium


def test_one_change_among_many_rows_leaves_the_others_as_they_are(
    large: Chromium, many: BrowsedHive
) -> None:
    large.open("/")
    large.shows("p199")
    assert large.count("[data-list=agents] a") == MANY
    large.run(WATCHES)
    many.participant("p150", "set_status", text="a new status")
    large.shows("a new status")
    assert large.run("return window.added") < 5
    assert large.run("return window.marked.every((each) => each.isConnected)")


def test_a_long_history_is_shown_in_pages(large: Chromium, many: BrowsedHive) -> None:
    for number in range(MANY):
        many.participant(f"p{number}", "send", to="p0", body=f"report {number}")
    large.open("/mail")
    large.shows(f"report {MANY - 1}")
    assert large.run("return document.querySelectorAll('*').length") < NODES_MAX
    assert "report 0\n" not in large.text
    shown = set()
    while True:
        shown |= set(large.run(REPORTS))
        if large.named("a", "older") is None:
            break
        before = large.path
        large.click("older")
        eventually(lambda: large.path != before, what="an older page")  # noqa: B023
    assert shown >= {f"report {number}" for number in range(MANY)}
