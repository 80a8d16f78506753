"""Verdicts on turns: pure rules, and the watch that keeps them and records their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import Limits
from hive.daemon.hive import Hive
from hive.participants.verdicts import (
    EXPECTING,
    LOOKING,
    has_no_outcome,
    quiet_since,
    reports_events,
)
from hive.wire.enums import ActivityState, TurnOutcome
from hive.wire.harness import Activity, TurnRecord
from hive.wire.rows import StatusRow
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

NEVER = float("inf")
AFTER = 600.0


def turn(**more: Any) -> TurnRecord:
    known = {"model": "m", "messages": (7,), "tools": {"Read": 3}}
    return TurnRecord(**{
        "started_at": 1.0, "ended_at": 2.0, "wake": "message", "outcome": TurnOutcome.DONE,
        **known,
        **more,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("more", "sent", "expected"),
    [
        ({}, 0, True),
        ({"tools": {}}, 0, True),
        ({"tools": dict.fromkeys(LOOKING, 1)}, 0, True),
        ({"tools": {"Read": 1, "Bash": 1}}, 0, False),
        ({"tools": {"mcp__hive__reply": 1}}, 0, False),
        ({"tools": {"mcp__hive__set_status": 1}}, 0, False),
        ({}, 1, False),
        ({}, None, False),
        ({"model": None}, 0, False),
        ({"messages": ()}, 0, False),
        ({"outcome": TurnOutcome.FAILED}, 0, False),
        ({"outcome": TurnOutcome.DEFERRED}, 0, False),
        ({"wake": "question"}, 0, True),
        ({"wake": "operator"}, 0, True),
        ({"wake": "broadcast"}, 0, False),
        ({"wake": "event"}, 0, False),
        ({"wake": "reminder"}, 0, False),
        ({"wake": "compaction"}, 0, False),
    ],
)
def test_a_turn_without_an_outcome(more: dict[str, Any], sent: int | None, expected: bool) -> None:
    assert has_no_outcome(turn(**more), sent) is expected
    assert {"message", "question", "operator"} == EXPECTING


@pytest.mark.parametrize(
    ("fields", "position", "expected"),
    [
        ({}, 0, False),
        ({}, 1, True),
        ({"session": "s"}, 0, True),
        ({"account": "a"}, 0, True),
        ({"model": "m"}, 0, False),
    ],
)
def test_which_harnesses_report_events(
    fields: dict[str, str], position: int, expected: bool
) -> None:
    assert reports_events(Activity(ActivityState.WORKING, 1.0, **fields), position) is expected


@pytest.mark.parametrize(
    ("state", "events", "counted_from", "expected"),
    [
        (ActivityState.WORKING, (3, 20.0), 0.0, 20.0),
        (ActivityState.WORKING, (3, 5.0), 0.0, 10.0),
        (ActivityState.WORKING, (3, 20.0), 30.0, 30.0),
        (ActivityState.WORKING, (0, 0.0), 0.0, NEVER),
        (ActivityState.IDLE, (3, 5.0), 0.0, NEVER),
        (ActivityState.COMPACTING, (3, 5.0), 0.0, NEVER),
        (None, (3, 5.0), 0.0, NEVER),
    ],
)
def test_since_when_a_turn_is_quiet(
    state: ActivityState | None, events: tuple[int, float], counted_from: float, expected: float
) -> None:
    activity = None if state is None else Activity(state, 10.0)
    assert quiet_since(activity, events, counted_from) == expected


# The watch


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = attrs.evolve(swarm("alice", "bob"), limits=Limits(stalled_after=AFTER))
    async with site.simulated(ScriptedRuntime(), config) as opened:
        for name in ("alice", "bob"):
            await opened.until_state(name, "running")
        yield opened


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", role="harness", driver="claude")
        yield line


def now() -> float:
    return 1_700_000_000.0 + asyncio.get_running_loop().time()


async def work(line: Line, **more: Any) -> float:
    """Begin a turn; return its start."""
    began = now()
    await line.ok("report", state="working", since=began, session="s", **more)
    return began


async def end_turn(line: Line, began: float, **more: Any) -> None:
    record = {"wake": "message", "outcome": "done", "messages": [1], "model": "m", **more}
    await line.ok("report", state="idle", since=now(), session="s")
    await line.ok("turn", started_at=began, ended_at=now(), **record)
    await settle()


async def row(hive: Hive) -> StatusRow:
    await settle()
    return await hive.status("alice")


async def changes(hive: Hive) -> list[tuple[str, str]]:
    """Return the events about verdicts, each with the verdict."""
    await settle()
    events = await hive.parts.events.recent(1000)
    return [(e.event, e.detail["verdict"]) for e in events if e.event.startswith("verdict")]


@pytest.mark.sim
async def test_a_turn_without_an_event_stalls_and_the_next_event_ends_that(
    hive: Hive, alice: Line
) -> None:
    began = await work(alice)
    await advance(AFTER - 1)
    await alice.ok("live", kind="tool", text="Bash make")
    await advance(AFTER - 1)
    assert (await row(hive)).verdict is None
    await advance(2)
    stalled = await row(hive)
    assert (stalled.verdict, stalled.verdict_source) == ("stalled", "the events of the turn")
    assert stalled.turn_since is not None
    assert stalled.verdict_since is not None
    assert stalled.verdict_since > stalled.turn_since
    assert await changes(hive) == [("verdict", "stalled")]
    await alice.ok("live", kind="tool_result", text="made")
    assert (await row(hive)).verdict is None
    assert (await changes(hive))[1:] == [("verdict_ended", "stalled")]
    await advance(AFTER + 1)
    assert (await row(hive)).verdict == "stalled"
    await end_turn(alice, began, tools={"Bash": 1})
    assert (await row(hive)).verdict is None
    await advance(10 * AFTER)
    assert len(await changes(hive)) == 4, "nobody works"


@pytest.mark.sim
async def test_a_turn_of_a_harness_without_events_never_stalls(hive: Hive, alice: Line) -> None:
    await alice.ok("report", state="working", since=now())
    await advance(100 * AFTER)
    assert (await row(hive)).verdict is None


@pytest.mark.sim
async def test_the_time_that_an_agent_is_frozen_does_not_count(hive: Hive, alice: Line) -> None:
    await work(alice)
    await advance(AFTER - 10)
    agent = hive.parts.registry.agent("alice")
    await hive.parts.freezes.estop([agent])
    await advance(10 * AFTER)
    assert (await row(hive)).verdict is None
    await hive.parts.freezes.thaw([agent])
    await advance(AFTER - 10)
    assert (await row(hive)).verdict is None
    await advance(20)
    assert (await row(hive)).verdict == "stalled"


@pytest.mark.sim
async def test_a_harness_that_is_gone_is_not_stalled(hive: Hive, alice: Line) -> None:
    await work(alice)
    await advance(AFTER + 1)
    assert (await row(hive)).verdict == "stalled"
    await alice.close()
    assert (await row(hive)).verdict is None
    assert await changes(hive) == [("verdict", "stalled"), ("verdict_ended", "stalled")]


@pytest.mark.sim
async def test_a_turn_that_sends_nothing_has_no_outcome_until_one_does(
    hive: Hive, alice: Line
) -> None:
    for _ in range(2):
        began = await work(alice)
        await advance(5)
        await end_turn(alice, began)
        await advance(60)
    idle = await row(hive)
    assert (idle.verdict, idle.verdict_source) == ("no_outcome", "the record of the turn")
    assert await changes(hive) == [("verdict", "no_outcome")], "once for several turns"
    began = await work(alice)
    await alice.ok("send", to="bob", body="done")
    await end_turn(alice, began)
    assert (await row(hive)).verdict is None
    assert (await changes(hive))[1:] == [("verdict_ended", "no_outcome")]


@pytest.mark.sim
@pytest.mark.parametrize(("sends", "expected"), [(True, None), (False, "no_outcome")])
async def test_what_was_sent_counts_for_its_turn_although_the_next_has_begun(
    hive: Hive, alice: Line, sends: bool, expected: str | None
) -> None:
    began = await work(alice)
    if sends:
        await alice.ok("send", to="bob", body="done")
    await advance(5)
    await work(alice, about="the next")
    record = {"wake": "message", "outcome": "done", "messages": [1], "model": "m"}
    await alice.ok("turn", started_at=began, ended_at=now(), **record)
    assert (await row(hive)).verdict == expected


@pytest.mark.sim
async def test_three_logins_without_a_turn_are_a_loop(hive: Hive, alice: Line) -> None:
    for number in range(3):
        assert (await row(hive)).verdict is None, number
        await alice.ok("report", state="needs_login", since=now(), account="a")
        await advance(60)
        await alice.ok("report", state="idle", since=now(), account="a")
    assert (await row(hive)).verdict == "login_loop"
    began = await work(alice, account="a")
    await end_turn(alice, began, tools={"Edit": 1})
    assert (await row(hive)).verdict is None
    assert await changes(hive) == [("verdict", "login_loop"), ("verdict_ended", "login_loop")]


@pytest.mark.sim
async def test_restarts_that_need_a_login_are_a_loop_and_another_account_ends_it(
    hive: Hive,
) -> None:
    for account in ("a", "a", "a", "b"):
        async with connected(hive.paths.agent_socket("alice")) as line:
            await line.ok("hello", role="harness")
            await line.ok("report", state="needs_login", since=now(), account=account)
            await settle()
            found = (await row(hive)).verdict
        await settle()
    assert found is None
    assert await changes(hive) == [("verdict", "login_loop"), ("verdict_ended", "login_loop")]


@pytest.mark.sim
async def test_off_is_never_and_a_reload_changes_it(site: Site) -> None:
    config = attrs.evolve(swarm("alice"), limits=Limits(stalled_after=None))
    async with (
        site.simulated(ScriptedRuntime(), config) as hive,
        connected(hive.paths.agent_socket("alice")) as line,
    ):
        await line.ok("hello", role="harness")
        await work(line)
        await advance(10_000)
        assert (await row(hive)).verdict is None
