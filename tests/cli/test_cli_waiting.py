"""How `send --wait` waits for answers, on a fake clock and a fake stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from hive.cli.answers import AnswerWait, Fields
from hive.errors import NotFoundError, TimedOutError, UnansweredError, UnavailableError


def answered(number: int, body: str = "done") -> Fields:
    return {"answers": [{"id": number, "to": "bob", "state": "answered", "answer": {"body": body}}]}


def ended(number: int, to: str = "bob") -> Fields:
    return {"answers": [{"id": number, "to": to, "state": "dead", "reason": "rejected"}]}


class Stream:
    """What the daemon says about copies, on a clock that advances only by waiting.

    Args:
        coming: What is to come, each with its time.
        copies: The recipient of each copy of the message.
        is_suspended: Whether the program sleeps until its time is over, and reads no stream.
    """

    def __init__(
        self,
        *coming: tuple[float, Fields],
        copies: dict[int, str] | None = None,
        is_suspended: bool = False,
    ) -> None:
        self.time = 100.0
        self.coming = list(coming)
        self.is_suspended = is_suspended
        self.looks: list[list[int]] = []
        self.is_closed = False
        self.said: list[str] = []
        self.answers = AnswerWait(
            copies or {42: "bob"},
            self.look,
            self.follow,
            complain=self.said.append,
            now=lambda: self.time,
        )

    def look(self, ids: Collection[int]) -> Fields:
        self.looks.append(list(ids))
        rows = [row for at, each in self.coming if at <= self.time for row in each["answers"]]
        return {"answers": [row for row in rows if row["id"] in ids]}

    def follow(self, ids: Collection[int], seconds: float) -> Iterator[Fields]:
        end = self.time + seconds
        try:
            for at, fields in [] if self.is_suspended else self.coming:
                if at > end:
                    break
                self.time = max(self.time, at)
                yield fields
            self.time = end
            raise TimedOutError("late")
        finally:
            self.is_closed = True

    def wait(self, seconds: float) -> list[object]:
        return [each["body"] for each in self.answers.wait(seconds)]


def test_an_answer_that_has_already_arrived_needs_no_stream():
    stream = Stream((0, answered(42)))

    assert stream.wait(0) == ["done"]
    assert (stream.looks, stream.is_closed) == ([[42]], False)


def test_an_answer_that_comes_ends_the_stream():
    stream = Stream((110, answered(42)))

    assert stream.wait(60) == ["done"]
    assert (stream.time, stream.is_closed) == (110, True)


def test_it_gives_up_on_time_and_names_the_remedy():
    stream = Stream()

    with pytest.raises(
        TimedOutError, match=r"message 42 is stored, but no answer .* 7.3 s.*'hive-c0re inbox'"
    ):
        stream.wait(7.3)

    assert stream.time == pytest.approx(107.3)


def test_a_program_that_was_suspended_finds_what_came_meanwhile():
    stream = Stream((104, answered(42, "in time")), is_suspended=True)

    assert stream.wait(12) == ["in time"]
    assert stream.looks == [[42], [42]]


def test_a_message_that_ended_is_not_waited_for_any_longer():
    stream = Stream((101, ended(42)))

    with pytest.raises(UnansweredError, match=r"^message 42 gets no answer: rejected$"):
        stream.wait(600)

    assert stream.time == 101


def test_every_member_of_a_group_is_waited_for_and_each_answer_comes_at_once():
    members = {42: "bob", 43: "carol", 44: "dave"}
    stream = Stream((101, answered(44, "d")), (103, answered(42, "b")), copies=members)
    stream.coming.append((105, answered(43, "c")))

    came = [(stream.time, each["body"]) for each in stream.answers.wait(60)]

    assert came == [(101, "d"), (103, "b"), (105, "c")]


def test_a_group_of_which_some_do_not_answer_and_some_will_not():
    members = {42: "bob", 43: "carol", 44: "dave", 45: "erin"}
    stream = Stream((101, answered(42)), (102, ended(45, "erin")), copies=members)
    waiting = stream.answers.wait(5)

    assert next(waiting)["body"] == "done"
    with pytest.raises(TimedOutError, match=r"but 2 of 4 did not answer within 5 s: carol, dave;"):
        next(waiting)
    assert stream.said == ["erin gives no answer: rejected"]
    assert stream.time == pytest.approx(105)


@pytest.mark.parametrize("error", [UnavailableError("away"), NotFoundError("no message 42")])
def test_a_daemon_that_cannot_be_asked_says_that_the_message_is_stored(error: Exception):
    def fail(ids: Collection[int]) -> Fields:
        raise error

    answers = AnswerWait({42: "bob"}, fail, lambda ids, seconds: iter(()))
    with pytest.raises(type(error), match="message 42 is stored, but its answer cannot"):
        next(answers.wait(5))
