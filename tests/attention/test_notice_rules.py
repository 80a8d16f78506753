"""Which notice is due, and what its program gets: pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.attention.notice_rules import (
    LINES_MAX,
    REST_SECONDS,
    RETRY_MAX,
    RETRY_SECONDS,
    NoticeClass,
    NoticePace,
    done_batch,
    plan_notices,
)
from hive.config.model import QuietHours
from hive.wire.attention import AttentionKind, AttentionRow

ALL = tuple(NoticeClass)


def item(key: str, kind: AttentionKind = AttentionKind.MAIL, **fields: object) -> AttentionRow:
    values = {"text": f"about {key}", "since": "t1", **fields}
    return AttentionRow(id=key, kind=kind, **values)  # type: ignore[arg-type]


def since(row: AttentionRow) -> str:
    return row.since or ""


def test_what_was_not_notified_is_due_by_class() -> None:
    rows = [item("mail-1"), item("mail-2"), item("failed-alice", AttentionKind.FAILURE)]
    plan = plan_notices(rows, since, {"mail-1": "t1", "mail-9": "t1"}, ALL)
    found = {key: [each["id"] for each in batch.facts] for key, batch in plan.batches.items()}
    assert found == {
        NoticeClass.NEEDS_YOU: ["mail-2"],
        NoticeClass.FAILED: ["failed-alice"],
    }
    assert plan.batches[NoticeClass.FAILED].occurrences == {"failed-alice": "t1"}
    assert plan.gone == ("mail-9",)


def test_a_login_that_comes_with_a_harness_again_is_not_due_again() -> None:
    notified = {"login-alice": "t1", "verdict-alice": "t1"}
    assert plan_notices([], since, notified, ALL).gone == ()
    again = [item("login-alice", AttentionKind.LOGIN)]
    assert not plan_notices(again, since, notified, ALL).batches


def test_what_is_hidden_by_too_many_of_its_kind_is_not_due_again() -> None:
    notified = {"mail-1": "t1", "mail-2": "t1"}
    assert plan_notices([], since, notified, ALL, {"mail-1"}).gone == ("mail-2",)


def test_what_begins_again_is_due_again() -> None:
    rows = [item("failed-alice", AttentionKind.FAILURE, since="t2")]
    assert plan_notices(rows, since, {"failed-alice": "t1"}, ALL).batches
    assert not plan_notices(rows, since, {"failed-alice": "t2"}, ALL).batches


@pytest.mark.parametrize("fields", [{"archived": True}, {"snoozed_until": "later"}])
def test_what_is_out_of_sight_is_not_due_and_not_gone(fields: dict[str, object]) -> None:
    plan = plan_notices([item("mail-1", **fields)], since, {}, ALL)
    assert (dict(plan.batches), plan.gone) == ({}, ())
    assert plan_notices([item("mail-1", **fields)], since, {"mail-1": "t1"}, ALL).gone == ()


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ((), []),
        ((NoticeClass.DONE,), []),
        ((NoticeClass.NEEDS_YOU,), [NoticeClass.NEEDS_YOU]),
        ((NoticeClass.FAILED,), [NoticeClass.FAILED]),
        (ALL, [NoticeClass.FAILED]),
    ],
)
def test_without_a_program_for_failures_the_other_one_gets_them(
    programs: tuple[NoticeClass, ...], found: list[NoticeClass]
) -> None:
    rows = [item("failed-alice", AttentionKind.FAILURE)]
    assert list(plan_notices(rows, since, {}, programs).batches) == found


def test_a_program_gets_the_facts_as_text_as_markup_and_as_json() -> None:
    rows = [
        item(
            "question-12", AttentionKind.QUESTION, text="alice asks: a<b & \x1b[31m?", options=["y"]
        )
    ]
    batch = plan_notices(rows, since, {}, ALL).batches[NoticeClass.NEEDS_YOU]
    assert batch.variables("box") == {
        "HIVE_NOTICE_CLASS": "needs_you",
        "HIVE_NOTICE_COUNT": "1",
        "HIVE_NOTICE_HOST": "box",
        "HIVE_NOTICE_TITLE": "1 thing needs you",
        "HIVE_NOTICE_TEXT": "alice asks: a<b & \\x1b[31m?",
        "HIVE_NOTICE_HTML": "alice asks: a&lt;b &amp; \\x1b[31m?",
        "HIVE_NOTICE_IDS": "question-12",
    }
    document = batch.document("box")
    assert document.isascii()
    assert document.count(b"\n") == 1
    found = json.loads(document)
    assert found["items"][0]["text"] == "alice asks: a<b & \x1b[31m?"
    assert (found["class"], found["items"][0]["options"]) == ("needs_you", ["y"])


def test_a_text_has_so_many_lines_and_counts_the_others() -> None:
    rows = [item(f"mail-{number}") for number in range(LINES_MAX + 3)]
    batch = plan_notices(rows, since, {}, ALL).batches[NoticeClass.NEEDS_YOU]
    assert batch.title == f"{LINES_MAX + 3} things need you"
    assert batch.text.splitlines()[LINES_MAX:] == ["and 3 more"]
    assert len(batch.variables("box")["HIVE_NOTICE_IDS"].split()) == LINES_MAX


@given(st.text())
def test_no_text_can_break_the_environment(text: str) -> None:
    rows = [item("mail-1", text=text)]
    batch = plan_notices(rows, since, {}, ALL).batches[NoticeClass.NEEDS_YOU]
    for value in batch.variables("box").values():
        assert value.isprintable() or not set(value) & set("\0\n\r\x1b")
        value.encode()


def test_agents_that_are_done_are_named() -> None:
    batch = done_batch(["alice", "bob"], "t")
    assert (batch.title, batch.text) == (
        "2 agents are done",
        "alice has finished its work\nbob has finished its work",
    )
    assert batch.occurrences == {}


def test_a_program_rests_after_its_end_and_longer_after_failures() -> None:
    pace = NoticePace(is_running=True)
    pace.end(100.0, ok=True)
    assert (pace.is_running, pace.not_before) == (False, 100 + REST_SECONDS)
    waits = []
    for _ in range(9):
        pace.end(0.0, ok=False)
        waits.append(pace.not_before)
    assert waits[:3] == [RETRY_SECONDS, 2 * RETRY_SECONDS, 4 * RETRY_SECONDS]
    assert waits[-1] == RETRY_MAX
    pace.end(0.0, ok=True)
    pace.end(0.0, ok=False)
    assert pace.not_before == RETRY_SECONDS


@pytest.mark.parametrize(
    ("hours", "minute", "left"),
    [
        ((22 * 60, 7 * 60), 22 * 60, 9 * 60),
        ((22 * 60, 7 * 60), 6 * 60 + 59, 1),
        ((22 * 60, 7 * 60), 7 * 60, 0),
        ((22 * 60, 7 * 60), 21 * 60 + 59, 0),
        ((13 * 60, 14 * 60), 13 * 60 + 15, 45),
        ((13 * 60, 14 * 60), 0, 0),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: tuple[int, int], minute: int, left: int) -> None:
    assert QuietHours(*hours).minutes_left(minute) == left


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_quiet_hours_end_where_they_say(start: int, end: int, minute: int) -> None:
    quiet = QuietHours(start, end)
    left = quiet.minutes_left(minute)
    assert 0 <= left <= (end - start) % 1440
    if left:
        assert (minute + left) % 1440 == end
