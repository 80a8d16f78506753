"""An answer of another form than this version knows costs neither a page nor its connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.browsing import Browser, LivePage
from tests.web.example_hive import RunningClock, ago, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = [pytest.mark.sim, pytest.mark.usefixtures("nothing_left_running")]

ANSWERS = {
    "agent_status": "agent_statuses",
    "attention": "items",
    "overview": "overview",
    "search": "messages",
    "events": "events",
    "inbox": "messages",
    "turns": "turns",
    "questions": "questions",
    "schedules": "schedules",
}

STRANGE: list[Any] = [5, "x", [5], ["x"], [{}], [None], {"a": 1}, None]

CODER = "/live/agent/coder"


@pytest.fixture
def hive() -> ScriptedHive:
    made = example_hive()
    made.streams["watch"] = asyncio.Queue()
    return made


@pytest.fixture
def browser(hive: ScriptedHive) -> Browser:
    return browser_of(hive, clock=RunningClock())


async def changes_until(page: LivePage, list_name: str, words: str) -> None:
    """Wait until a part of a list has some words."""
    while True:
        kind, changes = await page.next(60.0)
        assert kind == "changes", kind
        for change in changes:
            if change["list"] == list_name and words in str(change.get("parts")):
                return


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize("verb", ANSWERS)
async def test_pages_stay_open_and_go_on(
    hive: ScriptedHive, browser: Browser, verb: str, value: Any
) -> None:
    known = hive.answers[verb]
    async with browser.live("/live/overview") as overview, browser.live(CODER) as coder:
        await overview.next()
        await coder.next()
        with_answers(hive, **{verb: {ANSWERS[verb]: value}})
        hive.streams["watch"].put_nowait({"live": value})
        for path in ("/", "/agent/coder/"):
            assert (await browser.get(path)).status in {200, 404}
        with_answers(hive, **{verb: known, "overview": {"overview": {"version": "9.9"}}})
        await changes_until(overview, "summary", "9.9")
        event = {"at": ago(1), "kind": "text", "text": "I go on"}
        hive.streams["watch"].put_nowait({"live": [event]})
        await changes_until(coder, "turn", "I go on")


@pytest.mark.parametrize("key", ["at", "kind", "text"])
@pytest.mark.parametrize("value", [None, 5, [1], {"a": 1}], ids=repr)
async def test_an_event_of_another_form_is_left_out(
    hive: ScriptedHive, browser: Browser, key: str, value: Any
) -> None:
    async with browser.live(CODER) as page:
        await page.next()
        event = {"at": ago(1), "kind": "text", "text": "I go on"}
        hive.streams["watch"].put_nowait({"live": [{**event, key: value}, event]})
        await changes_until(page, "turn", "I go on")
