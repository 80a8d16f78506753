"""Participants are added, removed and added again; their mail stays."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hive.broker.inboxes import ENDED_KEPT
from hive.broker.sessions import DAEMON_ENDED
from hive.config import Limits
from hive.errors import ConflictError, UnknownNameError
from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.messages import Undelivered
from hive.store.records import numbered
from tests.broker.rig import WALL, Rig


def test_an_inbox_with_unread_mail_is_not_removed_unless_forced() -> None:
    rig = Rig()
    rig.send_many(2, "damocles")
    with pytest.raises(ConflictError, match="2 unread"):
        rig.remove_inbox("damocles", force=False, purge=False)
    rig.remove_inbox("damocles", force=True, purge=False)
    with pytest.raises(UnknownNameError):
        rig.send("damocles")


def test_mail_survives_while_its_participant_is_removed_and_added_as_another_kind() -> None:
    rig = Rig()
    ids = rig.send_many(2, "damocles")
    rig.remove_inbox("damocles", force=True, purge=False)
    rig.rules.add_inbox("damocles", Kind.AGENT)
    assert rig.take(rig.session("damocles"), 32) == ids


def test_leased_mail_of_a_removed_participant_comes_back_too() -> None:
    rig = Rig()
    ids = rig.send_many(2, "damocles")
    session = rig.session("damocles")
    rig.take(session, 1)
    rig.remove_inbox("damocles", force=True, purge=False)
    assert rig.rules.table.inboxes["damocles"].counts.stored == 2
    assert not session.is_open
    rig.rules.add_inbox("damocles", Kind.PEER)
    assert rig.take(rig.session("damocles"), 32) == ids


def test_a_purge_ends_the_mail_as_dead_letters() -> None:
    rig = Rig()
    rig.send_many(2, "damocles")
    messages = list(rig.messages.values())
    rig.remove_inbox("damocles", force=False, purge=True)
    assert {message.state for message in messages} == {MessageState.DEAD}
    assert "damocles" not in rig.rules.table.inboxes


def test_an_unknown_inbox_cannot_be_removed() -> None:
    rig = Rig()
    with pytest.raises(UnknownNameError, match="did you mean 'carol'"):
        rig.remove_inbox("caro", force=True, purge=False)


def test_counts_follow_each_state() -> None:
    rig = Rig()
    rig.send(body="1234")
    rig.send(body="12")
    inbox = rig.rules.table.inboxes["bob"]
    session = rig.session()
    [held] = rig.take(session)
    assert (inbox.counts.stored, inbox.counts.leased, inbox.counts.size) == (1, 1, 6)
    assert inbox.counts.unread == inbox.unread == 2
    rig.ack(session, held)
    assert (inbox.counts.stored, inbox.counts.leased, inbox.counts.size) == (1, 0, 2)


def row(number: int, state: MessageState, **more: object) -> Message:
    return Message(number, "bob", "alice", Kind.AGENT, MessageKind.MESSAGE, 2, WALL, state, **more)


def test_leases_of_an_earlier_life_are_over_and_their_attempts_kept() -> None:
    rig = Rig()
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
    rig.rules.load(Undelivered(9, rows), rig.now)
    assert rows[0].reason == DAEMON_ENDED
    assert set(rig.rules.table.effects.changed) == {4}
    session = rig.session()
    assert rig.take(session, 32) == [4, 5]
    assert (rows[0].attempts, rows[0].deliveries) == (3, 4)
    assert rig.send().ids == (10,)


def test_after_a_reload_in_the_same_life_open_sessions_keep_their_leases() -> None:
    rig = Rig(Limits(lease_seconds=100))
    rig.send_many(2)
    session, gone = rig.session(), rig.session()
    [kept], [lost] = rig.take(session), rig.take(gone)
    one, two = (replace(rig.messages[number]) for number in (kept, lost))
    rig.close(gone)
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
    third = rig.session()
    waiting = rig.recv(third, wait=30)
    assert rig.ids(waiting) == [lost]
    rig.rules.load(Undelivered(2, on_disk), rig.now)
    assert rig.ack(session, kept, lease="7-1") == {}
    assert rig.take(third) == [lost]


def test_a_reload_keeps_parked_receivers_and_serves_them() -> None:
    rig = Rig()
    rig.rules.pause_inbox("carol", True, rig.now)
    waiting = rig.recv(rig.session(), wait=30)
    rig.rules.load(Undelivered(3, [row(3, MessageState.STORED)]), rig.now)
    rig.collect()
    assert rig.ids(waiting) == [3]
    assert rig.rules.table.inboxes["carol"].paused


def test_ids_are_never_used_twice_even_if_the_disk_has_fewer() -> None:
    rig = Rig()
    rig.send_many(5)
    rig.rules.load(Undelivered(2), rig.now)
    assert rig.send().ids == (6,)


def test_superseded_messages_take_no_memory_without_a_reader() -> None:
    rig = Rig(Limits(rate=10**6, rate_bytes=10**9))
    tracemalloc.start()
    try:
        for _ in range(1000):
            rig.send(body="x" * 60_000, supersede_key="newest")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    [kept] = rig.take(rig.session(), 32)
    assert kept == 1000


@given(
    st.lists(st.sampled_from(["send", "supersede", "take back", "read"]), max_size=50),
    st.integers(1, 10),
)
def test_mail_that_ended_does_not_pile_up_before_what_waits(steps: list[str], times: int) -> None:
    rig = Rig(Limits(rate=10**6))
    inbox, session = rig.rules.table.inboxes["bob"], rig.session()
    for step in [*steps * times, *["supersede"] * 100]:
        if step == "send":
            rig.send()
        elif step == "supersede":
            rig.send(supersede_key="k")
        elif step == "read":
            rig.ack(session, *rig.take(session))
        elif rig.messages:
            rig.rules.recall(min(rig.messages), "not wanted", rig.now)
        assert len(inbox.ready) <= 2 * inbox.stored + ENDED_KEPT
