"""A frozen participant is granted nothing, and its leases have the time left that they had."""

import pytest

from hive.broker.sessions import LEASE_EXPIRED
from hive.config import Limits
from hive.store import Kind, ParticipantRecord
from tests.broker.rig import Rig

LEASE = 100.0


@pytest.fixture(name="rig")
def _rig() -> Rig:
    return Rig(Limits(lease_seconds=LEASE))


def freeze(rig: Rig, name: str = "bob") -> None:
    rig.rules.set_frozen(name, True, rig.now)
    rig.collect()


def thaw(rig: Rig, name: str = "bob") -> None:
    rig.rules.set_frozen(name, False, rig.now)
    rig.collect()


def test_a_frozen_participant_gets_no_mail_and_all_of_it_in_order_afterwards(rig: Rig) -> None:
    waiting = rig.recv(rig.session(), count=9, wait=30)
    freeze(rig)
    ids = rig.send_many(3)
    assert rig.ids(waiting) is None
    assert rig.take(rig.session(), 9) == [], "nor by a new session"
    thaw(rig)
    assert rig.ids(waiting) == ids


def test_a_wait_ends_in_time_while_frozen(rig: Rig) -> None:
    waiting = rig.recv(rig.session(), wait=30)
    freeze(rig)
    rig.send()
    rig.advance(30)
    assert rig.ids(waiting) == []


def test_others_get_what_a_frozen_participant_waits_for_in_a_queue(rig: Rig) -> None:
    rig.send("queue:jobs", sender="operator", sender_kind=Kind.OPERATOR)
    assert rig.ids(rig.recv(rig.session("carol"), queue="jobs")) is not None
    first = rig.recv(rig.session("bob"), wait=30, queue="jobs")
    freeze(rig)
    rig.send("queue:jobs", "one")
    assert rig.ids(first) is None
    second = rig.recv(rig.session("carol"), wait=30, queue="jobs")
    assert rig.ids(second) is not None
    rig.send("queue:jobs", "two")
    assert rig.ids(first) is None
    thaw(rig)
    assert rig.ids(first) is not None, "a queue is served when a receiver of it is thawed"


@pytest.mark.parametrize("frozen_for", [1.0, 50.0, 10_000.0])
def test_a_lease_has_the_time_left_that_it_had(rig: Rig, frozen_for: float) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    rig.advance(60)
    freeze(rig)
    rig.advance(frozen_for)
    assert held in session.held
    thaw(rig)
    rig.advance(39.5)
    assert held in session.held
    rig.advance(1)
    assert held not in session.held
    assert rig.messages[held].reason == LEASE_EXPIRED


def test_leases_of_others_expire_meanwhile(rig: Rig) -> None:
    rig.send("carol")
    carol = rig.session("carol")
    [held] = rig.take(carol)
    freeze(rig)
    rig.advance(LEASE + 1)
    assert held not in carol.held


def test_a_request_while_frozen_extends_a_lease_by_no_more_than_its_length(rig: Rig) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    freeze(rig)
    rig.advance(30)
    rig.touch(session)
    rig.advance(30)
    thaw(rig)
    rig.advance(LEASE - 0.5)
    assert held in session.held
    rig.advance(1)
    assert held not in session.held


def test_an_ack_from_before_the_freeze_counts_while_frozen(rig: Rig) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    freeze(rig)
    assert rig.ack(session, held) == {}
    assert held not in rig.messages


def test_freezing_twice_counts_from_the_first_time(rig: Rig) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    rig.advance(60)
    freeze(rig)
    rig.advance(50)
    freeze(rig)
    rig.advance(50)
    thaw(rig)
    rig.advance(39)
    assert held in session.held


def test_thawing_who_is_not_frozen_changes_nothing(rig: Rig) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    thaw(rig)
    rig.advance(LEASE)
    assert held not in session.held


def test_a_record_says_whether_its_participant_is_frozen(rig: Rig) -> None:
    record = ParticipantRecord("bob", Kind.AGENT, frozen_at=1.0)
    rig.rules.add_participant(record, rig.now)
    rig.send()
    assert rig.take(rig.session()) == []
    rig.rules.add_participant(ParticipantRecord("bob", Kind.AGENT), rig.now)
    assert len(rig.take(rig.session())) == 1


def test_a_lease_that_a_request_had_extended_keeps_that_time(rig: Rig) -> None:
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    rig.advance(60)
    rig.touch(session)
    rig.advance(40)
    freeze(rig)
    rig.advance(500)
    thaw(rig)
    rig.advance(59)
    assert held in session.held
    rig.advance(2)
    assert held not in session.held
