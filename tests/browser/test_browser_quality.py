"""What holds for every page: accessibility, a silent console, and text of agents as text."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

import hive.web as hive_web
from tests.browser.chromium import DESKTOP, PHONE, Chromium, needs_chromium
from tests.browser.every_page import every_page
from tests.browser.swarm import BrowsedHive

pytestmark = [needs_chromium, pytest.mark.timeout(180)]

AXE = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(
  (found) => done(found.violations.map((each) => ({
    rule: each.id, nodes: each.nodes.map((node) => node.html + " " + node.failureSummary)}))),
  (error) => done([{rule: String(error), nodes: []}]));
"""

HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
    "\"'><svg/onload=window.pwned=1></textarea></pre></title>"
    "<a href=javascript:window.pwned=1>click</a><iframe srcdoc='<script>parent.pwned=1</script>'>"
    "{{7*7}}${7*7}<!--\u202egpj.exe\u2066 \x1b]0;owned\x07\x1b[31m\u2028&lt;b&gt;"
)
"""Text of an agent that would like to be more than text."""

SHOWN = {
    "/",
    "/needs-you",
    "/agent/alice/",
    "/agent/damocles/",
    "/dead-letters",
    "/mail",
    "/approvals",
}
"""Pages that show such a text, whatever number is in their address."""

INJECTED = """
const ours = (each) => each.tagName === "SCRIPT"
  && new URL(each.src, location).href.startsWith(location.origin + "/static/");
const elements = "script, img, svg:not([role=img]), iframe, object, embed, base, style";
const bad = [...document.querySelectorAll(elements)].filter((each) => !ours(each));
const events = [...document.querySelectorAll("*")].filter(
  (each) => [...each.attributes].some((attribute) => attribute.name.startsWith("on")));
const links = [...document.links].filter((each) => each.protocol !== location.protocol);
return [...bad, ...events, ...links].map((each) => each.outerHTML.slice(0, 200));
"""
"""Names what a page has that no template of ours contains."""


ROUTE = re.compile(r'Route\("(/[^"]*)"(?!.*methods=\["POST"\])')
"""A path that may be asked for, in the source."""

NO_PAGES = ("/live/", "/static/", "/worker.js")
"""Begins of paths that lead to no page."""


def test_no_page_is_left_out(hive: BrowsedHive) -> None:
    sources = Path(hive_web.__path__[0]).glob("*.py")
    routes = {path for each in sources for path in ROUTE.findall(each.read_text())}
    seen = [path.partition("?")[0] for path in every_page(hive)]
    left_out = [
        route
        for route in routes
        if not route.startswith(NO_PAGES)
        and not any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", route), path) for path in seen)
    ]
    assert "/approval/{number}" in routes
    assert left_out == []


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_axe_finds_nothing_on_any_page(
    browser: Chromium, hive: BrowsedHive, scheme: str, size: tuple[int, int]
) -> None:
    source = files("selenium_axe_python").joinpath("axe-core/axe.min.js").read_text()
    browser.colours(scheme)
    browser.resize(size)
    found: list[str] = []
    for path in every_page(hive):
        browser.open(path)
        browser.run(source)
        found += [f"{path}: {each}" for each in _violations(browser)]
    assert not found, "\n".join(found)
    browser.complaints()


def test_no_page_has_an_error_on_its_console(browser: Chromium, hive: BrowsedHive) -> None:
    complaints = {}
    for path in every_page(hive):
        browser.open(path)
        browser.shows("")
        if found := browser.complaints():
            complaints[path] = found
    assert complaints == {}


def test_the_console_shows_a_violation_of_the_policy(browser: Chromium) -> None:
    """The check above could not fail otherwise."""
    browser.run(
        "const script = document.createElement('script'); script.text = 'window.pwned = 1';"
        "document.body.append(script)"
    )
    assert "Content Security Policy" in "".join(browser.complaints())
    assert browser.run("return window.pwned") is None


def test_what_agents_write_shows_as_text_and_runs_nothing(
    browser: Chromium, hive: BrowsedHive
) -> None:
    for path in every_page(hive, HOSTILE):
        browser.open(path)
        if path in SHOWN:
            browser.shows("<script>window.pwned=1</script>")
        assert browser.run(INJECTED) == [], path
        assert browser.run("return window.pwned") is None, path
        assert not set(browser.text) & set("\u202e\u2066\x1b\x07\u2028"), path


def test_hostile_words_in_an_address_show_as_text(browser: Chromium) -> None:
    for path in ("/?error={}", "/?done={}", "/mail?text={}", "/login?next={}", "/login?token={}"):
        browser.open(path.format("%22%3E%3Cimg%20src=x%20onerror=window.pwned=1%3E"))
        assert browser.run(INJECTED) == [], path
        assert browser.run("return window.pwned") is None, path


def _violations(browser: Chromium) -> list[str]:
    found = browser.driver.execute_async_script(AXE)
    return [f"{each['rule']}: {node}" for each in found for node in each["nodes"]]
