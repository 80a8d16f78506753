"""Quotas: what one participant can take of an inbox, and the room that is left for others."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.broker.admission import reserve_bytes
from hive.broker.inboxes import Inbox
from hive.clock import rfc3339
from hive.config import Limits
from hive.errors import BadRequestError, InboxFullError
from hive.store import NO_ORIGIN, Kind, Store
from hive.wire.enums import NackMode
from tests.broker.client import Draft, local_broker
from tests.broker.rig import WALL, Rig, recount
from tests.broker.test_reminders import QuestionRig

DAY = 86_400.0


def bob(rig: Rig) -> Inbox:
    return rig.rules.table.inboxes["bob"]


# The share of one sender


def test_one_sender_cannot_use_up_an_inbox() -> None:
    rig = Rig(Limits(sender_messages=2))
    rig.send_many(2)
    with pytest.raises(InboxFullError, match=r"share of 'alice' of the inbox of 'bob'.*2 of 2"):
        rig.send()
    assert rig.rules.table.last_id == 2
    rig.send(sender="carol")
    rig.send(sender="operator", sender_kind=Kind.OPERATOR)
    rig.send("carol")
    assert bob(rig).sent == {"alice": 2, "carol": 1, "operator": 1}


def test_bytes_of_one_sender_are_limited_and_one_message_always_has_room() -> None:
    rig = Rig(Limits(sender_bytes=10))
    rig.send(body="x" * 11)
    with pytest.raises(InboxFullError, match="11 of 10 bytes unread, and this message has 1"):
        rig.send(body="x")
    rig.send(body="x", sender="carol")


@pytest.mark.parametrize("more", [{}, {"delay": 60.0}, {"supersede_key": "k"}])
def test_the_share_holds_on_the_short_and_on_the_general_path(more: dict[str, Any]) -> None:
    rig = Rig(Limits(sender_messages=1))
    rig.send()
    with pytest.raises(InboxFullError, match="1 of 1 message"):
        rig.send(**more)


def test_messages_in_every_state_count_until_they_end() -> None:
    rig = Rig(Limits(sender_messages=2, max_hops=0))
    [leased] = rig.send_many(1)
    session = rig.session()
    rig.take(session)
    rig.send(delay=60)
    with pytest.raises(InboxFullError):
        rig.send()
    rig.nack(session, leased, NackMode.DEFER, delay=60)
    with pytest.raises(InboxFullError):
        rig.send()
    rig.advance(60)
    rig.ack(session, *rig.take(session))
    parked = rig.send(in_reply_to=rig.send("alice", sender="bob").ids[0])
    assert parked.parked
    with pytest.raises(InboxFullError):
        rig.send()


def test_a_work_queue_has_shares_too() -> None:
    rig = Rig(Limits(sender_messages=1))
    rig.send("queue:jobs", sender="operator", sender_kind=Kind.OPERATOR)
    rig.send("queue:jobs")
    with pytest.raises(InboxFullError, match="the inbox of 'queue:jobs'"):
        rig.send("queue:jobs")
    rig.send("queue:jobs", sender="carol")


def test_a_broadcast_skips_inboxes_in_which_the_share_is_used_up() -> None:
    rig = Rig(Limits(sender_messages=1))
    rig.send("carol")
    sent = rig.send("*")
    assert sent.recipients == ("bob", "hm1nd", "listener")
    assert [skipped.name for skipped in sent.skipped] == ["carol"]
    assert "share of 'alice'" in sent.skipped[0].reason


def test_the_smaller_of_two_limits_applies() -> None:
    rig = Rig(Limits(inbox_messages=2, sender_messages=5))
    rig.send_many(2)
    with pytest.raises(InboxFullError, match="inbox of 'bob' is full: 2 of 2 messages"):
        rig.send()


def test_reminders_that_were_not_read_count_as_a_share_of_the_own_inbox() -> None:
    rig = QuestionRig(Limits(sender_messages=3))
    for _ in range(3):
        rig.remind(delay_seconds=1)
        rig.advance(1)
    with pytest.raises(InboxFullError, match="share of 'reminder' of the inbox of 'alice'"):
        rig.remind(delay_seconds=1)
    rig.send("alice", sender="alice")


async def test_a_store_above_the_quota_loads_and_only_new_sends_are_refused(path: Path) -> None:
    draft = Draft("alice", Kind.AGENT, "bob", "hi", delay=20 * DAY)
    for limits in (Limits(), Limits(sender_messages=1, deferred=1, deferred_horizon=DAY)):
        async with Store(path) as store, local_broker(store, limits) as broker:
            broker.add_inbox("bob", Kind.AGENT)
            if limits.sender_messages > 1:
                for _ in range(3):
                    await broker.send(draft)
            assert broker.unread("bob") == 3
            table = broker.service.rules.table
            assert (table.inboxes["bob"].sent, table.deferred_by) == ({"alice": 3}, {"alice": 3})
    async with Store(path) as store, local_broker(store, limits) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        with pytest.raises(InboxFullError, match="3 of 1 message"):
            await broker.send(draft._replace(delay=None))
        other = broker.open_session("bob", NO_ORIGIN)
        await broker.send(draft._replace(sender="carol", delay=None))
        assert len(await broker.recv(other, max=9)) == 1


# Room for the daemon and the operator


def full(limits: Limits) -> Rig:
    """Return a rig in which participants have filled the bytes of bob's inbox."""
    rig = Rig(limits)
    rig.send(body="x" * limits.inbox_bytes)
    return rig


def test_the_reserve_is_a_quarter_and_at_least_one_body() -> None:
    assert reserve_bytes(Limits(inbox_bytes=4000, body_bytes=10)) == 1000
    assert reserve_bytes(Limits(inbox_bytes=4000, body_bytes=1001)) == 1001


def test_the_operator_has_room_that_participants_and_the_daemon_cannot_fill() -> None:
    limits = Limits(inbox_bytes=400, body_bytes=400)
    rig = full(limits)
    rig.send(body="s" * 400, sender="system", sender_kind=Kind.SYSTEM)
    with pytest.raises(InboxFullError, match="800 of 800 bytes"):
        rig.send(body="s", sender="system", sender_kind=Kind.SYSTEM)
    rig.send(body="o" * 400, sender="operator", sender_kind=Kind.OPERATOR)
    with pytest.raises(InboxFullError, match="1200 of 1200 bytes"):
        rig.send(body="o", sender="operator", sender_kind=Kind.OPERATOR)


def test_what_the_operator_sent_takes_no_room_from_later_participants_once_it_is_read() -> None:
    rig = full(Limits(inbox_bytes=400, body_bytes=400))
    session = rig.session()
    rig.ack(session, *rig.take(session))
    sent = rig.send(body="x" * 400)
    assert rig.take(session) == [*sent.ids]


# Deferred mail


def test_deferred_messages_of_a_sender_are_limited_over_all_inboxes() -> None:
    rig = Rig(Limits(deferred=2))
    rig.send(delay=60)
    rig.send("carol", delay=60)
    with pytest.raises(
        InboxFullError, match="has 2 deferred messages in all inboxes, the limit is 2"
    ):
        rig.send("hm1nd", delay=60)
    rig.send()
    rig.send(sender="carol", delay=60)
    rig.send(sender="operator", sender_kind=Kind.OPERATOR, delay=60)
    rig.advance(60)
    rig.send(delay=60)


def test_copies_of_a_deferred_broadcast_count_one_by_one() -> None:
    rig = Rig(Limits(deferred=1))
    sent = rig.send("*", delay=60)
    assert sent.recipients == ("bob",)
    assert [each.name for each in sent.skipped] == ["carol", "hm1nd", "listener"]


def test_a_message_that_its_receiver_defers_is_not_its_senders() -> None:
    rig = Rig(Limits(deferred=1))
    rig.send()
    session = rig.session()
    rig.nack(session, *rig.take(session), NackMode.DEFER, delay=60)
    rig.send(delay=60)
    assert rig.rules.table.deferred_by == {"alice": 1}


def test_reminders_do_not_count_as_deferred_messages() -> None:
    rig = QuestionRig(Limits(deferred=1))
    for _ in range(3):
        rig.remind(delay_seconds=60)
    rig.send(delay=60)
    with pytest.raises(InboxFullError, match="1 deferred message"):
        rig.send(delay=60)


@pytest.mark.parametrize("kind", [Kind.AGENT, Kind.OPERATOR])
@pytest.mark.parametrize("when", [{"delay": 11 * DAY}, {"not_before": WALL + 11 * DAY}])
def test_nothing_is_deferred_beyond_the_horizon(kind: Kind, when: dict[str, float]) -> None:
    rig = Rig(Limits(deferred_horizon=10 * DAY))
    latest = rfc3339(WALL + 10 * DAY)
    with pytest.raises(BadRequestError, match=rf"950400 s, and at most 864000 s .*{latest}"):
        rig.send(sender_kind=kind, **when)
    rig.send(sender_kind=kind, delay=10 * DAY)


def test_reminders_have_the_horizon_too() -> None:
    rig = QuestionRig(Limits(deferred_horizon=10 * DAY))
    with pytest.raises(BadRequestError, match="at most 864000 s"):
        rig.remind(delay_seconds=10 * DAY + 1)
    rig.remind(at_unix_timestamp=WALL + 10 * DAY)


# Counters


def test_the_bytes_of_a_share_are_those_of_what_is_left() -> None:
    rig = Rig()
    for size in (5, 70, 300):
        rig.send(body="x" * size)
    session = rig.session()
    rig.ack(session, *rig.take(session))
    assert bob(rig).sent_bytes == {"alice": 370}
    recount(rig.rules.table)


steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "defer", "remind", "take", "ack", "nack", "fail", "later", "end"]),
        st.sampled_from(["alice", "bob"]),
        st.sampled_from([5.0, 60.0, 300.0]),
    ),
    max_size=40,
)


@given(steps=steps)
def test_the_counters_equal_a_recount_after_every_step(
    steps: list[tuple[str, str, float]],
) -> None:
    rig = QuestionRig(Limits(max_attempts=2, lease_seconds=100))
    sessions = {name: rig.session(name) for name in ("alice", "bob")}
    for step, name, seconds in steps:
        session = sessions[name]
        held = next(iter(session.held), 0)
        if step == "send":
            rig.send(name, "x" * int(seconds), supersede_key="k" if seconds == 5 else None)
        elif step == "defer":
            rig.send(name, delay=seconds, ttl=2 * seconds)
        elif step == "remind":
            rig.remind(name, delay_seconds=seconds)
        elif step == "take":
            rig.take(session, 2)
        elif step == "ack":
            rig.ack(session, *session.held)
        elif step == "later":
            rig.advance(seconds)
        elif step == "end":
            rig.close(session)
            sessions[name] = rig.session(name)
        elif held:
            mode = NackMode.DEFER if step == "nack" else NackMode.FAIL
            rig.nack(session, held, mode, delay=seconds)
        recount(rig.rules.table)
