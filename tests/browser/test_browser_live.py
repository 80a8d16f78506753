"""A page that stays open: what changes on it, what stays, and what ends under it."""

from __future__ import annotations

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Chromium, needs_chromium
from tests.browser.swarm import BrowsedHive, item
from tests.support.daemons import eventually

pytestmark = [needs_chromium, pytest.mark.timeout(120)]

MARK = "window.sameDocument = true"

TOP = "return document.activeElement.getBoundingClientRect().top"
"""Where the field is in which one types."""

AT_END = """
const list = document.querySelector("[data-list=turn]");
return list.scrollTop > 0 && list.scrollHeight - list.scrollTop - list.clientHeight < 40;
"""

GREYED = """
let at = document.querySelector("[data-list=agents]");
while (at && Number(getComputedStyle(at).opacity) === 1) at = at.parentElement;
return at !== null;
"""


def is_same(browser: Chromium) -> bool:
    """Whether the page was not loaded again since `MARK` ran in it."""
    return bool(browser.run("return window.sameDocument === true"))


def is_away(browser: Chromium) -> bool:
    """Whether the page says that it shows what was, and looks like that."""
    return bool(browser.run(GREYED))


def test_what_happens_shows_without_a_reload(browser: Chromium, hive: BrowsedHive) -> None:
    browser.run(MARK)
    browser.shows("Nothing needs you")
    number = hive.ask("tea or coffee?", "tea", "coffee")
    browser.appears(item(number))
    assert browser.driver.title.startswith("(1)")
    hive.operator("answer", id=number, answer="tea")
    browser.vanishes(item(number))
    browser.shows("Nothing needs you")
    hive.operator("set_paused", name="bob", paused=True)
    browser.shows("paused")
    hive.operator("set_paused", name="bob", paused=False)
    assert is_same(browser)


def test_the_page_of_an_agent_shows_its_mail_as_it_comes(
    browser: Chromium, hive: BrowsedHive
) -> None:
    browser.open("/agent/alice/")
    browser.run(MARK)
    hive.operator("send", to="alice", body="are you there?")
    browser.shows("are you there?")
    assert is_same(browser)


def test_a_turn_shows_as_it_happens(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/agent/bob/")
    browser.run(MARK)
    hive.turn_events(("text", "I look at the parser first."))
    browser.shows("I look at the parser first.")
    edit = {"file_path": "parse.py", "old_string": "one = 1", "new_string": "one = 2"}
    hive.turn_events(("tool", f"Edit {json.dumps(edit)}"))
    browser.shows("Edit parse.py")
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".diff .minus")[-1].text == "-one = 1"
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".diff .plus")[-1].text == "+one = 2"
    lines = [("tool_result", f"line {number} of the output") for number in range(60)]
    hive.turn_events(*lines)
    browser.shows("line 59 of the output")
    eventually(lambda: browser.run(AT_END), what="a conversation that goes on to show its end")
    assert is_same(browser)


def test_focus_and_typed_text_stay_while_the_page_changes(
    browser: Chromium, hive: BrowsedHive
) -> None:
    number = hive.ask("which colour?")
    browser.shows("which colour?")
    browser.type(f"answer to question {number}", "a dark gr")
    before = browser.run(TOP)
    hive.operator("send", to="bob", body="one\ntwo\nthree\nfour")
    hive.ask("which size?")
    browser.shows("New things wait")
    assert browser.run(TOP) == before, "nothing moves under the fingers"
    browser.press("een")
    assert browser.run("return document.activeElement.value") == "a dark green"
    assert browser.focused == f"input answer to question {number}"
    browser.press(Keys.ENTER)
    hive.received("damocles", "a dark green")
    browser.shows("which size?")
    browser.vanishes(item(number))


def test_what_waits_shows_once_the_field_is_empty_again(
    browser: Chromium, hive: BrowsedHive
) -> None:
    browser.open("/agent/alice/")
    browser.type("message to alice", "dear al")
    before = browser.run(TOP)
    hive.operator("send", to="alice", body="the cat sat on the mat")
    browser.shows("New things wait")
    assert browser.run(TOP) == before
    assert browser.focused == "textarea message to alice"
    browser.press(*[Keys.BACKSPACE] * len("dear al"))
    browser.shows("the cat sat on the mat")
    browser.hides("New things wait")


def test_one_who_types_sees_that_the_daemon_is_away(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.ask("which colour?")
    browser.shows("which colour?")
    browser.type(f"answer to question {number}", "a dark gr")
    before = browser.run(TOP)
    hive.disk.kill()
    eventually(lambda: is_away(browser), what="a page that is greyed")
    assert browser.run(TOP) == before, "nothing moves under the fingers"
    hive.disk.start("--no-status")
    eventually(lambda: not is_away(browser), what="a page that is back")
    assert browser.run("return document.activeElement.value") == "a dark gr"


def test_a_restart_of_the_daemon_under_an_open_page(browser: Chromium, hive: BrowsedHive) -> None:
    browser.run(MARK)
    browser.shows("alice")
    hive.disk.kill()
    eventually(lambda: is_away(browser), what="a page that is greyed")
    browser.shows("alice")
    hive.disk.start("--no-status")
    eventually(lambda: not is_away(browser), what="a page that is back")
    hive.ask("are we back?")
    browser.shows("are we back?")
    assert is_same(browser)


def test_kill_9_of_the_dashboard_under_an_open_page(browser: Chromium, hive: BrowsedHive) -> None:
    browser.run(MARK)
    agents = {row["name"]: row.get("since") for row in hive.disk.json("status")}
    hive.web.kill()
    eventually(lambda: is_away(browser), what="a page that is greyed")
    browser.shows("alice")
    hive.web.start()
    hive.ask("did anybody notice?")
    browser.shows("did anybody notice?", within=40)
    eventually(lambda: not is_away(browser), what="a page that is back")
    assert is_same(browser), "the session is still open"
    assert {row["name"]: row.get("since") for row in hive.disk.json("status")} == agents
    assert all("ERR_" in line for line in browser.complaints()), "only the connection failed"


@pytest.mark.parametrize("path", ["/", "/agent/alice/"])
def test_a_revoked_session_ends_under_an_open_page(
    browser: Chromium, hive: BrowsedHive, path: str
) -> None:
    browser.open(path)
    browser.shows("alice")
    hive.disk.ok("web-sessions", "--all")
    hive.forget_session()
    hive.ask("can you read this?")
    browser.shows("hive-c0re web-login", within=40)
    assert browser.path.startswith("/login")
    browser.driver.back()
    assert "can you read this?" not in browser.text
    browser.complaints()
