"""Receiving: order, long polls, pauses."""

from hive.store import MessageState
from hive.store.records import lease_name
from hive.wire.enums import NackMode
from tests.broker.rig import Receiver, Rig


def test_messages_come_in_the_order_of_their_ids_up_to_the_count() -> None:
    rig = Rig()
    ids = rig.send_many(5)
    session = rig.session()
    assert rig.take(session, 2) == ids[:2]
    assert rig.take(session, 32) == ids[2:]
    assert rig.take(session, 32) == []


def test_a_look_without_room_leases_nothing() -> None:
    rig = Rig()
    rig.send()
    assert rig.take(rig.session(), 0) == []
    assert rig.rules.table.inboxes["bob"].leased == 0


def test_a_lease_names_epoch_and_grant_and_counts_the_attempt() -> None:
    rig = Rig()
    rig.send_many(2)
    message = rig.messages[1]
    session = rig.session()
    rig.take(session)
    assert message.state is MessageState.LEASED
    assert (lease_name(message.lease), message.attempts) == ("7-1", 1)
    assert message.session == session.number
    assert rig.messages[2].state is MessageState.STORED


def test_a_parked_receiver_gets_the_next_message() -> None:
    rig = Rig()
    waiting = rig.recv(rig.session(), wait=30)
    assert rig.got(waiting) is None
    rig.send("carol")
    assert rig.got(waiting) is None
    assert list(rig.send().ids) == rig.ids(waiting)


def test_parked_receivers_are_served_in_the_order_of_their_requests() -> None:
    rig = Rig()
    first = rig.recv(rig.session(), wait=30)
    second = rig.recv(rig.session(), wait=30)
    ids = rig.send_many(2)
    assert (rig.ids(first), rig.ids(second)) == ([ids[0]], [ids[1]])


def test_a_receiver_that_was_cancelled_gets_nothing_and_delays_no_other() -> None:
    rig = Rig()
    gone = rig.recv(rig.session(), wait=30)
    waiting = rig.recv(rig.session(), wait=30)
    gone.expired = True
    ids = rig.send_many(1)
    assert rig.got(gone) is None
    assert rig.ids(waiting) == ids


def test_a_wait_ends_empty_at_its_time() -> None:
    rig = Rig()
    waiting = rig.recv(rig.session(), wait=30)
    assert rig.rules.delay(rig.now) == 30
    rig.advance(29.9)
    assert rig.got(waiting) is None
    rig.advance(0.1)
    assert rig.ids(waiting) == []
    assert rig.rules.delay(rig.now) is None
    rig.send()
    assert rig.ids(waiting) == []


def test_a_receiver_that_waits_is_answered_at_a_pause_and_gets_nothing_afterwards() -> None:
    rig = Rig()
    bob = rig.session("bob")
    before = rig.recv(bob, wait=60)
    rig.rules.pause_inbox("bob", True, rig.now)
    rig.collect()
    assert rig.ids(before) == [], "its harness takes no message any more"
    during = rig.recv(bob, wait=60)
    rig.rules.pause_inbox("bob", True, rig.now)
    rig.collect()
    assert rig.ids(during) is None, "one that came meanwhile waits, however often it is paused"
    rig.rules.pause_inbox("bob", False, rig.now)
    rig.send("bob", sender="alice")
    assert rig.ids(during) == [1]
    assert rig.rules.table.messages[1].attempts == 1


def test_a_paused_inbox_takes_mail_in_and_gives_none_out() -> None:
    rig = Rig()
    rig.rules.pause_inbox("bob", True, rig.now)
    ids = rig.send_many(2)
    waiting = rig.recv(rig.session(), 32, wait=30)
    assert rig.got(waiting) is None
    rig.rules.pause_inbox("bob", False, rig.now)
    rig.collect()
    assert rig.ids(waiting) == ids


def test_the_end_of_a_session_answers_its_waiting_receivers() -> None:
    rig = Rig()
    session = rig.session()
    waiting = rig.recv(session, wait=30)
    other = rig.recv(rig.session(), wait=30)
    rig.close(session)
    assert rig.ids(waiting) == []
    assert rig.ids(other) is None


def test_a_deferred_message_holds_no_other_up() -> None:
    rig = Rig()
    ids = rig.send_many(3)
    session = rig.session()
    rig.take(session)
    rig.nack(session, ids[0], NackMode.DEFER, delay=60)
    assert rig.take(session, 32) == ids[1:]
    assert rig.rules.delay(rig.now) == 60
    rig.advance(60)
    assert rig.take(session, 32) == ids[:1]


def test_requeued_mail_goes_back_to_its_place() -> None:
    rig = Rig()
    ids = rig.send_many(4)
    first, second = rig.session(), rig.session()
    rig.take(first, 2)
    rig.close(first)
    assert rig.take(second, 32) == ids


def test_all_parked_receivers_can_be_unparked_when_the_broker_stops() -> None:
    rig = Rig()
    ears = [rig.recv(rig.session(), wait=30) for _ in range(2)]
    assert [parked.token for parked in rig.rules.unpark_all()] == ears
    assert rig.rules.delay(rig.now) is None
    assert isinstance(ears[0], Receiver)
    rig.send()
    assert rig.got(ears[0]) is None
