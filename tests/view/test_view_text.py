"""Glyphs and times."""

from __future__ import annotations

import pytest

from hive.clock import rfc3339
from hive.view import text as view_text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86399, "23h"),
        (86400, "1d"),
        (400 * 86400, "400d"),
    ],
)
def test_span(seconds, shown):
    assert view_text.span(seconds) == shown


def test_age_and_until_read_the_times_of_the_wire(now):
    assert view_text.age(rfc3339(now - 250), now) == "4m"
    assert view_text.until(rfc3339(now + 12), now) == "12s"
    assert view_text.age("2023-11-14T23:13:20+01:00", now) == "0s"


@pytest.mark.parametrize("stamp", [None, "", "yesterday", "2023-11-14T22:13:20"])
def test_an_unknown_time_is_not_guessed(stamp, now):
    assert view_text.age(stamp, now) == "-"
    assert view_text.until(stamp, now) == "-"


@pytest.mark.parametrize(
    ("encoding", "chosen"),
    [
        ("utf-8", view_text.UNICODE),
        ("ascii", view_text.ASCII),
        ("latin-1", view_text.ASCII),
        ("no-such-encoding", view_text.ASCII),
        (None, view_text.ASCII),
    ],
)
def test_glyphs_are_those_that_the_output_can_encode(encoding, chosen):
    assert view_text.for_encoding(encoding) is chosen


def test_ascii_glyphs_are_ascii_and_as_wide():
    for plain, fancy in zip(view_text.ASCII[1:5], view_text.UNICODE[1:5], strict=True):
        assert plain.isascii()
        assert len(plain) == len(fancy)
    assert all(len(mark) == 1 and mark.isascii() for mark in view_text.ASCII.marks)


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("2023-11-14T22:13:25Z", "in 5s"),
        ("2023-11-14T22:13:20Z", "now"),
        ("2023-11-14T22:00:00Z", "now"),
        (None, "in -"),
    ],
)
def test_what_is_due_is_due_now_once_its_time_is_over(stamp: str | None, words: str) -> None:
    assert view_text.due(stamp, 1_700_000_000.0) == words
