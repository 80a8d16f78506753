"""What a participant names or repeats does not make the broker's tables grow without end."""

import pytest

from hive.broker.loop_guard import Threads
from hive.config import Limits
from hive.errors import HiveError, InboxFullError, UnknownNameError
from hive.store import Kind
from hive.store.messages import LINEAGE
from hive.wire.enums import OnExpiry
from tests.broker.rig import Rig
from tests.broker.test_reminders import QuestionRig


def test_supersede_keys_are_those_of_unread_messages() -> None:
    rig = Rig(Limits(sender_messages=10))
    table = rig.rules.table
    for number in range(10):
        rig.send(supersede_key=f"key {number}")
    with pytest.raises(InboxFullError):
        rig.send(supersede_key="one more")
    assert len(table.keyed) == 10
    session = rig.session()
    rig.ack(session, *rig.take(session, 32))
    assert not table.keyed


def test_one_supersede_key_costs_one_message_however_often_it_is_used() -> None:
    rig = Rig(Limits(sender_messages=10, rate=10**6))
    for _ in range(1000):
        rig.send(supersede_key="same")
        rig.time += 1
    table = rig.rules.table
    assert len(table.messages) == len(table.keyed) == 1
    assert len(table.inboxes["bob"].ready) < 200


def test_the_positions_of_the_newest_replies_are_kept() -> None:
    threads = Threads({})
    for number in range(2, 3 * LINEAGE):
        threads.record(number, threads.of_reply(1, Kind.AGENT))
    assert len(threads._known) == len(threads._order) == LINEAGE


@pytest.mark.parametrize("to", ["nobody", "@nobody", "queue:nobody", "reminder", "system", "*x"])
def test_an_address_that_does_not_exist_creates_nothing(to: str) -> None:
    rig = Rig()
    rules = rig.rules
    before = (set(rules.table.inboxes), dict(rules.queues), dict(rules.sending.groups))
    rig.send()
    with pytest.raises(HiveError):
        rig.send(to)
    with pytest.raises(UnknownNameError):
        rig.recv(rig.session(), queue=to)
    assert (set(rules.table.inboxes), dict(rules.queues), dict(rules.sending.groups)) == before


def test_pairs_of_the_loop_guard_are_pairs_of_participants() -> None:
    rig = Rig()
    for label in range(100):
        rig.send(label=str(label), supersede_key=str(label))
    assert len(rig.rules.sending.guard._sent) == 1


def test_deferred_and_expiring_messages_leave_no_times_behind() -> None:
    rig = Rig(Limits(rate=10**6))
    table = rig.rules.table
    for _ in range(1000):
        sent = rig.send(delay=1e6, ttl=2e6)
        rig.rules.recall(sent.ids[0], "cancelled", rig.now)
    assert not table.deferred.entries
    assert not table.expiries.entries
    assert not table.deferred_by
    heaps = [each for both in (table.deferred, table.expiries) for each in (both._loop, both._wall)]
    assert sum(len(each._heap) for each in heaps) < 300
    assert not table.expiries_here


def test_reminders_and_escalated_questions_leave_nothing_behind() -> None:
    rig = QuestionRig()
    rules = rig.question_rules
    for _ in range(20):
        rig.remind(delay_seconds=1)
        number = rig.ask(ttl_seconds=1, on_expiry=OnExpiry.ESCALATE)
        rig.advance(1)
        rules.advance(rig.now)
        rig.collect()
        assert rules._escalated.keys() == {number}
        rig.answer(number)
    assert not rules._escalated
    assert not rules.questions.open
    assert rules.pending("alice") == 0
    assert not rules._reminders
    assert rig.rules.table.inboxes["operator"].unread == 0, "what escalated them is recalled"
