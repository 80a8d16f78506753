"""Orders until they are heard, and live events for those who watch."""

from __future__ import annotations

import itertools

from hive.participants.harness import HarnessConnection, OrderQueue
from hive.participants.participant import Agent
from hive.participants.turn_feed import KEPT_CHARACTERS, KEPT_EVENTS, TurnEvent, TurnFeed
from hive.store import Kind, ParticipantRecord
from hive.wire.enums import ActivityState, LiveKind, OrderKind
from hive.wire.harness import Activity


def test_an_order_is_told_until_it_was_heard() -> None:
    orders = OrderQueue(itertools.count(10))
    assert orders.behind(0) == ()
    pause = orders.give(OrderKind.PAUSE)
    limited = orders.give(OrderKind.LIMITED, until=5.0, at=6.0, reason="used up")
    assert [order.seq for order in orders.behind(0)] == [10, 11]
    assert orders.behind(pause.seq) == (limited,)
    assert orders.behind(0) == (limited,), "what was heard is not told again"
    assert orders.behind(11) == ()


def test_whoever_waits_is_rung_for_and_only_then() -> None:
    orders, rung = OrderQueue(itertools.count(1)), []
    orders.give(OrderKind.PAUSE)
    orders.ring_with(lambda: rung.append(len(orders.behind(0))))
    orders.give(OrderKind.RESUME)
    orders.ring_with(None)
    orders.give(OrderKind.PAUSE)
    assert rung == [2], "the order is there when the bell rings"


def test_two_connections_share_numbers() -> None:
    numbers = itertools.count(1)
    one, other = OrderQueue(numbers), OrderQueue(numbers)
    assert [each.give(OrderKind.PAUSE).seq for each in (one, other, one)] == [1, 2, 3]


def test_the_one_that_reported_last_speaks_for_its_agent() -> None:
    participant = Agent(ParticipantRecord("alice", Kind.AGENT))
    assert participant.reporter is None
    first, second, silent = (HarnessConnection(OrderQueue(itertools.count())) for _ in range(3))
    participant.harnesses += [first, second, silent]
    assert participant.reporter is None
    first.activity = second.activity = Activity(ActivityState.IDLE, 0.0)
    first.reported_at, second.reported_at = 20.0, 10.0
    assert participant.reporter is first
    participant.harnesses.remove(first)
    assert participant.reporter is second


def test_only_the_latest_restart_is_told() -> None:
    participant = Agent(ParticipantRecord("alice", Kind.AGENT))
    participant.note_restart(10.0, "killed")
    participant.note_restart(5.0, "older")
    assert participant.restarted is not None
    assert participant.restarted.reason == "killed"
    participant.note_restart(20.0, "killed again")
    assert participant.restarted.reason == "killed again"


def event(text: str) -> TurnEvent:
    return TurnEvent(0.0, LiveKind.TEXT, text)


def test_what_is_kept_of_live_events_is_bounded_in_number_and_in_size() -> None:
    feed = TurnFeed()
    for number in range(KEPT_EVENTS + 5):
        feed.add(event(str(number)))
    kept = [each.text for each in feed.newest(KEPT_EVENTS + 5)]
    assert (len(kept), kept[0]) == (KEPT_EVENTS, "5")
    feed.add(event("x" * (KEPT_CHARACTERS - 10)))
    assert sum(len(each.text) for each in feed.newest(KEPT_EVENTS)) <= KEPT_CHARACTERS
    assert feed.newest(0) == []
    assert [each.text[:1] for each in feed.newest(1)] == ["x"]


def test_who_watches_is_told_until_it_stops() -> None:
    feed, seen = TurnFeed(), []
    stop = feed.watch(lambda each: seen.append(each.text))
    feed.add(event("one"))
    stop()
    feed.add(event("two"))
    assert seen == ["one"]
