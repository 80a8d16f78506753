"""Orders until they are acknowledged, and live events for watchers."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hive.participants.harness_connection import HarnessConnection, OrderQueue
from hive.participants.participant import Agent
from hive.participants.turn_feed import MAX_CHARACTERS, MAX_EVENTS, TurnEvent, TurnFeed
from hive.store import Kind, ParticipantRecord
from hive.wire.enums import ActivityState, LiveKind, OrderKind
from hive.wire.harness import Activity


def test_an_order_is_pending_until_it_is_acknowledged() -> None:
    orders = OrderQueue(itertools.count(10))
    assert orders.pending_after(0) == ()
    pause = orders.add(OrderKind.PAUSE)
    limited = orders.add(OrderKind.LIMITED, until=5.0, at=6.0, reason="used up")
    assert [order.seq for order in orders.pending_after(0)] == [10, 11]
    assert orders.pending_after(pause.seq) == (limited,)
    assert orders.pending_after(0) == (limited,), "an acknowledged order does not return"
    assert orders.pending_after(11) == ()


def test_the_listener_is_called_for_each_order_while_it_is_set() -> None:
    orders, called = OrderQueue(itertools.count(1)), []
    orders.add(OrderKind.PAUSE)
    orders.set_listener(lambda: called.append(len(orders.pending_after(0))))
    orders.add(OrderKind.RESUME)
    orders.set_listener(None)
    orders.add(OrderKind.PAUSE)
    assert called == [2], "the order is in the queue when the listener is called"


def test_two_connections_share_numbers() -> None:
    numbers = itertools.count(1)
    one, other = OrderQueue(numbers), OrderQueue(numbers)
    assert [each.add(OrderKind.PAUSE).seq for each in (one, other, one)] == [1, 2, 3]


def test_the_harness_that_reported_last_is_the_reporter() -> None:
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


def test_only_the_latest_restart_is_reported() -> None:
    participant = Agent(ParticipantRecord("alice", Kind.AGENT))
    participant.record_restart(10.0, "killed")
    participant.record_restart(5.0, "older")
    assert participant.restart_notice is not None
    assert participant.restart_notice.reason == "killed"
    participant.record_restart(20.0, "killed again")
    assert participant.restart_notice.reason == "killed again"


def event(text: str) -> TurnEvent:
    return TurnEvent(0.0, LiveKind.TEXT, text)


def test_a_turn_feed_is_bounded_in_number_and_in_size() -> None:
    feed = TurnFeed()
    for number in range(MAX_EVENTS + 5):
        feed.add(event(str(number)))
    kept = feed.after(0)
    assert (len(kept.events), kept.events[0].text, kept.skipped) == (MAX_EVENTS, "5", 5)
    feed.add(event("x" * (MAX_CHARACTERS - 10)))
    assert sum(len(each.text) for each in feed.after(0).events) <= MAX_CHARACTERS
    assert feed.after(feed.before_newest(0)).events == []
    assert [each.text[:1] for each in feed.after(feed.before_newest(1)).events] == ["x"]


@given(st.lists(st.one_of(st.just("read"), st.integers(0, MAX_CHARACTERS + 1)), max_size=50))
def test_a_watcher_gets_each_event_once_or_learns_that_it_was_skipped(script: list[Any]) -> None:
    feed, position, added = TurnFeed(), 0, 0
    for step in script:
        if step != "read":
            feed.add(event(f"{added}:".ljust(step, "x")))
            added += 1
            continue
        events, skipped, after = feed.after(position)
        numbers = [int(each.text.partition(":")[0]) for each in events]
        assert numbers == [*range(position + skipped, added)]
        position = after
        assert position == added


def test_a_watcher_is_called_until_it_unsubscribes() -> None:
    feed, seen = TurnFeed(), []
    stop = feed.watch(lambda: seen.append(feed.after(feed.position - 1).events[0].text))
    feed.add(event("one"))
    stop()
    feed.add(event("two"))
    assert seen == ["one"]
