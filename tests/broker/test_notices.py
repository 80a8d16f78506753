"""Notices of the daemon: coalesced, limited, and reported when an inbox cannot take them."""

import json

import pytest

from hive.broker.notices import NOTICE_SECONDS
from hive.broker.values import Post, event
from hive.config import Limits
from hive.errors import InboxFullError
from hive.store import Kind, MessageKind
from hive.wire.agent import Posting
from hive.wire.enums import EventKind, NackMode, OnExpiry
from tests.broker.rig import Rig
from tests.broker.test_reminders import QuestionRig


def notify(rig: Rig, why: str, about: str = "alice", to: str = "operator") -> None:
    rig.rules.try_post(event(to, "needs_login", {"about": why}, about=about), rig.now)
    rig.collect()


def unread(rig: Rig, name: str = "operator") -> list[str]:
    return [message.body or "" for message in rig.messages.values() if message.inbox == name]


def whys(rig: Rig) -> list[str]:
    return [json.loads(body)["about"] for body in unread(rig)]


def test_a_newer_notice_replaces_the_unread_one_once_a_minute() -> None:
    rig = Rig()
    for number in range(10_000):
        notify(rig, str(number))
    assert whys(rig) == ["0"]
    rig.advance(NOTICE_SECONDS)
    assert whys(rig) == ["9999"]
    assert rig.rules.table.last_id == 2, "two rows, however often it was caused"
    rig.advance(10 * NOTICE_SECONDS)
    assert whys(rig) == ["9999"]


def test_the_rules_say_when_a_kept_notice_is_due() -> None:
    rig = Rig()
    notify(rig, "a")
    assert rig.rules.delay(rig.now) is None
    notify(rig, "b")
    assert rig.rules.is_due_changed
    assert rig.rules.delay(rig.now) == NOTICE_SECONDS


def test_the_same_words_are_not_sent_again_while_they_are_unread() -> None:
    rig = Rig()
    for _ in range(3):
        notify(rig, "a")
        rig.advance(NOTICE_SECONDS)
    assert rig.rules.table.last_id == 1
    session = rig.session("operator", Kind.OPERATOR)
    rig.ack(session, *rig.take(session))
    notify(rig, "a")
    assert whys(rig) == ["a"]


def test_a_notice_that_is_being_read_is_not_replaced_but_followed() -> None:
    rig = Rig()
    notify(rig, "a")
    [held] = rig.take(rig.session("operator", Kind.OPERATOR))
    notify(rig, "b")
    rig.advance(NOTICE_SECONDS)
    assert whys(rig) == ["a", "b"]
    assert held in rig.messages


def test_notices_about_others_and_to_others_are_apart() -> None:
    rig = Rig()
    for about in ("alice", "bob"):
        for to in ("operator", "hm1nd"):
            notify(rig, "a", about, to)
    assert len(unread(rig)) == len(unread(rig, "hm1nd")) == 2


def test_pacing_keeps_nothing_of_what_is_over() -> None:
    rig = Rig()
    pacing = rig.rules.pacing
    for number in range(100):
        notify(rig, "a", f"agent-{number}")
        notify(rig, "b", f"agent-{number}")
    assert len(pacing.later) == 100
    rig.advance(NOTICE_SECONDS)
    assert not pacing.later
    rig.advance(NOTICE_SECONDS)
    notify(rig, "a", "one more")
    assert len(pacing._recent.entries) == 1


def test_a_notice_has_room_where_participants_have_filled_the_bytes() -> None:
    rig = QuestionRig(Limits(inbox_bytes=100, body_bytes=100))
    number = rig.ask(ttl_seconds=10)
    rig.send("alice", "x" * 100, sender="carol")
    rig.advance(10)
    rig.question_rules.advance(rig.now)
    rig.collect()
    assert [message.in_reply_to for message in rig.messages.values()] == [None, number]


def test_a_notice_that_an_inbox_cannot_take_is_in_the_event_log_once_a_minute() -> None:
    rig = Rig(Limits(inbox_bytes=1, body_bytes=1))
    posts = [Post(Posting(to="bob", body="x"), MessageKind.ANSWER) for _ in range(5)]
    for post in posts:
        rig.rules.try_post(post, rig.now)
    rig.collect()
    assert len(unread(rig, "bob")) == 2, "one byte, and the reserve of one byte"
    [notice] = rig.notices
    assert notice.kind is EventKind.NOTICE_DROPPED
    assert (notice.detail["to"], notice.detail["count"], notice.detail["newest"]) == ("bob", 1, "x")
    assert "2 of 2 bytes" in notice.detail["reason"]
    rig.advance(NOTICE_SECONDS)
    rig.rules.try_post(posts[0], rig.now)
    rig.collect()
    assert [each.detail["count"] for each in rig.notices] == [1, 3]


def test_unread_notices_about_single_messages_are_limited_in_number() -> None:
    rig = Rig(Limits(sender_messages=3))
    session = rig.session()
    for _ in range(5):
        rig.send()
        rig.nack(session, *rig.take(session), NackMode.REJECT, reason="\U0001f600" * 4000)
    assert len(unread(rig, "alice")) == 3
    assert max(map(len, unread(rig, "alice"))) < 6000, "the reason is cut"
    kinds = [notice.kind.value for notice in rig.notices]
    assert (kinds.count("dead_letter"), kinds.count("notice_dropped")) == (5, 1)


def test_who_does_not_read_the_answers_cannot_ask() -> None:
    rig = QuestionRig(Limits(sender_messages=2))
    for _ in range(2):
        rig.ask("carol", ttl_seconds=1)
        rig.time += 1
        rig.question_rules.advance(rig.now)
        rig.collect()
    assert unread(rig, "alice") == ["[expired]"] * 2
    with pytest.raises(InboxFullError, match=r"'a.*2 unread messages of 'system'"):
        rig.ask("carol")


def test_held_questions_of_one_asker_are_one_mail_for_the_operator() -> None:
    rig = QuestionRig()
    numbers = [rig.ask(ttl_seconds=1, on_expiry=OnExpiry.HOLD) for _ in range(3)]
    rig.time += 1
    rig.question_rules.advance(rig.now)
    rig.collect()
    rig.advance(NOTICE_SECONDS)
    [body] = unread(rig)
    assert json.loads(body)["held"] == numbers
    assert len(unread(rig, "alice")) == 1


def test_an_escalated_question_of_full_size_takes_little_of_the_operators_inbox() -> None:
    rig = QuestionRig()
    rig.ask(question="x" * 60_000, ttl_seconds=1, on_expiry=OnExpiry.ESCALATE)
    rig.time += 1
    rig.question_rules.advance(rig.now)
    rig.collect()
    [body] = unread(rig)
    assert len(body) < 200
    assert "'hive-c0re questions' shows it" in body
