"""Pages that stay open: what they are sent, what it costs the daemon, and when they end."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hive.errors import UnreachableError
from hive.web.agent_picture import LIVE_CHARACTERS
from hive.web.login_sessions import SessionBook
from tests.top.swarm_answers import ITEMS, SWARM, ago, message
from tests.web.browsing import Browser, LivePage
from tests.web.example_hive import RunningClock, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = [pytest.mark.sim, pytest.mark.usefixtures("nothing_left_running")]

OVERVIEW, CODER = "/live/overview", "/live/agent/coder"


@pytest.fixture
def hive() -> ScriptedHive:
    return example_hive()


@pytest.fixture
def book() -> SessionBook:
    return SessionBook(3600.0)


@pytest.fixture
def browser(hive: ScriptedHive, book: SessionBook) -> Browser:
    return browser_of(hive, book, RunningClock())


async def changes_of(page: LivePage) -> dict[str, dict[str, Any]]:
    """Return the changes of the next event, by their lists."""
    kind, changes = await page.next(60)
    assert kind == "changes", (kind, changes)
    return {change["list"]: change for change in changes}


async def change_of(page: LivePage, name: str) -> dict[str, Any]:
    """Return the next change of a list."""
    while True:
        found = await changes_of(page)
        if name in found:
            return found[name]


def rows(*changed: dict[str, Any]) -> dict[str, Any]:
    """Return the status of the swarm with some rows changed."""
    by_name = {row["name"]: row for row in changed}
    return {"agent_statuses": [{**row, **by_name.get(row["name"], {})} for row in SWARM]}


async def test_only_the_row_that_changed_is_sent(hive: ScriptedHive, browser: Browser) -> None:
    async with browser.live(OVERVIEW) as page:
        assert len((await changes_of(page))["agents"]["parts"]) == len(SWARM) + 3
        with_answers(hive, agent_status=rows({"name": "tester", "unread": 77}))
        change = await change_of(page, "agents")
        while "row tester" not in change["parts"]:
            change = await change_of(page, "agents")
    assert "order" not in change
    assert ">77<" in change["parts"]["row tester"]


async def test_a_new_item_comes_with_the_order_and_without_the_others(
    hive: ScriptedHive, browser: Browser
) -> None:
    async with browser.live(OVERVIEW) as page:
        await changes_of(page)
        new = {**ITEMS[0], "id": "question-9", "number": 9, "text": "which branch?"}
        with_answers(hive, attention={"items": [new, *ITEMS]})
        change = await change_of(page, "items")
    assert "question-9" in change["parts"]
    assert "approval-3" not in change["parts"]
    assert change["order"][:2] == ["question-9", "question-12"]


async def test_a_part_that_is_sent_has_the_token_of_its_session(browser: Browser) -> None:
    token = (await browser.page("/")).token
    async with browser.live(OVERVIEW) as page:
        parts = (await changes_of(page))["items"]["parts"]
    assert f'name="token" value="{token}"' in parts["question-12"]


async def test_while_the_daemon_is_away_the_last_picture_stays_with_the_time(
    hive: ScriptedHive, browser: Browser
) -> None:
    async with browser.live(OVERVIEW) as page:
        await changes_of(page)
        before, hive.answers["agent_status"] = (
            hive.answers["agent_status"],
            UnreachableError("no such socket"),
        )
        away = await change_of(page, "notices")
        assert "no such socket" in away["parts"]["away"]
        assert "Last data 22:13:" in away["parts"]["away"]
        shown = await browser.page("/")
        assert "coder" in shown.shown
        assert 'class="is-away"' in shown.text
        hive.answers["agent_status"] = before
        while (await change_of(page, "notices")).get("order") != []:
            pass


async def test_a_page_loaded_while_the_daemon_is_away_says_so(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, agent_status=UnreachableError("no such socket"))
    shown = (await browser.page("/")).shown
    assert "no such socket" in shown
    assert "There is no earlier data" in shown


async def test_a_revoked_session_ends_its_open_pages(browser: Browser, book: SessionBook) -> None:
    async with browser.live(OVERVIEW) as page, browser.live(CODER) as other:
        await changes_of(page)
        await changes_of(other)
        book.revoke(1)
        for each in (page, other):
            while (found := await each.next(10))[0] == "changes":
                pass
            assert found == ("ended", None)
            assert await each.next() == ("closed", None)


async def test_fifty_open_pages_cost_the_daemon_what_one_does(
    hive: ScriptedHive, browser: Browser
) -> None:
    async def asked_by(count: int) -> Counter[str]:
        async with AsyncExitStack() as stack:
            for _ in range(count):
                await stack.enter_async_context(browser.live(OVERVIEW))
            hive.asked.clear()
            await asyncio.sleep(20.0)
        await asyncio.sleep(10.0)
        return Counter(each["cmd"] for each in hive.asked)

    one, fifty = await asked_by(1), await asked_by(50)
    assert one == fifty
    assert one.total() <= 5 * 11


async def test_no_open_page_no_request(hive: ScriptedHive, browser: Browser) -> None:
    async with browser.live(OVERVIEW), browser.live(CODER):
        await asyncio.sleep(5.0)
    hive.asked.clear()
    await asyncio.sleep(60.0)
    assert hive.asked == []


async def test_an_agent_at_rest_is_asked_for_once(hive: ScriptedHive, browser: Browser) -> None:
    async with browser.live(CODER) as page, browser.live(CODER):
        await changes_of(page)
        await asyncio.sleep(60.0)
    asked = Counter(each["cmd"] for each in hive.asked)
    assert (asked["turns"], asked["questions"], asked["watch"]) == (1, 1, 1)


async def test_mail_of_an_agent_is_read_anew_when_there_is_some(
    hive: ScriptedHive, browser: Browser
) -> None:
    async with browser.live(CODER) as page:
        await changes_of(page)
        new = message(50, "operator", "coder", "hurry", "stored")
        with_answers(hive, inbox={"messages": [new]}, search={"messages": [new]})
        change = await change_of(page, "inbox")
    assert change["order"] == ["m50"]
    assert "hurry" in change["parts"]["m50"]


async def test_a_turn_is_shown_as_it_happens(hive: ScriptedHive, browser: Browser) -> None:
    async with browser.live(CODER) as page:
        await changes_of(page)
        for number, (kind, text) in enumerate(
            [
                ("text", "I look at it"),
                ("tool", 'Edit {"file_path":"/x","old_string":"a","new_string":"b"}'),
                ("tool_result", "done"),
            ]
        ):
            hive.streams["watch"].put_nowait(
                {"live": [{"at": ago(60 - number), "kind": kind, "text": text}]}
            )
        order: list[str] = []
        parts: dict[str, str] = {}
        while len(order) < 3:
            change = await change_of(page, "turn")
            order, parts = change["order"], {**parts, **change["parts"]}
    assert order == ["t1", "t2", "t3"]
    assert "I look at it" in parts["t1"]
    assert '<span class="minus">-a\n</span><span class="plus">+b\n</span>' in parts["t2"]


async def test_a_long_turn_keeps_its_end(hive: ScriptedHive, browser: Browser) -> None:
    async with browser.live(CODER) as page:
        await changes_of(page)
        events = [{"at": ago(1), "kind": "text", "text": f"line {n}"} for n in range(500)]
        hive.streams["watch"].put_nowait({"live": events})
        change = await change_of(page, "turn")
    assert len(change["order"]) == 200
    assert "line 499" in change["parts"][change["order"][-1]]


async def test_a_turn_of_long_texts_keeps_as_much_of_its_end_as_fits(
    hive: ScriptedHive, browser: Browser
) -> None:
    async with browser.live(CODER) as page:
        await changes_of(page)
        events = [{"at": ago(1), "kind": "text", "text": f"{n} {'x' * 8000}"} for n in range(100)]
        hive.streams["watch"].put_nowait({"live": events})
        change = await change_of(page, "turn")
    assert len(change["order"]) == LIVE_CHARACTERS // 8003
    assert change["order"][-1] == "t100"


async def test_a_participant_that_leaves_is_said_to_have_left(
    hive: ScriptedHive, browser: Browser
) -> None:
    async with browser.live(CODER) as page:
        await changes_of(page)
        with_answers(hive, agent_status={"agent_statuses": SWARM[1:]})
        change = await change_of(page, "notices")
    assert "coder has left the hive" in change["parts"]["gone"]


async def test_a_page_without_news_is_kept_open_by_comments(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, agent_status={"agent_statuses": []}, attention={"items": []})
    with_answers(hive, overview={"overview": {}}, search={"messages": []}, events={"events": []})
    async with browser.live(OVERVIEW) as page:
        await changes_of(page)
        await asyncio.sleep(120.0)
        assert page.comments >= 3
        assert page.events.empty()
