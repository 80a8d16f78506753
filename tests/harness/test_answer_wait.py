"""The wait for an answer over a participant's own socket, without a daemon and without time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field

from hive.errors import NotAllowedError, TimedOutError, UnansweredError
from hive.harness.cli import answer_wait
from hive.harness.cli.answer_wait import LONGEST_PAUSE, LOOK, InboxAnswerWait

Row = dict[str, Any]


@define
class Box:
    """A daemon with the inbox and the receipts of one participant, and the time.

    Attributes:
        events: What happens at which second: a mail to the inbox, or the end of a message.
    """

    events: dict[float, Row] = field(factory=dict)
    mail: list[Row] = field(factory=list)
    states: dict[int, Row] = field(factory=dict)
    time: float = 0.0
    looks: int = 0
    said: list[str] = field(factory=list)

    def ask(self, fields: Row) -> Row:
        for at in [at for at in self.events if at <= self.time]:
            event = self.events.pop(at)
            if "body" in event:
                self.mail.append(event)
            else:
                self.states[event["id"]] = event
        if fields["cmd"] == "receipts":
            fresh = {"state": "stored", "steps": []}
            return {
                "receipts": [{**fresh, "id": n, **self.states.get(n, {})} for n in fields["ids"]]
            }
        self.looks += 1
        found = self.mail[-fields["max"] :]
        if fields.get("body_max") == 0:
            found = [{**row, "body": ""} for row in found]
        return {"messages": found}

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= LONGEST_PAUSE
        self.time += seconds

    def wait(self, copies: dict[int, str], seconds: float = 60.0) -> list[str]:
        waited = InboxAnswerWait(
            copies, self.ask, complain=self.said.append, now=lambda: self.time, sleep=self.sleep
        )
        return [row["body"] for row in waited.wait(seconds)]


def reply(number: int, to: int, body: str = "done") -> Row:
    return {"id": number, "from": "bob", "in_reply_to": to, "body": body}


def ended(number: int, state: str, reason: str | None = None) -> Row:
    return {"id": number, "state": state, "steps": [{"step": state, "reason": reason}]}


def test_an_answer_is_found_with_its_body_among_other_mail() -> None:
    box = Box({3.0: reply(9, 7), 3.1: {"id": 10, "from": "ann", "body": "else"}})
    assert box.wait({7: "bob"}) == ["done"]
    assert 3 <= box.time <= 3 + LONGEST_PAUSE


def test_an_answer_that_was_there_before_the_first_look_needs_no_time() -> None:
    assert Box({0.0: reply(9, 7)}).wait({7: "bob"}, 0) == ["done"]


def test_only_the_first_answer_of_each_copy_counts() -> None:
    box = Box({1.0: reply(9, 8, "b"), 1.1: reply(10, 8, "again"), 4.0: reply(11, 7, "a")})
    assert box.wait({7: "ann", 8: "bob"}) == ["b", "a"]


def test_a_message_that_ends_is_waited_for_no_longer() -> None:
    box = Box({2.0: ended(7, "dead", "exit 1")})
    with pytest.raises(
        UnansweredError, match="message 7 gets no answer: it is a dead letter: exit"
    ):
        box.wait({7: "bob"})
    assert box.time < 5


def test_what_hinders_a_recipient_is_said_once_and_the_wait_goes_on() -> None:
    frozen = {"id": 7, "state": "stored", "steps": [], "hindrance": "'bob' is frozen by 'estop'"}
    goes_on = {"id": 7, "state": "leased", "steps": []}
    box = Box({0.0: frozen, 10.0: goes_on, 20.0: dict(frozen), 30.0: reply(9, 7)})
    assert box.wait({7: "bob"}) == ["done"]
    assert box.said == ["waiting for an answer of message 7: 'bob' is frozen by 'estop'"]


def test_of_several_the_others_answers_come_before_the_error() -> None:
    box = Box({1.0: ended(7, "expired"), 5.0: reply(9, 8)})
    waited = InboxAnswerWait(
        {7: "ann", 8: "bob"},
        box.ask,
        complain=box.said.append,
        now=lambda: box.time,
        sleep=box.sleep,
    )
    answers = waited.wait(60)
    assert next(answers)["body"] == "done"
    with pytest.raises(UnansweredError, match="ann: it has expired"):
        next(answers)


def test_an_ack_is_no_end_and_an_answer_before_it_counts() -> None:
    box = Box({1.0: ended(7, "acked"), 4.0: reply(9, 7)})
    assert box.wait({7: "bob"}) == ["done"]
    box = Box({1.0: reply(9, 7), 1.05: ended(7, "dead", "late")})
    assert box.wait({7: "bob"}) == ["done"], "the answer came first"


def test_the_time_is_kept_and_who_is_missing_is_named() -> None:
    box = Box()
    with pytest.raises(TimedOutError, match="message 7 is stored, but no answer of ann, bob came"):
        box.wait({7: "ann", 8: "bob"}, 30)
    assert box.time == pytest.approx(30)
    assert box.looks < 25, "looks become rarer"


def test_a_parked_message_is_said_once() -> None:
    box = Box({0.0: ended(7, "parked", "a loop"), 5.0: reply(9, 7)})
    assert box.wait({7: "bob"}) == ["done"]
    assert box.said == ["message 7 is parked: a loop"]


def test_an_answer_that_is_pushed_out_between_two_requests_is_looked_for_again() -> None:
    box = Box({0.0: reply(9, 7)})
    flood = [{"id": n, "from": "ann", "body": "x"} for n in range(10, 10 + 2 * LOOK)]

    def ask(fields: Row) -> Row:
        found = box.ask(fields)
        if fields.get("body_max") == 0 and flood:
            box.mail += flood
            flood.clear()
        return found

    waited = InboxAnswerWait(
        {7: "bob"}, ask, complain=box.said.append, now=lambda: box.time, sleep=box.sleep
    )
    with pytest.raises(TimedOutError):
        list(waited.wait(5))
    assert box.time == pytest.approx(5), "it is not taken for an answer without a body"


def test_a_refusal_says_that_the_message_is_stored() -> None:
    def ask(fields: Row) -> Row:
        raise NotAllowedError("not you")

    waited = InboxAnswerWait({7: "bob"}, ask, complain=print)
    with pytest.raises(NotAllowedError, match=r"message 7 is stored, but its answer .* not you"):
        list(waited.wait(5))


def test_a_message_that_no_participant_received_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer_wait, "request", lambda socket, fields: {"recipients": []})
    with pytest.raises(UnansweredError, match="no participant received the message to @team"):
        answer_wait.send_and_wait("/mcp.sock", to="@team", body="x", as_json=False, wait=1.0)
