"""A row with values of other types than this version knows costs that row and not the page."""

from typing import Any

import pytest

from tests.top.swarm_answers import EVENTS, ITEMS, MESSAGES, SWARM
from tests.web.browsing import Browser
from tests.web.example_hive import CODER, QUESTION, TURN, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = pytest.mark.loops("asyncio")

STRANGE: list[Any] = [{"a": 1}, [1], -1, 1.5, True, "", "x", None, 10**30, "2026-13-99T99:99:99Z"]

KEPT = frozenset({"id", "seq", "name", "event", "detail", "to", "from", "asker"})
"""The fields by which rows are found."""


@pytest.fixture
def hive() -> ScriptedHive:
    return example_hive()


@pytest.fixture
def browser(hive: ScriptedHive) -> Browser:
    return browser_of(hive)


def strange(row: Any, value: Any) -> dict[str, Any]:
    """Return a row in which all other fields have this value."""
    return {key: known if key in KEPT else value for key, known in row.items()}


@pytest.mark.parametrize("value", STRANGE, ids=repr)
async def test_a_strange_row_is_shown_among_the_others(
    hive: ScriptedHive, browser: Browser, value: Any
) -> None:
    full = {**CODER, "reason": "r", "cause": "c", "status_text": "s", "verdict": "stalled"}
    with_answers(
        hive,
        agent_status={"agent_statuses": [strange(full, value), *SWARM[1:]]},
        attention={"items": [strange(ITEMS[0], value), *ITEMS[1:]]},
        search={"messages": [strange(MESSAGES[0], value), *MESSAGES[1:]]},
        inbox={"messages": [strange(MESSAGES[0], value)]},
        events={"events": [{**EVENTS[0], "at": value, "detail": value}, *EVENTS[1:]]},
        questions={"questions": [strange(QUESTION, value)]},
        turns={"turns": [strange(TURN, value)]},
    )
    shown = (await browser.page("/")).shown
    assert "tester" in shown
    assert "The daemon does not answer" not in shown
    assert "coder" in (await browser.page("/agent/coder/")).shown
    assert "tester" in (await browser.page("/agent/tester/")).shown
    await browser.page("/events")
    await browser.page("/mail")
    await browser.page("/agent/coder/statistics")


async def test_an_answer_without_what_it_is_about_says_so(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, agent_status={})
    assert "cannot be read" in (await browser.page("/")).shown
