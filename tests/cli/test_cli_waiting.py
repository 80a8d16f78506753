"""How `send --wait` looks for an answer, on a clock of its own."""

from __future__ import annotations

import pytest

from hive.cli.messages import await_answer
from hive.errors import TimedOutError


class Mailbox:
    """The operator's inbox on a clock that only sleeping moves."""

    def __init__(self, answer_at: float | None) -> None:
        self.time = 100.0
        self.answer_at = answer_at
        self.naps: list[float] = []

    def look(self, timeout: float) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = [{"id": 1, "in_reply_to": 41}, {"id": 2}]
        if self.answer_at is not None and self.time >= self.answer_at:
            rows += [{"id": 3, "in_reply_to": 42, "body": "done"}, {"id": 4, "in_reply_to": 42}]
        return rows

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        self.time += seconds

    def wait(self, seconds: float) -> dict[str, object]:
        return await_answer(42, seconds, look=self.look, now=lambda: self.time, sleep=self.sleep)


def test_an_answer_that_is_there_already():
    mailbox = Mailbox(answer_at=0)

    assert mailbox.wait(0)["id"] == 3
    assert mailbox.naps == []


def test_it_looks_often_at_first_and_seldom_later():
    mailbox = Mailbox(answer_at=110)

    assert mailbox.wait(60)["body"] == "done"
    assert mailbox.naps[:5] == [0.05, 0.1, 0.2, 0.4, 0.5]
    assert set(mailbox.naps[4:]) == {0.5}
    assert mailbox.time < 111


def test_it_gives_up_on_time_and_says_what_to_do():
    mailbox = Mailbox(answer_at=None)

    with pytest.raises(TimedOutError, match=r"message 42 is stored.*'hive-c0re inbox'"):
        mailbox.wait(7.3)

    assert mailbox.time == pytest.approx(107.3)


def test_an_answer_in_the_last_moment_counts():
    assert Mailbox(answer_at=107.0).wait(7.0)["id"] == 3
