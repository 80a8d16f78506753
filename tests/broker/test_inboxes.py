"""Participants come, go and come back; their mail stays."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hive.broker.inboxes import FEW_ENDED
from hive.broker.sessions import DAEMON_ENDED
from hive.config import Limits
from hive.errors import ConflictError, UnknownNameError
from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.messages import Undelivered
from hive.store.records import numbered
from tests.broker.desk import WALL, Desk


def test_an_inbox_with_unread_mail_is_not_removed_unless_forced() -> None:
    desk = Desk()
    desk.send_many(2, "damocles")
    with pytest.raises(ConflictError, match="2 unread"):
        desk.remove_inbox("damocles", force=False, purge=False)
    desk.remove_inbox("damocles", force=True, purge=False)
    with pytest.raises(UnknownNameError):
        desk.send("damocles")


def test_mail_survives_the_way_from_peer_to_nothing_to_agent() -> None:
    desk = Desk()
    ids = desk.send_many(2, "damocles")
    desk.remove_inbox("damocles", force=True, purge=False)
    desk.rules.add_inbox("damocles", Kind.AGENT)
    assert desk.take(desk.session("damocles"), 32) == ids


def test_leased_mail_of_a_removed_participant_comes_back_too() -> None:
    desk = Desk()
    ids = desk.send_many(2, "damocles")
    session = desk.session("damocles")
    desk.take(session, 1)
    desk.remove_inbox("damocles", force=True, purge=False)
    assert desk.rules.table.inboxes["damocles"].counts.stored == 2
    assert not session.is_open
    desk.rules.add_inbox("damocles", Kind.PEER)
    assert desk.take(desk.session("damocles"), 32) == ids


def test_a_purge_ends_the_mail_as_dead_letters() -> None:
    desk = Desk()
    desk.send_many(2, "damocles")
    messages = list(desk.messages.values())
    desk.remove_inbox("damocles", force=False, purge=True)
    assert {message.state for message in messages} == {MessageState.DEAD}
    assert "damocles" not in desk.rules.table.inboxes


def test_an_unknown_inbox_cannot_be_removed() -> None:
    desk = Desk()
    with pytest.raises(UnknownNameError, match="did you mean 'carol'"):
        desk.remove_inbox("caro", force=True, purge=False)


def test_counts_follow_each_state() -> None:
    desk = Desk()
    desk.send(body="1234")
    desk.send(body="12")
    inbox = desk.rules.table.inboxes["bob"]
    session = desk.session()
    [held] = desk.take(session)
    assert (inbox.counts.stored, inbox.counts.leased, inbox.counts.size) == (1, 1, 6)
    assert inbox.counts.unread == inbox.unread == 2
    desk.ack(session, held)
    assert (inbox.counts.stored, inbox.counts.leased, inbox.counts.size) == (1, 0, 2)


def row(number: int, state: MessageState, **more: object) -> Message:
    return Message(number, "bob", "alice", Kind.AGENT, MessageKind.MESSAGE, 2, WALL, state, **more)


def test_leases_of_an_earlier_life_are_over_and_their_attempts_kept() -> None:
    desk = Desk()
    rows = [
        row(
            4,
            MessageState.LEASED,
            attempts=2,
            deliveries=3,
            lease=numbered(6, 1),
            session=numbered(6, 1),
        ),
        row(5, MessageState.STORED),
    ]
    desk.rules.load(Undelivered(9, rows), desk.now)
    assert rows[0].reason == DAEMON_ENDED
    assert set(desk.rules.table.effects.changed) == {4}
    session = desk.session()
    assert desk.take(session, 32) == [4, 5]
    assert (rows[0].attempts, rows[0].deliveries) == (3, 4)
    assert desk.send().ids == (10,)


def test_after_a_reload_in_the_same_life_open_sessions_keep_their_leases() -> None:
    desk = Desk(Limits(lease_seconds=100))
    desk.send_many(2)
    session, gone = desk.session(), desk.session()
    [kept], [lost] = desk.take(session), desk.take(gone)
    one, two = (replace(desk.messages[number]) for number in (kept, lost))
    desk.close(gone)
    on_disk = [
        row(
            kept,
            MessageState.LEASED,
            attempts=1,
            deliveries=1,
            lease=one.lease,
            session=one.session,
        ),
        row(
            lost,
            MessageState.LEASED,
            attempts=1,
            deliveries=1,
            lease=two.lease,
            session=two.session,
        ),
    ]
    third = desk.session()
    waiting = desk.recv(third, wait=30)
    assert desk.ids(waiting) == [lost]
    desk.rules.load(Undelivered(2, on_disk), desk.now)
    assert desk.ack(session, kept, lease="7-1") == {}
    assert desk.take(third) == [lost]


def test_a_reload_keeps_who_waits_and_serves_them() -> None:
    desk = Desk()
    desk.rules.pause_inbox("carol", True, desk.now)
    waiting = desk.recv(desk.session(), wait=30)
    desk.rules.load(Undelivered(3, [row(3, MessageState.STORED)]), desk.now)
    desk.collect()
    assert desk.ids(waiting) == [3]
    assert desk.rules.table.inboxes["carol"].paused


def test_ids_are_never_used_twice_even_if_the_disk_has_fewer() -> None:
    desk = Desk()
    desk.send_many(5)
    desk.rules.load(Undelivered(2), desk.now)
    assert desk.send().ids == (6,)


def test_what_was_replaced_takes_no_memory_while_nobody_reads() -> None:
    desk = Desk(Limits(rate=10**6))
    tracemalloc.start()
    try:
        for _ in range(1000):
            desk.send(body="x" * 60_000, supersede_key="newest")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    [kept] = desk.take(desk.session(), 32)
    assert kept == 1000


@given(
    st.lists(st.sampled_from(["send", "supersede", "take back", "read"]), max_size=50),
    st.integers(1, 10),
)
def test_mail_that_ended_does_not_pile_up_before_what_waits(steps: list[str], times: int) -> None:
    desk = Desk(Limits(rate=10**6))
    inbox, session = desk.rules.table.inboxes["bob"], desk.session()
    for step in [*steps * times, *["supersede"] * 100]:
        if step == "send":
            desk.send()
        elif step == "supersede":
            desk.send(supersede_key="k")
        elif step == "read":
            desk.ack(session, *desk.take(session))
        elif desk.messages:
            desk.rules.take_back(min(desk.messages), "not wanted", desk.now)
        assert len(inbox.ready) <= 2 * inbox.stored + FEW_ENDED
