"""Logging in and out, in a real browser."""

from __future__ import annotations

from tests.browser.chromium import Chromium, needs_chromium
from tests.browser.swarm import BrowsedHive

pytestmark = needs_chromium


def test_a_link_logs_in_and_leads_to_the_page_that_was_asked_for(
    stranger: Chromium, hive: BrowsedHive
) -> None:
    stranger.open("/agent/alice/")
    assert stranger.path.startswith("/login")
    stranger.shows("hive-c0re web-login")
    link = hive.link()
    stranger.driver.get(link)
    stranger.click("Log in on this browser")
    stranger.shows("alice", "bob", "damocles")
    assert stranger.path == "/"


def test_a_link_works_once(stranger: Chromium, hive: BrowsedHive) -> None:
    link = hive.link()
    stranger.driver.get(link)
    stranger.click("Log in on this browser")
    stranger.shows("alice")
    stranger.reset()
    stranger.driver.get(link)
    stranger.click("Log in on this browser")
    stranger.shows("this link was used already", "web-login")
    stranger.open("/")
    assert stranger.path.startswith("/login")


def test_a_look_at_a_link_does_not_use_it_up(stranger: Chromium, hive: BrowsedHive) -> None:
    link = hive.link()
    for _ in range(3):
        stranger.driver.get(link)
        stranger.shows("This link works once")
    stranger.click("Log in on this browser")
    stranger.shows("alice")


def test_who_logs_out_is_out(stranger: Chromium, hive: BrowsedHive) -> None:
    stranger.driver.get(hive.link())
    stranger.click("Log in on this browser")
    stranger.shows("alice")
    stranger.click("log out")
    stranger.shows("hive-c0re web-login")
    stranger.open("/approvals")
    assert stranger.path.startswith("/login")


def test_no_script_of_a_page_reads_the_cookie(browser: Chromium) -> None:
    assert browser.run("return document.cookie") == ""
