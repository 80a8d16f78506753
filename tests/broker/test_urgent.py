"""Receiving only what is urgent, beside others who take everything."""

from hive.wire.words import Priority
from tests.broker.desk import Desk


def test_only_what_is_of_high_priority_is_leased() -> None:
    desk = Desk()
    session = desk.session()
    usual = desk.send_many(2)
    assert desk.ids(desk.recv(session, 8, urgent=True)) == []
    urgent = [desk.send(priority=Priority.HIGH).ids[0] for _ in range(3)]
    assert desk.ids(desk.recv(session, 2, urgent=True)) == urgent[:2]
    assert desk.ids(desk.recv(session, 8, urgent=True)) == urgent[2:]
    assert desk.take(session, 8) == usual


def test_who_waits_for_urgent_mail_lets_other_mail_pass_to_others() -> None:
    desk = Desk()
    urgent = desk.recv(desk.session(), wait=30, urgent=True)
    usual = desk.recv(desk.session(), wait=30)
    first = desk.send().ids[0]
    assert (desk.got(urgent), desk.ids(usual)) == (None, [first])
    waiting = desk.send().ids[0]
    assert desk.got(urgent) is None
    last = desk.send(priority=Priority.HIGH).ids[0]
    assert desk.ids(urgent) == [last]
    assert desk.take(desk.session()) == [waiting]


def test_urgent_mail_goes_to_whoever_came_first() -> None:
    desk = Desk()
    anything = desk.recv(desk.session(), wait=30)
    urgent = desk.recv(desk.session(), wait=30, urgent=True)
    first, second = (desk.send(priority=Priority.HIGH).ids[0] for _ in range(2))
    assert (desk.ids(anything), desk.ids(urgent)) == ([first], [second])
