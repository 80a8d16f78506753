"""The items that need the operator, from facts: pure."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.attention.items import (
    OF_A_KIND_MAX,
    TEXT_MAX,
    AttentionFacts,
    attention_items,
    cause_of,
)
from hive.clock import rfc3339
from hive.store import Kind, Message, MessageKind
from hive.store.approvals import Approval, ApprovalKind
from hive.store.attention_marks import Mark
from hive.store.questions import Question, QuestionState
from hive.wire.attention import AttentionKind, AttentionRow
from hive.wire.enums import OnExpiry
from hive.wire.rows import StatusRow

NOW = 1_000_000.0


def question(number: int = 12, **changes: Any) -> Question:
    values = {
        "asker": "alice",
        "target": "operator",
        "text": "deploy?",
        "options": ("yes", "no"),
        "multi": False,
        "on_expiry": OnExpiry.DENY,
        "asked_at": NOW - 60,
        **changes,
    }
    return Question(number, **values)


def approval(number: int = 3, **changes: Any) -> Approval:
    plain = Approval(
        kind=ApprovalKind.APPLY_COMMIT,
        name="alice",
        requested_by="hm1nd",
        requested_at=NOW - 50,
        id=number,
        sha="1a2b3c4d5e",
        description="more memory",
    )
    return attrs.evolve(plain, **changes)


def message(number: int = 31, **changes: Any) -> Message:
    values = {
        "inbox": "operator",
        "sender": "bob",
        "sender_kind": Kind.AGENT,
        "kind": MessageKind.MESSAGE,
        "size": 5,
        "sent_at": NOW - 40,
        "body": "hello\nyou",
        **changes,
    }
    return Message(number, **values)


def notice(event: str, **detail: Any) -> Message:
    body = json.dumps({"event": event, **detail})
    return message(sender="system", sender_kind=Kind.SYSTEM, kind=MessageKind.EVENT, body=body)


def row(name: str = "alice", **changes: Any) -> StatusRow:
    values = {
        "running": False,
        "failed": False,
        "needs_update": False,
        "needs_login": False,
        "kind": "agent",
        "state": "failed",
        **changes,
    }
    return StatusRow(name=name, **values)


def unmarked(key: str, since: str | None) -> Mark:
    return Mark(key, since)


def items(*marks: Mark, **facts: Any) -> list[AttentionRow]:
    known = {(mark.key, mark.since): mark for mark in marks}
    found = AttentionFacts(**facts)
    return attention_items(found, lambda key, since: known.get((key, since), Mark(key, since)), NOW)


def test_a_question_says_who_waits_what_can_be_answered_and_what_happens_otherwise() -> None:
    [item] = items(questions=[question(expires_at=NOW + 60, multi=True)])
    assert item == AttentionRow(
        id="question-12",
        kind=AttentionKind.QUESTION,
        name="alice",
        number=12,
        text="alice asks: deploy?",
        since=rfc3339(NOW - 60),
        options=["yes", "no"],
        multi=True,
        blocks=["alice"],
        expires_at=rfc3339(NOW + 60),
        on_expiry="deny",
    )


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (QuestionState.OPEN, []),
        (QuestionState.HELD, ["alice asks bob, who did not answer: deploy?"]),
        (QuestionState.ESCALATED, ["alice asks bob, who did not answer: deploy?"]),
    ],
)
def test_a_question_to_another_needs_the_operator_once_it_is_late(
    state: QuestionState, shown: list[str]
) -> None:
    found = items(questions=[question(target="bob", state=state, expires_at=NOW - 1)])
    assert [each.text for each in found] == shown
    assert all(each.expires_at is None for each in found)


def test_an_approval_says_what_is_asked_for_and_who_waits() -> None:
    one, two = items(
        approvals=[
            approval(expires_at=NOW + 9, on_expiry=OnExpiry.HOLD),
            approval(4, kind=ApprovalKind.UPDATE_INPUTS, name="*", requested_by="operator"),
        ]
    )
    assert one.text == "hm1nd asks to apply commit 1a2b3c4 to alice: more memory"
    assert (one.id, one.name, one.number, one.blocks) == ("approval-3", "alice", 3, ["hm1nd"])
    assert (one.expires_at, one.on_expiry) == (rfc3339(NOW + 9), "hold")
    assert (two.name, two.blocks, two.on_expiry) == (None, [], None)


def test_every_kind_of_approval_has_words() -> None:
    found = items(approvals=[approval(each, kind=kind) for each, kind in enumerate(ApprovalKind)])
    assert all("alice" in item.text and "{" not in item.text for item in found)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"reason": "exited with status 4"}, "exited with status 4"),
        ({"reason": "exited with status 4", "cause": "boom: no such key"}, "boom: no such key"),
        ({}, "for an unknown reason"),
    ],
)
def test_the_cause_of_a_failure_is_in_words(fields: dict[str, Any], cause: str) -> None:
    assert cause_of(row(failed=True, **fields)) == cause


def test_a_failure_began_when_the_agent_was_parked() -> None:
    at = rfc3339(NOW - 5)
    [item] = items(participants=[row(failed=True, since="earlier")], failed_at={"alice": at})
    assert (item.id, item.kind, item.since) == ("failed-alice", "failure", at)
    [item] = items(participants=[row(failed=True, since=None, last_end_at=at)])
    assert item.since == at


def test_a_login_a_dead_letter_and_mail_are_items_with_their_projects() -> None:
    found = items(
        participants=[row(needs_login=True, activity_about="claude in /home/a")],
        dead_letters=[message(17, inbox="alice", ended_at=NOW - 3, reason="3 attempts")],
        mail=[message()],
        projects={"alice": "parser"},
    )
    assert [(each.id, each.text, each.project) for each in found] == [
        ("login-alice", "alice needs a login: claude in /home/a", "parser"),
        ("dead-17", "message from bob to alice was given up: 3 attempts", "parser"),
        ("mail-31", "bob: hello you", None),
    ]


@pytest.mark.parametrize(
    "event", ["failed", "needs_login", "approval_requested", "approval_held", "question_held"]
)
def test_mail_about_what_is_an_item_itself_is_none(event: str) -> None:
    assert items(mail=[notice(event, agent="alice", last_lines=["x" * 2000])]) == []
    assert items(mail=[message(kind=MessageKind.QUESTION)]) == []


def test_other_notices_are_shown_in_words_also_if_they_are_cut() -> None:
    whole = notice("approval_resolved", agent="alice", error="no such branch")
    assert [each.text for each in items(mail=[whole])] == [
        "system: approval resolved alice: no such branch"
    ]
    whole.body = (whole.body or "")[:-3]
    assert [each.text for each in items(mail=[whole])] == ["system: approval resolved"]
    broken = notice("x")
    broken.body = "[1"
    assert [each.text for each in items(mail=[broken])] == ["system: [1"]


def test_a_participant_cannot_pass_for_the_hive_by_what_it_writes() -> None:
    body = '{"event": "failed", "agent": "bob"}'
    assert [each.text for each in items(mail=[message(body=body)])] == [f"bob: {body}"]


def test_a_verdict_is_an_item_with_its_source_where_a_row_has_one() -> None:
    judged = row(verdict="stalled", verdict_since="t", verdict_source="the harness")
    [item] = items(participants=[judged, row()])
    assert (item.id, item.kind, item.since) == ("verdict-alice", "verdict", "t")
    assert item.text == (
        "alice is in a turn, and nothing has come from it for long (from the harness)"
    )


def test_texts_are_one_line_and_bounded() -> None:
    long = "a\n\tb " * 1000
    found = items(questions=[question(text=long)], mail=[message(body=long)])
    assert [len(each.text) for each in found] == [TEXT_MAX, TEXT_MAX]
    assert not any("\n" in each.text for each in found)


def test_of_each_kind_so_many_are_shown_of_questions_the_oldest() -> None:
    many = OF_A_KIND_MAX + 5
    found = items(
        questions=[question(each) for each in range(1, many)],
        approvals=[approval(each) for each in range(1, many)],
        mail=[message(each) for each in range(1, many)],
    )
    by_kind = {kind: [each.number for each in found if each.kind == kind] for kind in AttentionKind}
    assert by_kind[AttentionKind.QUESTION] == list(range(1, OF_A_KIND_MAX + 1))
    assert by_kind[AttentionKind.APPROVAL] == list(range(1, OF_A_KIND_MAX + 1))
    assert by_kind[AttentionKind.MAIL] == list(range(many - OF_A_KIND_MAX, many))


FACTS: dict[str, Any] = {
    "questions": [question(12), question(13, asked_at=NOW - 99, asker="bob")],
    "approvals": [approval()],
    "participants": [row(failed=True, needs_login=True), row("bob", failed=True)],
    "failed_at": {"alice": rfc3339(NOW - 1), "bob": rfc3339(NOW - 2)},
    "dead_letters": [message(17, inbox="eve", ended_at=NOW)],
    "mail": [message(31, sender="eve")],
}


def test_the_order_is_by_kind_and_oldest_first() -> None:
    assert [each.id for each in items(**FACTS)] == [
        "question-13",
        "question-12",
        "approval-3",
        "login-alice",
        "failed-bob",
        "failed-alice",
        "dead-17",
        "mail-31",
    ]


def test_pinned_items_are_first_snoozed_and_archived_ones_last() -> None:
    found = items(
        Mark("mail-31", rfc3339(NOW - 40), pinned=True),
        Mark("alice", pinned=True),
        Mark("question-13", rfc3339(NOW - 99), archived=True),
        Mark("failed-alice", rfc3339(NOW - 1), snoozed_until=NOW + 60),
        **FACTS,
    )
    assert [each.id for each in found] == [
        "question-12",
        "approval-3",
        "login-alice",
        "mail-31",
        "failed-bob",
        "dead-17",
        "failed-alice",
        "question-13",
    ]
    snoozed, archived = found[-2:]
    assert (snoozed.pinned, snoozed.snoozed_until) == (True, rfc3339(NOW + 60))
    assert (archived.archived, archived.is_waiting) == (True, False)


def test_a_mark_of_an_item_holds_for_its_present_occurrence_only() -> None:
    old = Mark("failed-alice", rfc3339(NOW - 500), archived=True)
    assert all(each.is_waiting for each in items(old, **FACTS))


def test_a_snooze_ends_at_its_time_and_the_longer_one_counts() -> None:
    one = Mark("mail-31", rfc3339(NOW - 40), snoozed_until=NOW + 5)
    [item] = items(one, Mark("eve", snoozed_until=NOW + 9), mail=[message(31, sender="eve")])
    assert item.snoozed_until == rfc3339(NOW + 9)
    [item] = items(attrs.evolve(one, snoozed_until=NOW), mail=[message(31, sender="eve")])
    assert item.is_waiting


@given(st.data())
def test_whatever_is_marked_all_items_are_there_and_those_that_wait_come_first(
    data: st.DataObject,
) -> None:
    plain = items(**FACTS)
    keys = [(each.id, each.since) for each in plain] + [("alice", None), ("bob", None)]
    marks = [
        Mark(
            key,
            since,
            pinned=data.draw(st.booleans()),
            archived=data.draw(st.booleans()),
            snoozed_until=data.draw(st.sampled_from([None, NOW - 1, NOW, NOW + 1])),
        )
        for key, since in data.draw(st.lists(st.sampled_from(keys), unique=True))
    ]
    found = items(*marks, **FACTS)
    assert sorted(each.id for each in found) == sorted(each.id for each in plain)
    waiting = [each.is_waiting for each in found]
    assert waiting == sorted(waiting, reverse=True)
    pins = [each.pinned for each in found if each.is_waiting]
    assert pins == sorted(pins, reverse=True)
