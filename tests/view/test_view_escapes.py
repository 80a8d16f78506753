"""Escapes, glyphs and times."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.clock import rfc3339
from hive.view import text as view_text
from hive.view.text import block, inline

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(categories=None)))
def test_no_control_character_reaches_the_terminal(text):
    for char in inline(text):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(char) not in DIRECTIONS


@given(st.text())
def test_a_block_is_its_lines(text):
    lines = block(text)

    assert all(line == inline(line) for line in lines)
    assert len(lines) == text.replace("\r\n", "\n").removesuffix("\n").count("\n") + 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with blanks", "plain, with blanks"),
        ("C:\\new \\x1b", "C:\\new \\x1b"),
        ("grün 漢字 👩\u200d💻", "grün 漢字 👩\u200d💻"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_inline(text, shown):
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one\n", ["one"]),
        ("one\n\n", ["one", ""]),
        ("one\r\ntwo", ["one", "two"]),
        ("a\tb", ["a       b"]),
        ("50%\rdone", ["50%\\rdone"]),
    ],
)
def test_block(text, lines):
    assert block(text) == lines


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
