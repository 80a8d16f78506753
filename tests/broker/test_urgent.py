"""Receiving only what is urgent, beside others who take everything."""

from hive.wire.enums import Priority
from tests.broker.rig import Rig


def test_only_what_is_of_high_priority_is_leased() -> None:
    rig = Rig()
    session = rig.session()
    usual = rig.send_many(2)
    assert rig.ids(rig.recv(session, 8, urgent=True)) == []
    urgent = [rig.send(priority=Priority.HIGH).ids[0] for _ in range(3)]
    assert rig.ids(rig.recv(session, 2, urgent=True)) == urgent[:2]
    assert rig.ids(rig.recv(session, 8, urgent=True)) == urgent[2:]
    assert rig.take(session, 8) == usual


def test_who_waits_for_urgent_mail_lets_other_mail_pass_to_others() -> None:
    rig = Rig()
    urgent = rig.recv(rig.session(), wait=30, urgent=True)
    usual = rig.recv(rig.session(), wait=30)
    first = rig.send().ids[0]
    assert (rig.got(urgent), rig.ids(usual)) == (None, [first])
    waiting = rig.send().ids[0]
    assert rig.got(urgent) is None
    last = rig.send(priority=Priority.HIGH).ids[0]
    assert rig.ids(urgent) == [last]
    assert rig.take(rig.session()) == [waiting]


def test_urgent_mail_goes_to_whoever_came_first() -> None:
    rig = Rig()
    anything = rig.recv(rig.session(), wait=30)
    urgent = rig.recv(rig.session(), wait=30, urgent=True)
    first, second = (rig.send(priority=Priority.HIGH).ids[0] for _ in range(2))
    assert (rig.ids(anything), rig.ids(urgent)) == ([first], [second])
