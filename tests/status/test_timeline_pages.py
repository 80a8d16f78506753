"""Timelines with lines of output: the newest of all kinds, in pages that lose nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing import advance
from hive.clock import rfc3339
from hive.daemon.hive import Hive
from hive.machines.timed_output import TimedLine
from hive.status.timeline_pages import newest_entries
from hive.store.timelines import EVENT, TimelineEntry
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

FIRST = 1_700_000_000_000_000
"""A wall time in microseconds."""


def entry(microseconds: int) -> TimelineEntry:
    return TimelineEntry((FIRST + microseconds) / 1e6, EVENT, 1, "x")


def instant(shown: str) -> float:
    """Return the time that an operator gives back to `--until`."""
    return datetime.fromisoformat(shown).timestamp()


@given(st.lists(st.integers(0, 20_000).map(entry), max_size=60), st.integers(1, 9))
def test_pages_by_the_time_of_their_first_entry_have_all(
    entries: list[TimelineEntry], most: int
) -> None:
    crowded = Counter(rfc3339(each.at) for each in entries)
    left, pages = entries, []
    while left:
        page = newest_entries(left, most)
        assert 0 < len(page) <= most
        pages.append(page)
        until = instant(rfc3339(page[0].at))
        left = [each for each in left if each.at < until]
    together = [each for page in reversed(pages) for each in page]
    if all(count <= most for count in crowded.values()):
        assert [each.at for each in together] == sorted(each.at for each in entries)
    else:
        assert all(each in entries for each in together)


def test_the_newest_are_given_if_all_are_of_one_millisecond() -> None:
    page = newest_entries(map(entry, (5, 1, 9, 3)), 2)
    assert page == [entry(5), entry(9)]


# Of a hive


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice", peers=["bob"])) as opened:
        await opened.until_state("alice", "running")
        yield opened


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


@pytest.fixture
async def begun(hive: Hive, operator: Line, runtime: ScriptedRuntime) -> float:
    """Return the time of a message to alice, about which she prints a hundred lines."""
    await advance(10)
    now: float = hive.parts.snapshot._clock.now()
    await operator.ok("send", to="alice", body="go")
    await advance(10)
    lines = [TimedLine(now + 1 + n / 100, f"step {n}") for n in range(100)]
    runtime.printed["alice"] = [TimedLine(now - 1, "x" * 500), *lines]
    await operator.ok("set_paused", name="alice", paused=True)
    return now


async def timeline(line: Line, **fields: Any) -> list[dict[str, Any]]:
    answer = await line.ok("timeline", name="alice", **fields)
    assert "missing" not in answer
    found: list[dict[str, Any]] = answer["entries"]
    return found


async def test_lines_are_among_the_rest_in_order(operator: Line, begun: float) -> None:
    found = await timeline(operator, max=1000, since=begun - 2)
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)
    sources = [each["source"] for each in found]
    assert sources[:2] == ["output", "message"]
    assert sources[2:102] == ["output"] * 100
    assert "paused" in [each["what"] for each in found[102:]]
    assert found[0]["detail"] == {"line": "x" * 200 + "..."}
    assert found[2] == {
        "at": rfc3339(begun + 1),
        "source": "output",
        "what": "printed",
        "detail": {"line": "step 0"},
    }


async def test_a_page_has_the_newest_of_all_kinds(operator: Line, begun: float) -> None:
    everything = await timeline(operator, max=1000, since=begun - 2)
    assert await timeline(operator, max=60, since=begun - 2) == everything[-60:]
    pages: list[dict[str, Any]] = []
    until: dict[str, float] = {}
    while page := await timeline(operator, max=30, since=begun - 2, **until):
        pages[:0] = page
        until = {"until": instant(page[0]["at"])}
    assert pages == everything


async def test_a_page_of_lines_does_not_begin_within_a_millisecond(
    operator: Line, runtime: ScriptedRuntime, begun: float
) -> None:
    burst = [TimedLine(begun + 1 + n / 4000, f"step {n}") for n in range(40)]  # 4 in each
    runtime.printed["alice"] = burst
    fields = {"since": begun + 1, "until": begun + 1.01}
    page = await timeline(operator, max=10, **fields)
    assert [each["detail"]["line"] for each in page] == [f"step {n}" for n in range(32, 40)]


async def test_output_can_be_left_out(operator: Line, begun: float) -> None:
    found = await timeline(operator, output=False)
    assert found
    assert "output" not in {each["source"] for each in found}


async def test_output_without_times_is_missing_and_where_it_is_is_said(operator: Line) -> None:
    answer = await operator.ok("timeline", name="alice")
    assert "'hive-c0re logs alice' shows them" in answer["missing"]
    assert "missing" not in await operator.ok("timeline", name="alice", output=False)
    assert "missing" not in await operator.ok("timeline", name="bob"), "a peer has no output"
    assert "missing" not in await operator.ok("timeline", name="operator")


async def test_lines_that_cannot_be_read_cost_nothing_else(
    operator: Line, runtime: ScriptedRuntime, begun: float
) -> None:
    runtime.broken["timed_lines"] = "the journal is gone"
    answer = await operator.ok("timeline", name="alice")
    assert answer["missing"] == "the lines that alice printed are missing: the journal is gone"
    assert "message" in [each["source"] for each in answer["entries"]]


async def test_a_search_that_was_cut_says_how_to_go_on(
    operator: Line, runtime: ScriptedRuntime, begun: float
) -> None:
    runtime.searched_from = begun
    answer = await operator.ok("timeline", name="alice")
    before = answer["missing"].partition(" printed before ")[2].partition(" ")[0]
    assert begun <= instant(before) <= begun + 0.002


async def test_one_that_has_left_has_no_lines(
    operator: Line, runtime: ScriptedRuntime, begun: float
) -> None:
    await operator.ok("destroy", name="alice")
    found = await timeline(operator)
    assert found
    assert "output" not in {each["source"] for each in found}
