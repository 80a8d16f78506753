"""Sizes, colours and parts of a page, and the keyboard alone."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver.common.keys import Keys

from hive.client.blocking import BlockingClient
from tests.browser.chromium import PHONE, Chromium, needs_chromium
from tests.browser.every_page import every_page
from tests.browser.swarm import BrowsedHive, item
from tests.support.daemons import eventually

pytestmark = [needs_chromium, pytest.mark.timeout(120)]


WIDER = """
const root = document.documentElement, wide = root.clientWidth;
if (root.scrollWidth <= wide) return [];
return [...document.body.querySelectorAll("*")]
  .filter((each) => each.getBoundingClientRect().right > wide + 1)
  .map((each) => `${each.tagName} ${each.className} ${each.innerText.slice(0, 60)}`);
"""
"""Names what makes a page wider than its window."""


HERE = "nav [aria-current=page]"
"""The link to the page that is shown."""


def test_no_page_is_wider_than_a_phone(browser: Chromium, hive: BrowsedHive) -> None:
    pages = every_page(hive)
    browser.resize(PHONE)
    wide = {}
    for path in pages:
        browser.open(path)
        if found := browser.run(WIDER):
            wide[path] = found
    assert wide == {}


def test_what_needs_one_is_answered_on_a_phone(browser: Chromium, hive: BrowsedHive) -> None:
    browser.resize(PHONE)
    number = hive.ask("merge or rebase?", "merge", "rebase")
    browser.open("/")
    browser.appears(item(number))
    button = browser.named(item(number) + " button", "merge")
    assert button is not None
    assert button.rect["y"] + button.rect["height"] < PHONE[1], "without scrolling"
    assert button.rect["height"] >= 44, "large enough for a finger"
    browser.click("merge", item(number))
    hive.received("damocles", "merge")


FIGURES = """
const row = document.querySelector('[data-key="row bob"]'), name = row.querySelector("a");
const below = name.getBoundingClientRect().bottom;
return [...row.querySelectorAll("td[data-title]")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().top >= below - 1)
  .map((each) => getComputedStyle(each, "::before").content.slice(1, -1) + each.innerText);
"""
"""The figures below the name of bob, with their titles."""


def test_inbox_context_and_cost_of_agents_are_in_sight_on_a_phone(
    browser: Chromium, hive: BrowsedHive
) -> None:
    number = hive.operator("send", to="bob", body="look at this")["id"]
    with BlockingClient(hive.disk.socket_of("bob")) as harness:
        harness.call({"cmd": "hello", "role": "harness"})
        now = time.time()
        activity = {"state": "working", "since": now, "context_fill": 0.61, "context_at": now}
        harness.call({"cmd": "report", **activity})
        turn = {"started_at": now - 9, "ended_at": now, "wake": "message", "outcome": "done"}
        harness.call({"cmd": "turn", **turn, "cost_usd": 3.4})
        browser.resize(PHONE)
        browser.open("/")
        unread = hive.disk.status("bob")["unread"]
        wanted = [f"inbox {unread}", "context 61%", "cost $3.40"]
        eventually(lambda: browser.run(FIGURES) == wanted, what=f"{wanted} of bob")
        assert browser.run(WIDER) == []
    hive.operator("discard", ids=[number], states=["stored"])


def test_words_of_buttons_stay_whole_on_a_phone(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.dead_letter("too old")
    browser.resize(PHONE)
    browser.open("/dead-letters")
    (height,) = {
        browser.named(".acts > * > :is(button, summary)", name).rect["height"]  # type: ignore[union-attr]
        for name in ("replay", "discard")
    }
    assert height == 44, number


def test_the_name_of_the_page_is_in_sight_on_a_phone(browser: Chromium) -> None:
    browser.resize(PHONE)
    browser.open("/audit")
    link, nav = (browser.driver.find_element("css selector", each).rect for each in (HERE, "nav"))
    assert nav["x"] <= link["x"]
    assert link["x"] + link["width"] <= nav["x"] + nav["width"]


@pytest.mark.parametrize(
    ("hide", "header", "input_"),
    [
        ("", True, True),
        ("header", False, True),
        ("input", True, False),
        ("header,input", False, False),
        ("input,,bogus,header", False, False),
        ("bogus", True, True),
    ],
)
def test_parts_of_the_page_of_an_agent_are_hidden(
    browser: Chromium, hide: str, header: bool, input_: bool
) -> None:
    browser.open(f"/agent/alice/?hide={hide}")
    browser.shows("alice")
    assert (browser.named("nav a", "events") is not None) is header
    assert (browser.named("textarea", "message to alice") is not None) is input_


def test_the_composer_works_without_a_header(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/agent/alice/?hide=header")
    browser.type("message to alice", "from the panel")
    browser.click("send")
    hive.received("alice", "from the panel")
    browser.shows("from the panel")
    assert "hide=header" in browser.path, "the panel still shows it without one"
    assert browser.named("nav a", "events") is None


def test_light_and_dark(browser: Chromium) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        browser.open("/")
        shades[scheme] = _shade(browser)
    assert shades["light"] > 0.9
    assert shades["dark"] < 0.2


def test_a_question_is_answered_by_the_keyboard_alone(browser: Chromium, hive: BrowsedHive) -> None:
    number = hive.ask("merge or rebase?", "merge", "rebase")
    browser.open("/")
    browser.appears(item(number))
    browser.press(Keys.TAB)
    assert browser.focused == "a Skip to the content"
    browser.press(Keys.ENTER)
    walk_to(browser, "button rebase")
    browser.press(Keys.ENTER)
    hive.received("damocles", "rebase")


def test_an_agent_gets_a_message_by_the_keyboard_alone(
    browser: Chromium, hive: BrowsedHive
) -> None:
    browser.open("/")
    walk_to(browser, "a alice")
    browser.press(Keys.ENTER)
    browser.shows("message to alice")
    walk_to(browser, "textarea message to alice")
    browser.press("typed with ten fingers", Keys.TAB)
    assert browser.focused == "button send"
    browser.press(Keys.SPACE)
    hive.received("alice", "typed with ten fingers")


def test_a_change_is_approved_by_the_keyboard_alone(browser: Chromium, hive: BrowsedHive) -> None:
    row = hive.propose("fred", "#!/bin/sh\nexec cat\n")
    browser.open("/")
    browser.appears(item(row["id"], "approval"))
    walk_to(browser, "a look and decide")
    browser.press(Keys.ENTER)
    browser.shows("+exec cat")
    walk_to(browser, "button deny")
    browser.press(Keys.ENTER)
    browser.hides("+exec cat")
    assert hive.operator("approval", id=row["id"])["approval"]["status"] == "denied"


def test_an_act_leaves_the_focus_where_it_was(browser: Chromium, hive: BrowsedHive) -> None:
    browser.open("/agent/alice/")
    browser.shows("interrupt")
    walk_to(browser, "button pause")
    browser.press(Keys.ENTER)
    eventually(lambda: browser.focused == "button resume", what="the focus on what pause became")
    browser.press(Keys.ENTER)
    eventually(lambda: browser.focused == "button pause", what="the focus on what resume became")
    walk_to(browser, "summary stop")
    browser.press(Keys.ENTER)
    walk_to(browser, "button stop alice")
    browser.press(Keys.ENTER)
    hive.disk.until_state("alice", "stopped")
    browser.shows("start")
    hive.disk.ok("start", "alice")
    hive.disk.until_state("alice", "running")


def test_every_stop_of_the_keyboard_has_a_name_and_shows_the_focus(
    browser: Chromium, hive: BrowsedHive
) -> None:
    paths = every_page(hive)
    for path in ("/", "/agent/alice/", "/mail", *[each for each in paths if "/approval/" in each]):
        browser.open(path)
        for stop in stops(browser):
            assert stop["name"], (path, stop)
            assert stop["ring"], (path, stop)


def walk_to(browser: Chromium, wanted: str) -> None:
    """Press the tab key until something has the focus."""
    seen = []
    for _ in range(60):
        browser.press(Keys.TAB)
        seen.append(browser.focused)
        if seen[-1] == wanted:
            return
    raise AssertionError(f"{wanted} is not among {seen}")


STOP = """
const element = document.activeElement;
if (element === document.body) return null;
const style = getComputedStyle(element);
const seen = (window.stops ??= new Set());
if (seen.has(element)) return null;
seen.add(element);
return {tag: element.outerHTML.slice(0, 120),
        ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0};
"""


def stops(browser: Chromium) -> list[dict[str, object]]:
    """Walk once through a page by the tab key; return each element that had the focus."""
    found: list[dict[str, object]] = []
    for _ in range(80):
        browser.press(Keys.TAB)
        stop = browser.run(STOP)
        if stop is None:
            break
        found.append({**stop, "name": browser.driver.switch_to.active_element.accessible_name})
    return found


def _shade(browser: Chromium) -> float:
    """Return how light the page is, from 0 to 1, as it is painted."""
    png = browser.driver.get_screenshot_as_base64()
    script = """
    const done = arguments[1], image = new Image();
    image.onload = () => {
      const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, 1, 1);
      const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
      done((red + green + blue) / 765);
    };
    image.src = "data:image/png;base64," + arguments[0];
    """
    return float(browser.driver.execute_async_script(script, png))
