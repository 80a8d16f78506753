"""The check finds every violation in histories made by hand, and none in a consistent one."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hive.testing.history import Axiom, HistoryEvent, Phase, Recorder, Verb, check, main, read


@define
class Script:
    """Writes histories by hand; time advances with each event."""

    events: list[HistoryEvent] = field(factory=list)

    def record(self, process: str, verb: Verb, phase: Phase, **facts: Any) -> None:
        at = len(self.events) + 1
        call = facts.pop("call", at)
        facts.setdefault("inbox", "bob")
        self.events.append(HistoryEvent(at, process, call, verb, phase, **facts))

    def send(self, body: str, number: int, sender: str = "alice", **facts: Any) -> None:
        call = len(self.events)
        self.record(sender, Verb.SEND, Phase.INVOKE, body=body, call=call, **facts)
        self.record(sender, Verb.SEND, Phase.OK, body=body, id=number, call=call, **facts)

    def recv(self, body: str, number: int, *, attempt: int = 1, **facts: Any) -> None:
        call, receiver = len(self.events), facts.pop("receiver", "bob")
        redelivered = facts.pop("redelivered", attempt > 1)
        self.record(receiver, Verb.RECV, Phase.INVOKE, call=call, **facts)
        self.record(
            receiver,
            Verb.RECV,
            Phase.OK,
            call=call,
            body=body,
            id=number,
            attempt=attempt,
            redelivered=redelivered,
            **facts,
        )

    def ack(self, number: int) -> None:
        self.record("bob", Verb.ACK, Phase.OK, id=number)

    def violations(self, **options: Any) -> list[Axiom]:
        return [violation.axiom for violation in check(self.events, **options)]


@pytest.fixture
def script() -> Script:
    return Script()


def test_a_consistent_history_has_no_violations(script: Script) -> None:
    script.send("one", 1)
    script.send("two", 2)
    script.record("alice", Verb.SEND, Phase.INVOKE, body="unanswered")
    script.record("alice", Verb.SEND, Phase.INFO, body="lost with its connection")
    script.record("alice", Verb.SEND, Phase.FAIL, body="refused")
    script.recv("one", 1)
    script.recv("one", 1, attempt=2)
    script.ack(1)
    script.recv("two", 2)
    script.recv("unanswered", 3)
    assert script.violations() == []


def test_an_accepted_message_that_is_never_delivered_is_lost(script: Script) -> None:
    script.send("one", 1)
    assert script.violations() == [Axiom.NO_LOSS]
    assert script.violations(left={"one"}, drained=False) == []


def test_an_unread_message_after_the_last_fault_violates_liveness(script: Script) -> None:
    script.send("one", 1)
    assert script.violations(left={"one"}) == [Axiom.LIVENESS]


def test_a_delivery_without_a_send_is_invented(script: Script) -> None:
    script.recv("ghost", 1)
    assert script.violations() == [Axiom.NO_INVENTION]


def test_a_delivery_of_a_refused_message_is_invented(script: Script) -> None:
    script.record("alice", Verb.SEND, Phase.INVOKE, body="one", call=1)
    script.record("alice", Verb.SEND, Phase.FAIL, body="one", call=1)
    script.recv("one", 1)
    assert script.violations() == [Axiom.NO_INVENTION]


def test_mail_in_the_wrong_inbox_or_with_a_wrong_id_is_invented(script: Script) -> None:
    script.send("one", 1, inbox="carol")
    script.recv("one", 1)
    script.send("two", 2)
    script.recv("two", 3)
    assert script.violations() == [Axiom.NO_INVENTION] * 2


def test_a_redelivery_that_is_not_marked_is_found(script: Script) -> None:
    script.send("one", 1)
    script.recv("one", 1)
    script.recv("one", 1, attempt=2, redelivered=False, receiver="bob.2")
    assert script.violations() == [Axiom.MARKED_DUPLICATES]


def test_two_deliveries_with_one_attempt_are_found(script: Script) -> None:
    script.send("one", 1)
    script.recv("one", 1)
    script.recv("one", 1, attempt=1, redelivered=True)
    assert script.violations() == [Axiom.MARKED_DUPLICATES]


def test_too_many_deliveries_are_found(script: Script) -> None:
    script.send("one", 1)
    for attempt in range(1, 5):
        script.recv("one", 1, attempt=attempt)
    assert script.violations(most_deliveries=3) == [Axiom.MARKED_DUPLICATES]


def test_mail_of_one_sender_out_of_order_is_found(script: Script) -> None:
    script.send("one", 1)
    script.send("two", 2)
    script.recv("two", 2)
    script.recv("one", 1)
    assert script.violations() == [Axiom.SENDER_ORDER]


def test_mail_of_two_senders_or_to_two_receivers_has_no_order(script: Script) -> None:
    script.send("one", 1)
    script.send("two", 2, sender="carol")
    script.send("three", 3)
    script.recv("two", 2)
    script.recv("one", 1)
    script.recv("three", 3, receiver="bob.2")
    assert script.violations() == []


def test_ids_that_do_not_grow_with_the_sends_are_found(script: Script) -> None:
    script.send("one", 2)
    script.send("two", 1)
    script.recv("one", 2)
    script.recv("two", 1, receiver="bob.2")
    assert script.violations() == [Axiom.SENDER_ORDER]


def test_a_redelivery_after_the_ack_is_found(script: Script) -> None:
    script.send("one", 1)
    script.recv("one", 1)
    script.ack(1)
    script.recv("one", 1, attempt=2)
    assert script.violations() == [Axiom.ACK_STABILITY]


def test_a_recv_that_began_before_the_ack_may_return_the_message(script: Script) -> None:
    script.send("one", 1)
    script.recv("one", 1)
    script.record("bob.2", Verb.RECV, Phase.INVOKE, call=77)
    script.ack(1)
    got = {"body": "one", "id": 1, "attempt": 2, "redelivered": True}
    script.record("bob.2", Verb.RECV, Phase.OK, call=77, **got)
    assert script.violations() == []


def test_a_history_is_read_as_recorded_without_an_incomplete_line(tmp_path: Path) -> None:
    file = StringIO()
    recorder = Recorder(file, "alice")
    begun = recorder.invoke(Verb.SEND, "bob", body="one")
    ended = recorder.end(begun, Phase.OK, id=7)
    path = tmp_path / "alice.jsonl"
    path.write_text(file.getvalue() + '{"at": 1, "proc')
    assert read([path]) == [begun, ended]
    assert (ended.call, ended.body, ended.id) == (begun.call, "one", 7)


def test_the_program_prints_violations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "alice.jsonl"
    with path.open("w") as file:
        recorder = Recorder(file, "alice")
        recorder.end(recorder.invoke(Verb.SEND, "bob", body="one"), Phase.OK, id=7)
    assert main([str(path)]) == 1
    assert "no loss: 'one' was answered ok as 7" in capsys.readouterr().out
    path.write_text("")
    assert main([str(path)]) == 0
