"""Acks and their fence, and every way in which a lease ends without one."""

import pytest

from hive.broker.sessions import LEASE_EXPIRED, REQUEUED, SESSION_ENDED, stale_error
from hive.config import Limits
from hive.store import MessageState
from hive.wire.enums import NackMode
from tests.broker.rig import WALL, Rig, RigSession


def leased(count: int = 1) -> tuple[Rig, RigSession, list[int]]:
    rig = Rig(Limits(lease_seconds=100))
    rig.send_many(count)
    session = rig.session()
    return rig, session, rig.take(session, count)


def test_an_ack_ends_a_message_for_good() -> None:
    rig, session, [held] = leased()
    message = rig.messages[held]
    rig.time = 5
    assert rig.ack(session, held) == {}
    assert (message.state, message.ended_at) == (MessageState.ACKED, WALL + 5)
    assert held not in rig.messages
    rig.advance(1000)
    rig.close(session)
    assert rig.take(rig.session(), 32) == []


def test_another_session_needs_the_lease_to_ack() -> None:
    rig, holder, [held] = leased()
    other = rig.session()
    assert rig.ack(other, held) == {held: "is now leased as 7-1, attempt 1"}
    assert rig.ack(other, held, lease="7-2") == {held: "is now leased as 7-1, attempt 1"}
    assert rig.ack(other, held, lease="7-1") == {}
    assert rig.ack_turn(holder) == {}


def test_no_participant_acks_the_mail_of_another() -> None:
    rig, _, [held] = leased()
    carol = rig.session("carol")
    assert rig.ack(carol, held, lease="7-1") == {held: "is not in this inbox"}


def test_an_outdated_lease_is_fenced_and_the_answer_says_what_happened() -> None:
    rig, session, [held] = leased()
    rig.advance(100)
    went_back = f"went back to the inbox ({LEASE_EXPIRED}) after attempt 1"
    assert rig.ack(session, held, lease="7-1") == {held: went_back}
    assert rig.take(rig.session()) == [held]
    assert rig.ack(session, held, lease="7-1") == {held: "is now leased as 7-2, attempt 2"}
    assert rig.messages[held].state is MessageState.LEASED


def test_what_was_never_delivered_cannot_be_acked() -> None:
    rig, session, _ = leased()
    waiting = rig.send().ids[0]
    assert rig.ack(session, waiting) == {waiting: "was not delivered yet"}
    assert rig.ack(session, 99) == {99: "is not in this inbox"}


def test_one_stale_id_does_not_stop_the_others() -> None:
    rig, session, held = leased(3)
    assert set(rig.ack(session, held[0], 99, held[2])) == {99}
    assert set(rig.messages) == {held[1]}


def test_only_what_is_not_held_is_charged_for_and_each_id_once() -> None:
    rig, session, held = leased(40)
    assert rig.ack(session, *held[:20]) == {}
    assert rig.begin(session, *held[20:]) == {}
    assert session.charged == 0, "a receiver that acks its own mail pays nothing"
    rig.ack(session, *[held[30]] * 5, *[99] * 5, 98, lease="7-9")
    assert session.charged == 3
    rig.ack(session, held[0])
    assert session.charged == 4, "to repeat an ack is no error, but a lookup on disk"


def test_an_error_names_ten_messages_and_counts_the_others() -> None:
    error = stale_error([(number, "was acked") for number in range(1, 1001)])
    assert len(str(error)) < 400
    assert str(error).startswith("message 1 was acked; message 2 was acked; ")
    assert "; message 10 was acked; likewise 990 more, 1000 in all; whatever else" in str(error)
    assert "likewise" not in str(stale_error([(number, "was acked") for number in range(10)]))


def test_ack_turn_acks_what_is_held_and_reports_what_was_lost() -> None:
    rig, session, [lost] = leased()
    rig.time = 50
    kept = rig.send().ids[0]
    rig.take(session)
    rig.advance(50)
    assert rig.ack_turn(session) == {lost: LEASE_EXPIRED}
    assert set(rig.messages) == {lost}
    assert kept not in rig.messages
    assert rig.ack_turn(session) == {}


def test_a_lease_lasts_its_time_and_a_heartbeat_extends_it() -> None:
    rig, session, [held] = leased()
    message = rig.messages[held]
    rig.advance(99)
    rig.touch(session)
    rig.advance(99)
    assert message.state is MessageState.LEASED
    rig.advance(1)
    assert (message.state, message.reason) == (MessageState.STORED, LEASE_EXPIRED)


def test_an_expired_lease_serves_a_parked_receiver() -> None:
    rig, _, [held] = leased()
    waiting = rig.recv(rig.session(), wait=500)
    rig.advance(100)
    assert rig.ids(waiting) == [held]
    [message] = rig.got(waiting) or []
    assert (message.attempts, message.deliveries) == (2, 2)


def test_the_end_of_a_session_returns_its_mail_at_once() -> None:
    rig, session, held = leased(2)
    waiting = rig.recv(rig.session(), 32, wait=500)
    rig.close(session)
    rig.collect()
    assert rig.ids(waiting) == held
    assert rig.messages[held[0]].attempts == 2
    rig.close(session)


def test_the_reason_of_a_return_is_kept_until_the_next_delivery() -> None:
    rig, session, [held] = leased()
    rig.close(session)
    message = rig.messages[held]
    assert message.reason == SESSION_ENDED
    rig.take(rig.session())
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
    rig, session, [held] = leased()
    message = rig.messages[held]
    assert rig.nack(session, held, mode, reason="because") == {}
    assert (message.state, message.attempts, message.reason) == (state, attempts, "because")
    assert message.deliveries == 1
    rig.advance(1)
    again = rig.take(session)
    assert again == ([] if mode is NackMode.REJECT else [held])


def test_a_nack_is_fenced_like_an_ack() -> None:
    rig, session, [held] = leased()
    assert set(rig.nack(rig.session(), held, NackMode.REJECT)) == {held}
    assert rig.ack(session, held) == {}


def test_requeue_inflight_returns_what_any_session_of_the_participant_holds() -> None:
    rig, old, held = leased(2)
    new = rig.session()
    rig.send("carol")
    rig.take(rig.session("carol"))
    assert rig.requeue_inflight(new) == 2
    assert rig.rules.table.inboxes["carol"].leased == 1
    assert rig.take(new, 32) == held
    assert rig.ack_turn(old) == dict.fromkeys(held, REQUEUED)


def test_a_grant_that_is_not_handed_over_is_undone_without_a_trace() -> None:
    rig = Rig()
    session = rig.session()
    waiting = rig.recv(session, wait=5)
    rig.send()
    [message] = rig.got(waiting) or []
    rig.rules.withdraw(rig.grants[waiting], rig.now)
    assert (message.state, message.attempts, message.deliveries) == (MessageState.STORED, 0, 0)
    assert rig.ack_turn(session) == {}
    assert rig.take(session) == [message.id]
    rig.rules.withdraw(rig.grants[waiting], rig.now)
    assert message.state is MessageState.LEASED, "an outdated grant undoes nothing"


def test_what_is_read_without_a_lease_ends_once() -> None:
    rig = Rig()
    ids = [rig.send("operator").ids[0] for _ in range(2)]
    foreign = rig.send("bob").ids[0]
    assert rig.rules.mark_read("operator", [*ids, foreign, 99], rig.now) == 2
    assert rig.rules.mark_read("operator", ids, rig.now) == 0
    assert set(rig.messages) == {foreign}


def test_what_is_leased_is_not_marked_as_read() -> None:
    rig, _, [held] = leased()
    assert rig.rules.mark_read("bob", [held], rig.now) == 0
