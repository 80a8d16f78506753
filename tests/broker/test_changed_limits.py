"""Limits that change while the broker runs."""

from contextlib import suppress

import attrs
import pytest

from hive.broker.loop_guard import LoopGuard
from hive.config import Limits
from hive.errors import InboxFullError, RateLimitedError, TooLargeError
from tests.broker.rig import Rig


def changed(rig: Rig, **limits: object) -> None:
    rig.rules.set_limits(attrs.evolve(rig.rules.limits, **limits))


def test_lower_limits_hold_for_the_next_message_and_what_is_stored_stays() -> None:
    rig = Rig(Limits())
    for _ in range(3):
        rig.send("bob", sender="alice")
    changed(rig, inbox_messages=3)
    with pytest.raises(InboxFullError, match="3 of 3"):
        rig.send("bob", sender="alice")
    assert rig.rules.table.inbox("bob").unread == 3
    changed(rig, inbox_messages=10, body_bytes=1)
    with pytest.raises(TooLargeError, match="the limit is 1"):
        rig.send("bob", sender="alice", body="two")


def test_a_lower_rate_counts_what_was_sent_within_the_minute() -> None:
    rig = Rig(Limits(rate=100))
    for _ in range(5):
        rig.send("bob", sender="alice")
    changed(rig, rate=2)
    sent = 0
    with suppress(RateLimitedError):
        for sent in range(4):  # noqa: B007 - the last one that was begun
            rig.send("bob", sender="alice")
    assert sent <= 2


def test_keys_of_a_sender_beyond_a_lower_number_stay_and_no_new_one_is_taken() -> None:
    rig = Rig(Limits())
    first = rig.send("bob", sender="alice", dedupe_key="a")
    rig.send("bob", sender="alice", dedupe_key="b")
    changed(rig, dedupe_keys=1)
    assert rig.send("bob", sender="alice", dedupe_key="a").id == first.id
    with pytest.raises(RateLimitedError, match="2 dedupe keys"):
        rig.send("bob", sender="alice", dedupe_key="c")


def test_with_another_rate_of_pairs_the_counts_begin_anew() -> None:
    guard = LoopGuard(2, 32)

    def exchanged(times: int) -> list[bool]:
        found = []
        for _ in range(times):
            found += [guard.passes("a", "b", 1.0), guard.passes("b", "a", 1.0)]
        return found

    assert exchanged(2) == [True] * 4
    guard.set_limits(2, 5)
    assert not all(exchanged(1)), "the same rate keeps the counts"
    guard.set_limits(3, 5)
    assert exchanged(3) == [True] * 6
    assert not all(exchanged(1))
    assert guard.why_parked("a", "c", 6, 1.0) is not None
