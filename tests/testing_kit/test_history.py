"""The checker finds every kind of lie in histories made by hand, and none in a true one."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hive.testing.history import Axiom, HistoryEvent, Phase, Recorder, Verb, check, main, read


@define
class Hand:
    """Writes histories by hand; time goes on with each event."""

    events: list[HistoryEvent] = field(factory=list)

    def note(self, process: str, verb: Verb, phase: Phase, **facts: Any) -> None:
        at = len(self.events) + 1
        call = facts.pop("call", at)
        facts.setdefault("inbox", "bob")
        self.events.append(HistoryEvent(at, process, call, verb, phase, **facts))

    def send(self, body: str, number: int, sender: str = "alice", **facts: Any) -> None:
        call = len(self.events)
        self.note(sender, Verb.SEND, Phase.INVOKE, body=body, call=call, **facts)
        self.note(sender, Verb.SEND, Phase.OK, body=body, id=number, call=call, **facts)

    def recv(self, body: str, number: int, *, attempt: int = 1, **facts: Any) -> None:
        call, receiver = len(self.events), facts.pop("receiver", "bob")
        redelivered = facts.pop("redelivered", attempt > 1)
        self.note(receiver, Verb.RECV, Phase.INVOKE, call=call, **facts)
        self.note(
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
        self.note("bob", Verb.ACK, Phase.OK, id=number)

    def wrong(self, **options: Any) -> list[Axiom]:
        return [violation.axiom for violation in check(self.events, **options)]


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_a_true_history_is_true(hand: Hand) -> None:
    hand.send("one", 1)
    hand.send("two", 2)
    hand.note("alice", Verb.SEND, Phase.INVOKE, body="unanswered")
    hand.note("alice", Verb.SEND, Phase.INFO, body="lost with its connection")
    hand.note("alice", Verb.SEND, Phase.FAIL, body="refused")
    hand.recv("one", 1)
    hand.recv("one", 1, attempt=2)
    hand.ack(1)
    hand.recv("two", 2)
    hand.recv("unanswered", 3)
    assert hand.wrong() == []


def test_a_message_that_was_answered_and_never_seen_is_lost(hand: Hand) -> None:
    hand.send("one", 1)
    assert hand.wrong() == [Axiom.NO_LOSS]
    assert hand.wrong(left={"one"}, drained=False) == []


def test_what_is_unread_after_the_faults_is_no_loss_but_no_life_either(hand: Hand) -> None:
    hand.send("one", 1)
    assert hand.wrong(left={"one"}) == [Axiom.LIVENESS]


def test_what_nobody_sent_is_invented(hand: Hand) -> None:
    hand.recv("ghost", 1)
    assert hand.wrong() == [Axiom.NO_INVENTION]


def test_what_was_refused_and_came_all_the_same_is_invented(hand: Hand) -> None:
    hand.note("alice", Verb.SEND, Phase.INVOKE, body="one", call=1)
    hand.note("alice", Verb.SEND, Phase.FAIL, body="one", call=1)
    hand.recv("one", 1)
    assert hand.wrong() == [Axiom.NO_INVENTION]


def test_mail_in_the_wrong_inbox_or_under_a_wrong_number_is_invented(hand: Hand) -> None:
    hand.send("one", 1, inbox="carol")
    hand.recv("one", 1)
    hand.send("two", 2)
    hand.recv("two", 3)
    assert hand.wrong() == [Axiom.NO_INVENTION] * 2


def test_a_repeat_that_is_not_marked_is_found(hand: Hand) -> None:
    hand.send("one", 1)
    hand.recv("one", 1)
    hand.recv("one", 1, attempt=2, redelivered=False, receiver="bob.2")
    assert hand.wrong() == [Axiom.MARKED_DUPLICATES]


def test_two_deliveries_with_one_number_are_found(hand: Hand) -> None:
    hand.send("one", 1)
    hand.recv("one", 1)
    hand.recv("one", 1, attempt=1, redelivered=True)
    assert hand.wrong() == [Axiom.MARKED_DUPLICATES]


def test_too_many_deliveries_are_found(hand: Hand) -> None:
    hand.send("one", 1)
    for attempt in range(1, 5):
        hand.recv("one", 1, attempt=attempt)
    assert hand.wrong(most_deliveries=3) == [Axiom.MARKED_DUPLICATES]


def test_mail_of_one_sender_out_of_order_is_found(hand: Hand) -> None:
    hand.send("one", 1)
    hand.send("two", 2)
    hand.recv("two", 2)
    hand.recv("one", 1)
    assert hand.wrong() == [Axiom.SENDER_ORDER]


def test_mail_of_two_senders_or_to_two_receivers_has_no_order(hand: Hand) -> None:
    hand.send("one", 1)
    hand.send("two", 2, sender="carol")
    hand.send("three", 3)
    hand.recv("two", 2)
    hand.recv("one", 1)
    hand.recv("three", 3, receiver="bob.2")
    assert hand.wrong() == []


def test_ids_that_do_not_grow_with_the_sends_are_found(hand: Hand) -> None:
    hand.send("one", 2)
    hand.send("two", 1)
    hand.recv("one", 2)
    hand.recv("two", 1, receiver="bob.2")
    assert hand.wrong() == [Axiom.SENDER_ORDER]


def test_what_comes_again_after_its_ack_is_found(hand: Hand) -> None:
    hand.send("one", 1)
    hand.recv("one", 1)
    hand.ack(1)
    hand.recv("one", 1, attempt=2)
    assert hand.wrong() == [Axiom.ACK_STABILITY]


def test_a_receiver_who_asked_before_the_ack_may_still_get_it(hand: Hand) -> None:
    hand.send("one", 1)
    hand.recv("one", 1)
    hand.note("bob.2", Verb.RECV, Phase.INVOKE, call=77)
    hand.ack(1)
    got = {"body": "one", "id": 1, "attempt": 2, "redelivered": True}
    hand.note("bob.2", Verb.RECV, Phase.OK, call=77, **got)
    assert hand.wrong() == []


def test_a_history_is_read_as_it_was_recorded_but_for_a_line_that_was_cut(tmp_path: Path) -> None:
    file = StringIO()
    recorder = Recorder(file, "alice")
    begun = recorder.invoke(Verb.SEND, "bob", body="one")
    ended = recorder.end(begun, Phase.OK, id=7)
    path = tmp_path / "alice.jsonl"
    path.write_text(file.getvalue() + '{"at": 1, "proc')
    assert read([path]) == [begun, ended]
    assert (ended.call, ended.body, ended.id) == (begun.call, "one", 7)


def test_the_program_prints_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alice.jsonl"
    with path.open("w") as file:
        recorder = Recorder(file, "alice")
        recorder.end(recorder.invoke(Verb.SEND, "bob", body="one"), Phase.OK, id=7)
    assert main([str(path)]) == 1
    assert "no loss: 'one' was answered ok as 7" in capsys.readouterr().out
    path.write_text("")
    assert main([str(path)]) == 0
