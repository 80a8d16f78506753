"""What a harness tells and hears, between Python and the wire."""

from __future__ import annotations

import msgspec

from hive.client.loose_ends import LooseEnds, Question, Reminder
from hive.client.values import orders_of
from hive.wire.agent import AgentRequest
from hive.wire.codec import RequestDecoder
from hive.wire.harness import Activity, TurnRecord
from hive.wire.rows import Order
from hive.wire.words import ActivityState, OrderKind, TurnOutcome


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
    found = LooseEnds.of(
        {"questions_asked": [question], "questions_to_answer": [], "reminders": [reminder]}
    )
    assert found.asked == (
        Question(
            5,
            "alice",
            "bob",
            "go?",
            "open",
            "2026-01-01T00:00:00Z",
            2.0,
            "deny",
            ("yes",),
            multi=True,
        ),
    )
    assert found.reminders == (Reminder(6, "x", "s", 1.0, "d"),)
