"""Text of others prints as itself, and newlines only where the printer allows them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.escapes import block, inline

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
