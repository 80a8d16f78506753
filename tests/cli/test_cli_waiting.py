"""How `send --wait` polls for an answer, on a fake clock."""

from __future__ import annotations

import pytest

from hive.cli.messages import await_answer
from hive.errors import TimedOutError


def row(number: int, sender: str, answered: int | None) -> dict[str, object]:
    return {"id": number, "from": sender, "in_reply_to": answered, "body": "done"}


class Inbox:
    """The operator's inbox, on a clock that advances only by sleeping.

    It has a forged answer from the beginning.
    """

    def __init__(self, answer_at: float | None) -> None:
        self.time = 100.0
        self.answer_at = answer_at
        self.sleeps: list[float] = []

    def fetch(self, timeout: float) -> list[dict[str, object]]:
        rows = [row(1, "bob", 41), row(2, "bob", None), row(5, "mallory", 42)]
        if self.answer_at is not None and self.time >= self.answer_at:
            rows += [row(3, "bob", 42), row(4, "bob", 42)]
        return rows

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.time += seconds

    def wait(self, seconds: float) -> dict[str, object]:
        return await_answer(
            42,
            seconds,
            receivers=lambda: {"bob"},
            fetch=self.fetch,
            now=lambda: self.time,
            sleep=self.sleep,
        )


def test_an_answer_that_has_already_arrived():
    inbox = Inbox(answer_at=0)

    assert inbox.wait(0)["id"] == 3
    assert inbox.sleeps == []


def test_polls_are_frequent_at_first_and_rare_later():
    inbox = Inbox(answer_at=110)

    assert inbox.wait(60)["body"] == "done"
    assert inbox.sleeps[:5] == [0.05, 0.1, 0.2, 0.4, 0.5]
    assert set(inbox.sleeps[4:]) == {0.5}
    assert inbox.time < 111


def test_it_gives_up_on_time_and_names_the_remedy():
    inbox = Inbox(answer_at=None)

    with pytest.raises(TimedOutError, match=r"message 42 is stored.*'hive-c0re inbox'"):
        inbox.wait(7.3)

    assert inbox.time == pytest.approx(107.3)


def test_an_answer_at_the_deadline_counts():
    assert Inbox(answer_at=107.0).wait(7.0)["id"] == 3


def test_an_answer_of_another_sender_is_not_the_answer():
    with pytest.raises(TimedOutError):
        Inbox(answer_at=None).wait(1)

    assert Inbox(answer_at=0).wait(0)["from"] == "bob"
