"""The pages that are long lists: each is walked a page at a time, whatever its length."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from attrs import frozen

from tests.top.swarm_answers import APPROVAL, EVENTS, ago, event, message
from tests.web.browsing import Browser
from tests.web.example_hive import SHA, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = pytest.mark.loops("asyncio")

Row = dict[str, Any]


@pytest.fixture
def hive() -> ScriptedHive:
    return example_hive()


@pytest.fixture
def browser(hive: ScriptedHive) -> Browser:
    return browser_of(hive)


@frozen
class List:
    """A page that is a list.

    Attributes:
        verb: What it asks for.
        answer: The field of the answer with the rows.
        row: Makes the row of a number.
        shown: Finds the number of each row that is shown.
        key: The field of a row with its number.
    """

    verb: str
    answer: str
    row: Callable[[int], Row]
    shown: str
    key: str = "id"


def pages_of(rows: list[Row], key: str, answer: str) -> Callable[[Any], Row]:
    """Return what answers with the newest of some rows, before a number if one is asked for."""

    def some(fields: Row) -> Row:
        if "max" not in fields:
            return {answer: [row for row in rows if row["status"] == "pending"]}
        before = fields["before"] or len(rows) + 1
        return {answer: [row for row in rows if row[key] < before][-fields["max"] :]}

    return some


def deploy_row(number: int) -> Row:
    known = {"source": "rebuild", "sha": SHA, "step": "deployed", "queued_at": ago(60)}
    return {"id": number, "name": "docs", "ended_at": ago(50), **known}


def audit_row(number: int) -> Row:
    known = {"verb": "approve", "outcome": "done", "by": "operator"}
    return {"seq": number, "at": ago(5), "reason": f"entry {number};", **known}


def approval_row(number: int) -> Row:
    status = "done" if number % 20 else "pending"
    return {**APPROVAL, "id": number, "status": status, "note": f"entry {number};"}


def letter(number: int) -> Row:
    return message(number, "a", "b", f"body {number}", "dead")


SEQ, ENTRY, LINK = r'class="seq">(\d+)<', r"entry (\d+);", r">#(\d+)</a>"
DEPLOY = r'class="step-deployed"> *(\d+) '

LISTS = {
    "/events": List("events", "events", lambda n: event(n, "started", "bob", pid=n), SEQ, "seq"),
    "/events?kind=ended&name=docs": List(
        "events", "events", lambda n: event(n, "ended", "docs"), SEQ, "seq"
    ),
    "/audit": List("audit", "entries", audit_row, ENTRY, "seq"),
    "/audit?name=docs": List("audit", "entries", audit_row, ENTRY, "seq"),
    "/deploys": List("deploys", "deploys", deploy_row, DEPLOY),
    "/deploys?name=docs": List("deploys", "deploys", deploy_row, DEPLOY),
    "/approvals": List("pending", "approvals", approval_row, ENTRY),
    "/dead-letters": List("dead_letters", "messages", letter, LINK),
    "/mail": List("search", "messages", letter, LINK),
}


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_is_walked_a_page_at_a_time_to_its_end(
    hive: ScriptedHive, browser: Browser, path: str
) -> None:
    this = LISTS[path]
    rows = [this.row(number) for number in range(1, 1_235)]
    with_answers(hive, **{this.verb: pages_of(rows, this.key, this.answer)})
    following: str | None = path
    seen: list[int] = []
    while following is not None:
        page = await browser.page(following)
        seen += [int(each) for each in re.findall(this.shown, page.text)]
        older = re.search(r'rel="next" href="([^"]*)"', page.text)
        following = unescape(older[1]) if older else None
    assert seen == [row[this.key] for row in rows[::-1] if row.get("status") != "pending"]
    asked = [each for each in hive.asked if each["cmd"] == this.verb]
    assert max(each.get("max", 0) for each in asked) < 120, "a page costs the same anywhere"
    names = {each.get("name") for each in asked}
    assert names == ({"docs"} if "name=docs" in path else {None})


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "", "٣"])
async def test_a_number_that_is_none_shows_the_newest(browser: Browser, before: str) -> None:
    page = await browser.page(f"/events?before={quote(before)}")
    assert len(re.findall(r'class="seq">', page.text)) == len(EVENTS)


async def test_an_unknown_kind_of_event_is_refused_with_the_nearest(browser: Browser) -> None:
    answer = await browser.get("/events?kind=startet")
    assert answer.status == 400
    assert "'started'" in answer.shown
