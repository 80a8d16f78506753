"""The page that a notification opens: one more tap settles what it is about."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from hive.clock import SystemClock, rfc3339
from hive.errors import ConflictError, NotFoundError
from hive.web.needs_you_page import DIFFS_MAX, ITEMS_MAX
from hive.web.push_rules import payload_of
from hive.web.rendering import TEXT_MAX
from tests.web.account_site import HOST, URL, Served, served
from tests.web.browsing import Answer

__all__ = ["served"]

pytestmark = pytest.mark.loops("asyncio")

HOSTILE = '<script>alert(1)</script>\x1b[2J\u202e"&'


def item(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    known = {
        "id": f"{kind}-{number}",
        "kind": kind,
        "name": "alice",
        "number": number,
        "text": f"the text of {kind}",
        "since": rfc3339(SystemClock.now()),
    }
    return known | fields


QUESTION = item("question", 12, options=["red", "blue"], blocks=["bob"])
APPROVAL = item("approval", 7)


class Forms(HTMLParser):
    """Reads the forms of a page: the fields that each button sends, by its label."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, tuple[str, dict[str, str]]] = {}
        self._action, self._fields, self._to, self._label = "", {}, "", None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: text or "" for name, text in attrs}
        if tag == "form":
            self._action, self._fields = known.get("action", ""), {}
        elif known.get("type") == "checkbox":
            pass  # it is sent once it is checked
        elif tag in {"input", "textarea"} and "name" in known:
            self._fields[known["name"]] = known.get("value", "")
        elif tag == "button":
            self._to, self._label = known.get("formaction", self._action), ""

    def handle_data(self, data: str) -> None:
        if self._label is not None:
            self._label += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._label is not None:
            self.found[self._label] = self._to, self._fields
            self._label = None


async def press(served: Served, page: Answer, label: str, **typed: str) -> Answer:
    """Press a button of a page."""
    path, fields = Forms(page.text).found[label]
    return await served.browser.post(path, {**fields, **typed}, host=HOST, origin=URL)


def asks(served: Served, *items: dict[str, Any]) -> None:
    served.hive.answers |= {
        "attention": {"items": list(items)},
        "approval": {"approval": {"id": 7, "fetched_sha": "old", "description": "why"}},
        "diff": {"diff": "+new\n-old\n", "sha": "abc"},
        "questions": {"questions": []},
        **{cmd: {} for cmd in ("answer", "approve", "deny", "start", "mark", "read_mail")},
    }


async def test_a_question_is_answered_by_one_tap_on_the_page_of_its_notification(
    served: Served,
) -> None:
    asks(served, QUESTION)
    page = await served.get(payload_of_path(QUESTION))
    assert "the text of question" in page.shown
    assert "blocks bob" in page.shown
    answer = await press(served, page, "blue")
    assert served.hive.acted == [("web session 1", {"cmd": "answer", "id": 12, "answer": "blue"})]
    location = answer.headers["location"]
    assert "question 12 is answered" in (await served.get(location)).shown
    forged = await served.get(location.replace("12", "13"))
    assert "question 13 is answered" not in forged.shown, "a link cannot make a page say anything"


def payload_of_path(row: dict[str, Any]) -> str:
    found = re.search(r'"path": "([^"]*)"', payload_of([row]))
    assert found is not None
    return found[1]


async def test_a_question_is_answered_in_words(served: Served) -> None:
    asks(served, QUESTION)
    page = await served.get("/needs-you/question-12")
    await press(served, page, "answer", answer="green, please")
    assert served.hive.acted[0][1] == {"cmd": "answer", "id": 12, "answer": "green, please"}


async def test_a_question_whose_item_is_cut_is_shown_in_full(served: Served) -> None:
    asks(served, QUESTION | {"text": "alice asks: which ..."})
    asked = f"which colour?\n- red, as now {HOSTILE}"
    served.hive.answers["questions"] = {"questions": [{"id": 12, "question": asked}]}
    page = await served.get("/needs-you/question-12")
    assert "- red, as now <script>" in page.shown
    assert "which ..." not in page.shown
    assert "<script>" not in page.text.partition("<main")[2].partition("</main>")[0]


async def test_a_question_of_which_several_options_may_be_chosen_says_so(served: Served) -> None:
    asks(served, QUESTION)
    asked = {"id": 12, "question": "which colours?", "multi": True}
    served.hive.answers["questions"] = {"questions": [asked]}
    page = await served.get("/needs-you/question-12")
    assert "choose any of these" in page.shown
    assert "red" not in Forms(page.text).found, "a button would send one of them alone"
    await press(served, page, "answer", **{"option-1": "red", "option-2": "green"})
    assert served.hive.acted[0][1] == {"cmd": "answer", "id": 12, "answer": "red\ngreen"}


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_an_approval_is_decided_by_one_tap_with_the_commit_that_was_shown(
    served: Served, decision: str
) -> None:
    asks(served, APPROVAL)
    page = await served.get(payload_of_path(APPROVAL))
    assert '<span class="plus">+new\n</span><span class="minus">' in page.text
    assert "why" in page.shown
    served.hive.answers["diff"] = {"diff": "+worse\n", "sha": "def"}
    await press(served, page, decision, note="fine")
    assert served.hive.acted == [
        ("web session 1", {"cmd": decision, "id": 7, "sha": "abc", "note": "fine"})
    ]


async def test_a_diff_that_is_not_shown_whole_is_not_decided_on_here(served: Served) -> None:
    asks(served, APPROVAL)
    served.hive.answers["approval"] = {"approval": {"id": 7, "status": "pending"}}
    served.hive.answers["diff"] = {"diff": f"+{'x' * TEXT_MAX}\n+worse\n", "sha": "abc"}
    page = await served.get("/needs-you")
    assert "look and decide" in page.shown
    assert "/do/approve" not in page.text


async def test_an_approval_without_a_commit_has_no_diff(served: Served) -> None:
    asks(served, APPROVAL)
    served.hive.answers["approval"] = {"approval": {"id": 7}}
    served.hive.answers["diff"] = ConflictError("approval 7 has no commit")
    page = await served.get("/needs-you/approval-7")
    await press(served, page, "approve")
    assert served.hive.acted[0][1] == {"cmd": "approve", "id": 7}


async def test_a_refusal_shows_on_the_next_page(served: Served) -> None:
    asks(served, QUESTION)
    served.hive.answers["answer"] = NotFoundError("question 12 is answered")
    answer = await press(served, await served.get("/needs-you"), "red")
    page = await served.get(answer.headers["location"])
    assert "question 12 is answered" in page.shown


async def test_what_is_settled_says_so_and_shows_the_rest(served: Served) -> None:
    asks(served, APPROVAL)
    page = await served.get("/needs-you/question-12")
    assert "That is settled already" in page.shown
    assert "the text of approval" in page.shown
    asks(served)
    page = await served.get("/needs-you/question-12")
    assert "Nothing needs you" in page.shown


async def test_one_item_says_how_many_more_there_are(served: Served) -> None:
    asks(served, QUESTION, APPROVAL, item("mail", 3))
    page = await served.get("/needs-you/question-12")
    assert "the text of approval" not in page.shown
    assert "2 more, and all of the hive" in page.shown


@pytest.mark.parametrize(
    ("row", "label", "request_"),
    [
        (item("failure", 0), "start", {"cmd": "start", "scope": {"agent_names": ["alice"]}}),
        (item("mail", 3), "mark read", {"cmd": "read_mail", "ids": [3]}),
        (QUESTION, "snooze 1 h", {"cmd": "mark", "key": "question-12", "snooze": 3600}),
    ],
)
async def test_other_items_are_settled_there_too(
    served: Served, row: dict[str, Any], label: str, request_: dict[str, Any]
) -> None:
    asks(served, row)
    await press(served, await served.get(f"/needs-you/{row['id']}"), label)
    assert served.hive.acted[0][1] == request_


async def test_the_page_of_all_is_bounded(served: Served) -> None:
    rows = [item("approval", each) for each in range(1, ITEMS_MAX + 11)]
    asks(served, *rows, item("question", 1, archived=True))
    page = await served.get("/needs-you")
    assert page.text.count("<article") == ITEMS_MAX
    assert page.text.count('formaction="/do/approve"') == DIFFS_MAX
    assert page.text.count("look and decide") == ITEMS_MAX - DIFFS_MAX
    assert "10 more" in page.shown


async def test_what_an_agent_wrote_is_text(served: Served) -> None:
    asks(served, item("question", 1, text=HOSTILE, options=[HOSTILE], name="x" + HOSTILE))
    page = await served.get("/needs-you")
    assert "<script>alert" not in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    await press(served, page, HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e"))


async def test_a_name_that_is_none_is_settled(served: Served) -> None:
    asks(served)
    for wrong in ("x" * 500, "<script>", "../..", "\u202e"):
        page = await served.get(f"/needs-you/{quote(wrong, safe='')}")
        assert page.status in {200, 404}
        assert "<script>" not in page.text.replace('<script src="/static/hive.js"', "")
