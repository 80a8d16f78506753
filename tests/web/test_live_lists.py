"""How two pictures of a page differ, and that one reading serves all pages."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from hive.web.latest import Latest
from hive.web.live_lists import Change, Lists, MadeOnce, differences

LISTS = st.dictionaries(
    st.sampled_from(["items", "agents"]),
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("12")), max_size=5).map(
        lambda pairs: {key: Markup(text) for key, text in pairs}
    ),
)


def applied(before: Lists, changes: list[Change]) -> Lists:
    """Do what the script of a page does with changes."""
    shown = {name: dict(parts) for name, parts in before.items()}
    for change in changes:
        parts = shown.setdefault(change["list"], {})
        parts.update({key: Markup(text) for key, text in change.get("parts", {}).items()})
        if "order" in change:
            shown[change["list"]] = {key: parts[key] for key in change["order"]}
    return shown


@given(LISTS, LISTS)
def test_a_page_that_applies_the_differences_shows_the_new_picture(
    before: Lists, after: Lists
) -> None:
    found = applied(before, differences(before, after))
    assert [(name, list(found[name].items())) for name in after] == [
        (name, list(parts.items())) for name, parts in after.items()
    ]


@given(LISTS)
def test_the_same_picture_has_no_differences(lists: Lists) -> None:
    assert differences(lists, lists) == []


def test_only_the_part_that_differs_is_sent() -> None:
    before = {"agents": {"a": Markup("1"), "b": Markup("1")}}
    after = {"agents": {"a": Markup("1"), "b": Markup("2")}}
    assert differences(before, after) == [{"list": "agents", "parts": {"b": "2"}}]


def test_an_order_alone_is_sent_without_parts() -> None:
    before = {"agents": {"a": Markup("1"), "b": Markup("1")}}
    after = {"agents": {"b": Markup("1"), "a": Markup("1")}}
    assert differences(before, after) == [{"list": "agents", "order": ["b", "a"]}]


def test_the_lists_of_a_value_are_made_once() -> None:
    made: list[str] = []

    def make(value: str) -> Lists:
        made.append(value)
        return {}

    once = MadeOnce(make)
    for value in ("one", "one", "two"):
        once(value)
    assert made == ["one", "two"]


@pytest.mark.sim
async def test_one_task_reads_for_all_who_watch_and_none_when_nobody_does() -> None:
    readings: list[float] = []
    loop = asyncio.get_running_loop()

    async def read() -> None:
        while True:
            readings.append(loop.time())
            latest.set(len(readings))
            await asyncio.sleep(2)

    latest: Latest[int] = Latest(read)
    await asyncio.sleep(10)
    assert readings == []
    with latest.watching() as one, latest.watching() as other:
        assert [await one.next(), await other.next()] == [1, 1]
        assert [await one.next(), await other.next()] == [2, 2]
        assert await one.next(within=1) is None
    count = len(readings)
    await asyncio.sleep(10)
    assert len(readings) == count == 2
    with latest.watching() as again:
        assert await again.next() == 2  # the last value is there at once
        assert await again.next() == 3
