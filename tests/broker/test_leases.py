"""Acks and their fences, and every way in which a delivery is undone."""

import pytest

from hive.broker.sessions import LEASE_EXPIRED, REQUEUED, SESSION_ENDED
from hive.config import Limits
from hive.store import MessageState
from hive.wire.words import NackMode
from tests.broker.desk import WALL, Desk, DeskSession


def leased(count: int = 1) -> tuple[Desk, DeskSession, list[int]]:
    desk = Desk(Limits(lease_seconds=100))
    desk.send_many(count)
    session = desk.session()
    return desk, session, desk.take(session, count)


def test_an_ack_ends_a_message_for_good() -> None:
    desk, session, [held] = leased()
    message = desk.messages[held]
    desk.time = 5
    assert desk.ack(session, held) == {}
    assert (message.state, message.ended_at) == (MessageState.ACKED, WALL + 5)
    assert held not in desk.messages
    desk.advance(1000)
    desk.close(session)
    assert desk.take(desk.session(), 32) == []


def test_another_session_needs_the_lease_to_ack() -> None:
    desk, holder, [held] = leased()
    other = desk.session()
    assert desk.ack(other, held) == {held: "is now leased as 7-1, attempt 1"}
    assert desk.ack(other, held, lease="7-2") == {held: "is now leased as 7-1, attempt 1"}
    assert desk.ack(other, held, lease="7-1") == {}
    assert desk.ack_turn(holder) == {}


def test_nobody_acks_the_mail_of_another_participant() -> None:
    desk, _, [held] = leased()
    carol = desk.session("carol")
    assert desk.ack(carol, held, lease="7-1") == {held: "is not in this inbox"}


def test_an_outdated_lease_is_fenced_and_the_answer_says_what_happened() -> None:
    desk, session, [held] = leased()
    desk.advance(100)
    went_back = f"went back to the inbox ({LEASE_EXPIRED}) after attempt 1"
    assert desk.ack(session, held, lease="7-1") == {held: went_back}
    assert desk.take(desk.session()) == [held]
    assert desk.ack(session, held, lease="7-1") == {held: "is now leased as 7-2, attempt 2"}
    assert desk.messages[held].state is MessageState.LEASED


def test_what_was_never_delivered_cannot_be_acked() -> None:
    desk, session, _ = leased()
    waiting = desk.send().ids[0]
    assert desk.ack(session, waiting) == {waiting: "was not delivered yet"}
    assert desk.ack(session, 99) == {99: "does not exist"}


def test_one_stale_id_does_not_stop_the_others() -> None:
    desk, session, held = leased(3)
    assert set(desk.ack(session, held[0], 99, held[2])) == {99}
    assert set(desk.messages) == {held[1]}


def test_ack_turn_acks_what_is_held_and_reports_what_was_lost() -> None:
    desk, session, [lost] = leased()
    desk.time = 50
    kept = desk.send().ids[0]
    desk.take(session)
    desk.advance(50)
    assert desk.ack_turn(session) == {lost: LEASE_EXPIRED}
    assert set(desk.messages) == {lost}
    assert kept not in desk.messages
    assert desk.ack_turn(session) == {}


def test_a_lease_lasts_its_time_and_a_heartbeat_extends_it() -> None:
    desk, session, [held] = leased()
    message = desk.messages[held]
    desk.advance(99)
    desk.touch(session)
    desk.advance(99)
    assert message.state is MessageState.LEASED
    desk.advance(1)
    assert (message.state, message.reason) == (MessageState.STORED, LEASE_EXPIRED)


def test_an_expired_lease_serves_who_waits() -> None:
    desk, _, [held] = leased()
    waiting = desk.recv(desk.session(), wait=500)
    desk.advance(100)
    assert desk.ids(waiting) == [held]
    [message] = desk.got(waiting) or []
    assert (message.attempts, message.deliveries) == (2, 2)


def test_the_end_of_a_session_gives_its_mail_back_at_once() -> None:
    desk, session, held = leased(2)
    waiting = desk.recv(desk.session(), 32, wait=500)
    desk.close(session)
    desk.collect()
    assert desk.ids(waiting) == held
    assert desk.messages[held[0]].attempts == 2
    desk.close(session)


def test_the_reason_of_a_return_is_kept_until_the_next_delivery() -> None:
    desk, session, [held] = leased()
    desk.close(session)
    message = desk.messages[held]
    assert message.reason == SESSION_ENDED
    desk.take(desk.session())
    assert message.reason is None


@pytest.mark.parametrize(
    ("mode", "state", "attempts"),
    [
        (NackMode.DEFER, MessageState.STORED, 0),
        (NackMode.FAIL, MessageState.STORED, 1),
        (NackMode.REJECT, MessageState.DEAD, 1),
    ],
)
def test_nack_modes(mode: NackMode, state: MessageState, attempts: int) -> None:
    desk, session, [held] = leased()
    message = desk.messages[held]
    assert desk.nack(session, held, mode, reason="because") == {}
    assert (message.state, message.attempts, message.reason) == (state, attempts, "because")
    assert message.deliveries == 1
    desk.advance(1)
    again = desk.take(session)
    assert again == ([] if mode is NackMode.REJECT else [held])


def test_a_nack_is_fenced_like_an_ack() -> None:
    desk, session, [held] = leased()
    assert set(desk.nack(desk.session(), held, NackMode.REJECT)) == {held}
    assert desk.ack(session, held) == {}


def test_requeue_inflight_gives_back_what_any_session_of_the_participant_holds() -> None:
    desk, old, held = leased(2)
    new = desk.session()
    desk.send("carol")
    desk.take(desk.session("carol"))
    assert desk.requeue_inflight(new) == 2
    assert desk.rules.table.inboxes["carol"].leased == 1
    assert desk.take(new, 32) == held
    assert desk.ack_turn(old) == dict.fromkeys(held, REQUEUED)


def test_a_grant_that_nobody_took_is_undone_without_a_trace() -> None:
    desk = Desk()
    session = desk.session()
    waiting = desk.recv(session, wait=5)
    desk.send()
    [message] = desk.got(waiting) or []
    desk.rules.withdraw(desk.grants[waiting], desk.now)
    assert (message.state, message.attempts, message.deliveries) == (MessageState.STORED, 0, 0)
    assert desk.ack_turn(session) == {}
    assert desk.take(session) == [message.id]
    desk.rules.withdraw(desk.grants[waiting], desk.now)
    assert message.state is MessageState.LEASED, "an outdated grant undoes nothing"


def test_what_is_read_without_a_lease_ends_once() -> None:
    desk = Desk()
    ids = [desk.send("operator").ids[0] for _ in range(2)]
    foreign = desk.send("bob").ids[0]
    assert desk.rules.mark_read("operator", [*ids, foreign, 99], desk.now) == 2
    assert desk.rules.mark_read("operator", ids, desk.now) == 0
    assert set(desk.messages) == {foreign}


def test_what_is_leased_is_not_marked_as_read() -> None:
    desk, _, [held] = leased()
    assert desk.rules.mark_read("bob", [held], desk.now) == 0
