"""What a harness tells and hears, between Python and the wire."""

from __future__ import annotations

import msgspec
import pytest

from hive.client.agent import OpenItems, Sent, orders_of
from hive.errors import FailedError
from hive.wire.agent import AgentRequest
from hive.wire.codec import RequestDecoder
from hive.wire.enums import ActivityState, OrderKind, TurnOutcome
from hive.wire.harness import Activity, Order, TurnRecord
from hive.wire.rows import QuestionRow, ReminderRow


def test_an_activity_is_a_report_on_the_wire() -> None:
    activity = Activity(ActivityState.LIMITED, 1.0, "5 hours used up", 2.0, "opus", "s1", "acme")
    assert RequestDecoder(AgentRequest).decode(msgspec.json.encode(activity)) == activity
    assert msgspec.to_builtins(activity)["cmd"] == "report"


def test_a_turn_is_a_turn_on_the_wire() -> None:
    record = TurnRecord(
        1.0, 2.0, "message", TurnOutcome.DONE, "opus", (7,), 1, 2, 3, 4, 0.5, {"send": 1}, "fine"
    )
    assert RequestDecoder(AgentRequest).decode(msgspec.json.encode(record)) == record
    assert msgspec.to_builtins(record)["cmd"] == "turn"


def test_an_order_of_a_kind_that_is_not_known_is_left_out() -> None:
    rows = [
        {"seq": 1, "order": "pause"},
        {"seq": 2, "order": "dance"},
        {"seq": 3, "order": "limited", "until": 5.0, "at": 6.0, "reason": "used up", "new": 1},
    ]
    assert orders_of(rows) == (
        Order(1, OrderKind.PAUSE),
        Order(3, OrderKind.LIMITED, 5.0, 6.0, "used up"),
    )


def test_loose_ends_are_typed_and_what_is_not_known_is_left_out() -> None:
    question = {
        "id": 5,
        "asker": "alice",
        "to": "bob",
        "question": "go?",
        "options": ["yes"],
        "multi": True,
        "state": "open",
        "asked_at": "2026-01-01T00:00:00Z",
        "age_seconds": 2.0,
        "on_expiry": "deny",
        "mood": "good",
    }
    reminder = {"id": 6, "message": "x", "set_at": "s", "age_seconds": 1.0, "due_at": "d"}
    found = OpenItems.of(
        {"questions_asked": [question], "questions_to_answer": [], "reminders": [reminder]}
    )
    assert found == OpenItems(
        (
            QuestionRow(
                id=5,
                asker="alice",
                to="bob",
                question="go?",
                options=["yes"],
                multi=True,
                state="open",
                asked_at="2026-01-01T00:00:00Z",
                age_seconds=2.0,
                on_expiry="deny",
            ),
        ),
        (),
        (ReminderRow(id=6, message="x", set_at="s", age_seconds=1.0, due_at="d"),),
    )


def test_a_send_says_who_got_it_and_who_did_not() -> None:
    answer = {"version": 1, "ok": True, "recipients": ["bob"], "req": 7}
    assert Sent.of(answer) == Sent(recipients=("bob",))
    skipped = [{"name": "eve", "reason": "the inbox is full"}]
    assert Sent.of({**answer, "id": 5, "skipped": skipped}) == Sent(5, ("bob",), ("eve",))


def test_what_is_no_answer_of_a_hive_is_refused_in_a_sentence() -> None:
    with pytest.raises(FailedError, match="not an answer of hive-c0re: 'seq' is missing"):
        orders_of([{"order": "pause"}])
    with pytest.raises(FailedError, match="'id' is text, it takes a whole number"):
        Sent.of({"id": "seven"})
