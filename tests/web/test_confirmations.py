"""What cannot be taken back asks before it is done, on every page, and says what will happen."""

from __future__ import annotations

import re

import pytest

from tests.top.swarm_answers import ITEMS, ago, message
from tests.web.browsing import Browser
from tests.web.example_hive import SHA, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = pytest.mark.loops("asyncio")

DESTRUCTIVE = "interrupt|new_session|restart|stop|discard|cancel_deploy"

PAGES = {
    "/": {"discard": "cannot be replayed"},
    "/needs-you": {"discard": "cannot be replayed"},
    "/dead-letters": {"discard": "cannot be replayed"},
    "/message/17": {"discard": "cannot be replayed"},
    "/deploys": {"cancel_deploy": "A build that goes on is killed"},
    "/agent/coder/": {
        "interrupt": "becomes dead letters",
        "new_session": "without the conversation so far",
        "restart": "start it again",
        "stop": "Nothing starts it again",
    },
}
"""What each page has, and what it says before."""


@pytest.fixture
def hive() -> ScriptedHive:
    letter = message(17, "coder", "scout", "do it", "dead")
    deploy = {"id": 3, "name": "docs", "source": "rebuild", "sha": SHA, "step": "building"}
    return with_answers(
        example_hive(),
        attention={"items": [each for each in ITEMS if each["kind"] == "dead_letter"]},
        trace={"message": letter, "steps": []},
        deploys={"deploys": [{**deploy, "queued_at": ago(5)}]},
    )


@pytest.fixture
def browser(hive: ScriptedHive) -> Browser:
    return browser_of(hive)


@pytest.mark.parametrize("path", PAGES)
async def test_a_destructive_act_is_behind_a_question(browser: Browser, path: str) -> None:
    text = (await browser.page(path)).text
    asked = {}
    for found in re.finditer(rf'action="/do/({DESTRUCTIVE})"', text):
        before = text[: found.start()].rpartition('<details class="sure">')[2]
        assert "</details>" not in before, (path, found[1])
        asked[found[1]] = re.findall(r"<p>([^<]*)</p>", before)[-1]
    assert asked.keys() == PAGES[path].keys()
    assert all(words in asked[act] for act, words in PAGES[path].items()), asked
