"""What the operator does on a page, and what comes of it in the hive."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Chromium, needs_chromium
from tests.browser.swarm import BrowsedHive, item
from tests.support.daemons import eventually

pytestmark = needs_chromium


def test_a_question_is_answered_by_one_of_its_options(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.ask("merge or rebase?", "merge", "rebase")
    browser.shows("merge or rebase?", "damocles")
    browser.click("rebase", item(number))
    answer = hive.received("damocles", "rebase")
    assert answer["from"] == "operator"
    browser.vanishes(item(number))
    assert hive.audit("answer")["via"].startswith("web session ")


@pytest.mark.parametrize("path", ["/", "/needs-you", "/agent/damocles/"])
def test_a_question_is_answered_by_several_of_its_options(
    browser: Chromium, hive: BrowsedHive, path: str
) -> None:
    number = hive.ask("which checks?", "lint", "types", "tests", multi=True)
    browser.open(path)
    browser.shows("which checks?")
    for option in ("lint", "tests"):
        browser.click(option, "")
    browser.click("answer", item(number) if path == "/" else "")
    assert hive.received("damocles", "lint")["body"] == "lint\ntests"
    browser.vanishes("[type=checkbox]")


def test_what_is_chosen_stays_while_the_page_changes(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.ask("which checks?", "lint", "types", multi=True)
    browser.open("/")
    browser.shows("which checks?")
    browser.click("types", item(number))
    hive.operator("mark", key=f"question-{number}", pinned=True)
    hive.ask("another one?")
    browser.appears("#held:not([hidden])")
    browser.run("document.activeElement.blur()")
    browser.shows("pinned", "another one?")
    browser.click("answer", item(number))
    assert hive.received("damocles", "types")["body"] == "types"


def test_a_question_is_answered_in_words(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.ask("which branch?")
    browser.shows("which branch?")
    browser.type(f"answer to question {number}", "the one of yesterday")
    browser.click("answer", item(number))
    hive.received("damocles", "the one of yesterday")
    browser.vanishes(item(number))


def test_a_change_is_approved_with_what_it_changes_in_sight(
    browser: Chromium, hive: BrowsedHive
) -> None:
    row = hive.propose("carl", "#!/bin/sh\nexec sort\n")
    browser.shows("carl")
    browser.click("look and decide", item(row["id"], "approval"))
    browser.shows("+exec sort", "a helper", "carl")
    browser.type("reason", "looks right")
    browser.click("approve")
    eventually(lambda: _approval(hive, row)["status"] == "done", what="an approved change")
    assert _approval(hive, row)["note"] == "looks right"
    assert hive.disk.until_state("carl", "running")
    browser.open("/")
    browser.shows("carl")
    hive.operator("destroy", name="carl", purge=True)


def test_a_change_is_denied_with_a_reason(browser: Chromium, hive: BrowsedHive) -> None:
    row = hive.propose("dora", "#!/bin/sh\nexec rm -rf /\n")
    browser.open(f"/approval/{row['id']}")
    browser.shows("+exec rm -rf /")
    browser.type("reason", "too dangerous")
    browser.click("deny")
    eventually(lambda: _approval(hive, row)["status"] == "denied", what="a denied change")
    assert _approval(hive, row)["note"] == "too dangerous"


def test_a_page_that_is_out_of_date_approves_nothing(browser: Chromium, hive: BrowsedHive) -> None:
    row = hive.propose("emil", "#!/bin/sh\nexec cat\n")
    browser.open(f"/approval/{row['id']}")
    browser.run("document.querySelector('[name=sha]').value = 'f'.repeat(40)")
    browser.click("approve")
    browser.shows(row["fetched_sha"][:7])
    assert _approval(hive, row)["status"] == "pending"
    browser.complaints()


def test_a_message_to_an_agent_and_its_turn(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/")
    browser.click("alice")
    browser.type("message to alice", "good morning, alice")
    browser.click("send")
    assert hive.received("alice", "good morning, alice")["from"] == "operator"
    browser.shows("good morning, alice")
    assert browser.path.startswith("/agent/alice/")


def test_an_agent_is_paused_and_resumed(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/agent/alice/")
    browser.click("pause")
    browser.shows("resume")
    eventually(lambda: hive.disk.status("alice")["paused"], what="a paused agent")
    browser.click("resume")
    eventually(lambda: not hive.disk.status("alice")["paused"], what="a resumed agent")
    assert hive.audit("set_paused")["via"].startswith("web session ")


def test_an_agent_is_interrupted_after_a_question(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/agent/alice/")
    browser.click("interrupt")
    browser.shows("becomes dead letters")
    browser.click("interrupt alice")
    browser.shows("alice is asked to end its turn")
    assert hive.audit("cancel_turn")["name"] == "alice"


@pytest.mark.parametrize(
    ("part", "shown"), [("statistics", "24 hours"), ("output", "serving alice")]
)
def test_parts_that_are_opened_are_loaded_then(browser: Chromium, part: str, shown: str) -> None:
    browser.open("/agent/alice/")
    browser.click(part)
    browser.shows(shown)
    assert browser.path == "/agent/alice/"


def test_a_peer_has_no_buttons_of_a_lifecycle(browser: Chromium) -> None:
    browser.open("/agent/damocles/")
    browser.shows("damocles")
    assert browser.named("textarea", "message to damocles") is not None
    for name in ("start", "stop", "restart", "pause", "interrupt", "new session"):
        assert browser.named("button", name) is None


def test_a_dead_letter_is_replayed(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.dead_letter("nobody wants this")
    browser.open("/dead-letters")
    browser.shows("nobody wants this")
    browser.click("replay")
    eventually(
        lambda: hive.operator("dead_letters")["messages"] == [],
        what="an empty list of dead letters",
    )
    browser.shows(f"message {number} is delivered again", "no dead letters")
    assert hive.operator("trace", id=number)["message"]["state"] == "stored"
    hive.operator("discard", ids=[number], states=["stored"])


def test_a_message_is_found_by_its_words(browser: Chromium, hive: BrowsedHive) -> None:
    hive.participant("damocles", "send", to="bob", body="the cat is in the ticket 4711")
    browser.open("/mail")
    browser.type("words", "ticket 4711")
    browser.click("search")
    browser.shows("the cat is in the ticket 4711", "damocles")


def _approval(hive: BrowsedHive, row: dict[str, object]) -> dict[str, object]:
    return dict(hive.operator("approval", id=row["id"])["approval"])
