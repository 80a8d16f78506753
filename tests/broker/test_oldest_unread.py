"""The oldest unread message of an inbox is found without an index."""

from __future__ import annotations

import pytest

from hive.broker import oldest_unread
from hive.broker.messages import MessageTable
from hive.broker.oldest_unread import OldestUnread
from tests.broker.rig import WALL, Rig


@pytest.fixture(name="rig")
def _rig() -> Rig:
    return Rig()


@pytest.fixture
def oldest(rig: Rig) -> OldestUnread:
    return OldestUnread(lambda: rig.rules.table, lambda: rig.time)


def test_it_is_the_first_that_has_not_ended(rig: Rig, oldest: OldestUnread) -> None:
    assert oldest.sent_at("bob") is None
    for second in (0, 10, 20):
        rig.time = float(second)
        rig.send("bob")
        rig.send("carol")
    bob = rig.session("bob")
    assert oldest.sent_at("bob") == WALL
    first, second = rig.take(bob), rig.take(bob)
    assert oldest.sent_at("bob") == WALL, "delivered is not acked"
    rig.ack(bob, *second)
    assert oldest.sent_at("bob") == WALL
    rig.ack(bob, *first)
    assert oldest.sent_at("bob") == WALL + 20
    rig.ack(bob, *rig.take(bob))
    assert oldest.sent_at("bob") is None
    assert oldest.sent_at("carol") == WALL
    assert oldest.sent_at("nobody") is None


def test_a_look_searches_only_after_the_oldest_have_ended(
    rig: Rig, oldest: OldestUnread, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.send_many(2, "bob")
    bob = rig.session("bob")
    assert oldest.sent_at("bob") == WALL
    monkeypatch.setattr(OldestUnread, "_pass", lambda self, table: pytest.fail("it searches"))
    rig.time = 100.0
    rig.send("bob")
    rig.ack(bob, *rig.take(bob))
    assert oldest.sent_at("bob") == WALL


def test_a_backlog_is_passed_once_a_second_however_many_inboxes_are_asked_for(
    rig: Rig, oldest: OldestUnread, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[float] = []
    whole = OldestUnread._pass

    def counted(self: OldestUnread, table: MessageTable) -> None:
        passes.append(rig.time)
        whole(self, table)

    monkeypatch.setattr(OldestUnread, "_pass", counted)
    rig.send_many(3, "carol")
    assert oldest.sent_at("carol") == WALL
    rig.send("bob")
    assert oldest.sent_at("bob") is None, "unknown for a moment"
    assert passes == [0.0]
    rig.time = 1.0
    assert oldest.sent_at("bob") == WALL
    assert oldest.sent_at("carol") == WALL
    assert passes == [0.0, 1.0]


def test_what_a_search_does_not_reach_is_unknown(
    rig: Rig, oldest: OldestUnread, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.send_many(3, "carol")
    rig.send("bob")
    monkeypatch.setattr(oldest_unread, "SEARCHED", 3)
    assert oldest.sent_at("bob") is None
    monkeypatch.setattr(oldest_unread, "SEARCHED", 4)
    rig.time = 1.0
    assert oldest.sent_at("bob") == WALL
