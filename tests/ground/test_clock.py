"""Time stamps in RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.clock import in_words, rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
    ],
)
def test_a_time_is_shown_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@given(st.floats(0, 4_000_000_000))
def test_a_time_stamp_is_exact_to_the_millisecond(seconds: float) -> None:
    shown = datetime.fromisoformat(rfc3339(seconds))
    assert shown.tzinfo == UTC
    assert abs(shown.timestamp() - seconds) <= 0.001_001


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (720, "12 min"), (7200, "2 h")),
        *((86400, "1 day"), (172800, "2 days")),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert in_words(seconds) == words
