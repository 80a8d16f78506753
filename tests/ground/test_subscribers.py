"""Subscribers: one that fails keeps a value from no other, and the log has it once."""

from __future__ import annotations

import pytest

from hive.subscribers import Subscribers


class BrokenError(Exception):
    pass


def broken(value: int) -> None:
    raise BrokenError(f"at {value}")


def test_a_subscriber_that_fails_silences_no_other(caplog: pytest.LogCaptureFixture) -> None:
    before, after = [], []
    subscribers: Subscribers[[int]] = Subscribers("numbers")
    for each in (before.append, broken, after.append):
        subscribers.add(each)
    for value in range(3):
        subscribers.notify(value)
    assert before == after == [0, 1, 2]
    [record] = caplog.records
    assert record.getMessage().startswith("a subscriber of numbers failed")
    assert "at 0" in (record.exc_text or "")


def test_a_subscriber_that_comes_back_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    subscribers: Subscribers[[int]] = Subscribers("numbers")
    for _ in range(2):
        unsubscribe = subscribers.add(broken)
        subscribers.notify(1)
        unsubscribe()
    assert len(caplog.records) == 2
    assert len(subscribers) == 0


def test_a_subscriber_may_unsubscribe_while_it_is_called() -> None:
    got: list[int] = []
    subscribers: Subscribers[[int]] = Subscribers("numbers")

    def once(value: int) -> None:
        got.append(value)
        unsubscribe()

    unsubscribe = subscribers.add(once)
    subscribers.add(got.append)
    subscribers.notify(1)
    subscribers.notify(2)
    assert got == [1, 1, 2]


def test_one_function_may_subscribe_twice() -> None:
    got: list[int] = []
    subscribers: Subscribers[[int]] = Subscribers("numbers")
    first, second = subscribers.add(got.append), subscribers.add(got.append)
    subscribers.notify(1)
    first()
    subscribers.notify(2)
    second()
    subscribers.notify(3)
    assert got == [1, 1, 2]
