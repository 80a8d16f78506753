"""Receiving several messages at once, as far as their bodies fit into a size."""

import pytest

from hive.names import OPERATOR
from hive.store import Kind
from hive.wire.enums import NackMode, Priority
from tests.broker.rig import Rig

TEN = "x" * 10


def test_further_messages_come_while_all_bodies_fit() -> None:
    rig = Rig()
    ids = [rig.send(body=TEN).ids[0] for _ in range(5)]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, max_bytes=29)) == ids[:2]
    assert rig.ids(rig.recv(session, 32, max_bytes=30)) == ids[2:]


@pytest.mark.parametrize("max_bytes", [1, 9, 10, 19])
def test_the_first_message_comes_whatever_its_size(max_bytes: int) -> None:
    rig = Rig()
    ids = [rig.send(body=TEN).ids[0] for _ in range(2)]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, max_bytes=max_bytes)) == ids[:1]
    assert rig.messages[ids[1]].attempts == 0, "what was left out was not delivered"
    assert rig.take(session, 32) == ids[1:]


def test_the_count_holds_beside_the_size() -> None:
    rig = Rig()
    ids = [rig.send(body=TEN).ids[0] for _ in range(3)]
    assert rig.ids(rig.recv(rig.session(), 2, max_bytes=1000)) == ids[:2]


def test_bytes_are_counted_and_not_characters() -> None:
    rig = Rig()
    ids = [rig.send(body="ü" * 5).ids[0] for _ in range(3)]
    assert rig.ids(rig.recv(rig.session(), 32, max_bytes=20)) == ids[:2]


def test_a_message_that_does_not_fit_is_not_overtaken_by_a_shorter_one() -> None:
    rig = Rig()
    first = rig.send(body=TEN).ids[0]
    long = rig.send(body="y" * 100).ids[0]
    short = rig.send(body="z").ids[0]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [first]
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [long]
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [short]


def test_higher_priorities_fill_the_room_first() -> None:
    rig = Rig()
    low = rig.send(body=TEN, priority=Priority.LOW).ids[0]
    normal = [rig.send(body=TEN).ids[0] for _ in range(2)]
    high = rig.send(body=TEN, priority=Priority.HIGH).ids[0]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [high, normal[0]]
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [normal[1], low]


def test_urgent_mail_alone_can_be_limited_too() -> None:
    rig = Rig()
    rig.send(body=TEN)
    urgent = [rig.send(body=TEN, priority=Priority.HIGH).ids[0] for _ in range(3)]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, max_bytes=20, urgent=True)) == urgent[:2]
    assert rig.ids(rig.recv(session, 32, max_bytes=20, urgent=True)) == urgent[2:]


def test_a_receiver_that_waited_gets_what_fits() -> None:
    rig = Rig()
    rig.rules.pause_inbox("bob", True, rig.now)
    ids = [rig.send(body=TEN).ids[0] for _ in range(3)]
    waiting = rig.recv(rig.session(), 32, wait=30, max_bytes=25)
    other = rig.recv(rig.session(), 32, wait=30, max_bytes=1)
    rig.rules.pause_inbox("bob", False, rig.now)
    rig.collect()
    assert (rig.ids(waiting), rig.ids(other)) == (ids[:2], ids[2:])


def test_a_receiver_that_waited_gets_a_message_of_any_size() -> None:
    rig = Rig()
    waiting = rig.recv(rig.session(), 32, wait=30, max_bytes=1)
    assert list(rig.send(body=TEN).ids) == rig.ids(waiting)


def test_a_work_queue_is_taken_by_size() -> None:
    rig = Rig()
    ids = [
        rig.send("queue:jobs", TEN, sender=OPERATOR, sender_kind=Kind.OPERATOR).ids[0]
        for _ in range(3)
    ]
    session = rig.session()
    assert rig.ids(rig.recv(session, 32, queue="jobs", max_bytes=20)) == ids[:2]
    assert rig.ids(rig.recv(session, 32, queue="jobs", max_bytes=20)) == ids[2:]


def test_what_goes_back_is_taken_again_within_the_size() -> None:
    rig = Rig()
    ids = [rig.send(body=TEN).ids[0] for _ in range(3)]
    session = rig.session()
    rig.recv(session, 32, max_bytes=20)
    rig.nack(session, ids[0], NackMode.DEFER)
    assert rig.ids(rig.recv(session, 32, max_bytes=20)) == [ids[0], ids[2]]


def test_what_has_ended_takes_no_room() -> None:
    rig = Rig()
    ids = [rig.send(body=TEN).ids[0] for _ in range(3)]
    rig.rules.mark_read("bob", [ids[1]], rig.now)
    rig.collect()
    assert rig.ids(rig.recv(rig.session(), 32, max_bytes=20)) == [ids[0], ids[2]]
