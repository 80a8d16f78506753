"""Order, long polls, pauses."""

from hive.store import MessageState
from hive.store.records import lease_name
from hive.wire.words import NackMode
from tests.broker.desk import Desk, Ear


def test_messages_come_in_the_order_of_their_ids_up_to_the_count() -> None:
    desk = Desk()
    ids = desk.send_many(5)
    session = desk.session()
    assert desk.take(session, 2) == ids[:2]
    assert desk.take(session, 32) == ids[2:]
    assert desk.take(session, 32) == []


def test_a_look_without_room_leases_nothing() -> None:
    desk = Desk()
    desk.send()
    assert desk.take(desk.session(), 0) == []
    assert desk.rules.table.inboxes["bob"].leased == 0


def test_a_lease_names_epoch_and_grant_and_counts_the_attempt() -> None:
    desk = Desk()
    desk.send_many(2)
    message = desk.messages[1]
    session = desk.session()
    desk.take(session)
    assert message.state is MessageState.LEASED
    assert (lease_name(message.lease), message.attempts) == ("7-1", 1)
    assert message.session == session.number
    assert desk.messages[2].state is MessageState.STORED


def test_who_waits_is_served_by_the_next_message() -> None:
    desk = Desk()
    waiting = desk.recv(desk.session(), wait=30)
    assert desk.got(waiting) is None
    desk.send("carol")
    assert desk.got(waiting) is None
    assert list(desk.send().ids) == desk.ids(waiting)


def test_those_who_wait_are_served_in_the_order_they_came() -> None:
    desk = Desk()
    first = desk.recv(desk.session(), wait=30)
    second = desk.recv(desk.session(), wait=30)
    ids = desk.send_many(2)
    assert (desk.ids(first), desk.ids(second)) == ([ids[0]], [ids[1]])


def test_who_has_given_up_gets_nothing_and_holds_nobody_up() -> None:
    desk = Desk()
    gone = desk.recv(desk.session(), wait=30)
    waiting = desk.recv(desk.session(), wait=30)
    gone.expired = True
    ids = desk.send_many(1)
    assert desk.got(gone) is None
    assert desk.ids(waiting) == ids


def test_a_wait_ends_empty_at_its_time() -> None:
    desk = Desk()
    waiting = desk.recv(desk.session(), wait=30)
    assert desk.rules.delay(desk.now) == 30
    desk.advance(29.9)
    assert desk.got(waiting) is None
    desk.advance(0.1)
    assert desk.ids(waiting) == []
    assert desk.rules.delay(desk.now) is None
    desk.send()
    assert desk.ids(waiting) == []


def test_a_paused_inbox_takes_mail_in_and_gives_none_out() -> None:
    desk = Desk()
    desk.rules.pause_inbox("bob", True, desk.now)
    ids = desk.send_many(2)
    waiting = desk.recv(desk.session(), 32, wait=30)
    assert desk.got(waiting) is None
    desk.rules.pause_inbox("bob", False, desk.now)
    desk.collect()
    assert desk.ids(waiting) == ids


def test_the_end_of_a_session_answers_its_waiting_receivers() -> None:
    desk = Desk()
    session = desk.session()
    waiting = desk.recv(session, wait=30)
    other = desk.recv(desk.session(), wait=30)
    desk.close(session)
    assert desk.ids(waiting) == []
    assert desk.ids(other) is None


def test_a_deferred_message_holds_no_other_up() -> None:
    desk = Desk()
    ids = desk.send_many(3)
    session = desk.session()
    desk.take(session)
    desk.nack(session, ids[0], NackMode.DEFER, delay=60)
    assert desk.take(session, 32) == ids[1:]
    assert desk.rules.delay(desk.now) == 60
    desk.advance(60)
    assert desk.take(session, 32) == ids[:1]


def test_requeued_mail_goes_back_to_its_place() -> None:
    desk = Desk()
    ids = desk.send_many(4)
    first, second = desk.session(), desk.session()
    desk.take(first, 2)
    desk.close(first)
    assert desk.take(second, 32) == ids


def test_all_who_wait_can_be_told_that_the_broker_ends() -> None:
    desk = Desk()
    ears = [desk.recv(desk.session(), wait=30) for _ in range(2)]
    assert [parked.token for parked in desk.rules.unpark_all()] == ears
    assert desk.rules.delay(desk.now) is None
    assert isinstance(ears[0], Ear)
    desk.send()
    assert desk.got(ears[0]) is None
