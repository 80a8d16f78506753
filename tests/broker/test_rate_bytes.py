"""A sender is limited in bytes, too, so that mail to itself cannot fill the disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.broker.admission import BURST, give_back, spend
from hive.broker.inboxes import Inbox
from hive.clock import MINUTE
from hive.config import Limits
from hive.errors import RateLimitedError

LIMITS = Limits(rate=100, rate_bytes=int(1000 / BURST))
"""A thousand bytes at once, and four thousand in a minute."""


def test_the_bytes_of_a_minute_are_bounded_and_come_back() -> None:
    sender = Inbox("alice")
    spend(sender, 600, LIMITS, 0.0)
    spend(sender, 400, LIMITS, 0.0)
    error = r"4000 bytes .* 1000 of them at once; 0 are left .* has 100;.* possible in 1\.5 s"
    with pytest.raises(RateLimitedError, match=error):
        spend(sender, 100, LIMITS, 0.0)
    spend(sender, 100, LIMITS, 1.6)
    for second in range(3, 63):
        spend(sender, 4000 // 60, LIMITS, float(second))


def test_a_pause_brings_no_more_than_may_be_sent_at_once() -> None:
    sender = Inbox("alice")
    spend(sender, 1000, LIMITS, 0.0)
    spend(sender, 1000, LIMITS, MINUTE)
    with pytest.raises(RateLimitedError):
        spend(sender, 1, LIMITS, MINUTE)


def test_a_refused_message_costs_nothing() -> None:
    sender = Inbox("alice")
    spend(sender, 1000, LIMITS, 0.0)
    before = sender.tokens
    with pytest.raises(RateLimitedError):
        spend(sender, 1, LIMITS, 0.0)
    assert sender.tokens == before
    give_back(sender, 1000)
    spend(sender, 1000, LIMITS, 0.0)


def test_a_full_bucket_takes_a_message_above_it() -> None:
    sender = Inbox("alice")
    spend(sender, 5000, LIMITS, 0.0)
    with pytest.raises(RateLimitedError):
        spend(sender, 1, LIMITS, MINUTE)
    spend(sender, 1, LIMITS, 1.1 * MINUTE)


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 5)), max_size=100))
def test_no_minute_has_more_than_its_bytes_and_a_full_bucket(
    steps: list[tuple[int, float]],
) -> None:
    sender, now, sent = Inbox("alice"), 0.0, list[tuple[float, int]]()
    for size, passed in steps:
        now += passed
        try:
            spend(sender, size, LIMITS, now)
        except RateLimitedError:
            continue
        sent.append((now, size))
    for start, _ in sent:
        inside = [size for at, size in sent if start <= at <= start + MINUTE]
        assert sum(inside) <= (1 + BURST) * LIMITS.rate_bytes + 1e-6
        assert len(inside) <= 2 * LIMITS.rate
