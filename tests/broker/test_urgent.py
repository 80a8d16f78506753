"""Receivers of urgent mail beside receivers of all mail."""

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


def test_a_receiver_of_urgent_mail_leaves_other_mail_to_others() -> None:
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


def test_urgent_mail_goes_to_the_first_receiver() -> None:
    rig = Rig()
    anything = rig.recv(rig.session(), wait=30)
    urgent = rig.recv(rig.session(), wait=30, urgent=True)
    first, second = (rig.send(priority=Priority.HIGH).ids[0] for _ in range(2))
    assert (rig.ids(anything), rig.ids(urgent)) == ([first], [second])
