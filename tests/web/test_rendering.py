"""Texts of a page: cut, however an agent has made them costly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.escapes import block
from hive.web.rendering import MEAN_LINE, diff_lines, is_cut, lines, short

LONG = 100_000


@pytest.mark.parametrize("text", ["+\n" * LONG, "\n" * LONG, "@@ -1 +1 @@\n" * LONG])
def test_a_text_of_many_lines_is_cut(text: str) -> None:
    shown = diff_lines(text, LONG)
    assert len(shown) <= LONG // MEAN_LINE + 1
    assert is_cut(text, LONG)
    assert "more characters" in shown[-1][1]


@given(st.text(alphabet="+-a\n\t", max_size=400), st.integers(MEAN_LINE, 400))
def test_what_is_not_shown_is_counted(text: str, most: int) -> None:
    *_, last = lines(text, most).split("\n")
    if is_cut(text, most):
        count = int(last.split()[1])
        kept = text[: len(text) - count]
        assert len(kept) <= most
        assert lines(text, most) == "\n".join([*block(kept), last])
    else:
        assert lines(text, most) == "\n".join(block(text))


class Counted(str):
    """A text that counts the characters of its parts that are looked at."""

    looked = 0

    def __getitem__(self, key: object) -> str:
        found = super().__getitem__(key)  # type: ignore[index]
        Counted.looked += len(found)
        return found

    def __str__(self) -> str:
        return self

    def replace(self, *_: object) -> str:  # type: ignore[override]
        pytest.fail("all of the text is looked at")


def test_the_first_line_costs_no_more_than_it_shows() -> None:
    assert short(Counted("\x00" * LONG), 10) == f"{chr(92)}x00" * 2 + f"{chr(92)}x..."
    assert Counted.looked <= 11
    assert short("one\ntwo", 10) == "one"
    assert short("x" * 10, 10) == "x" * 10
    assert short("x" * 11, 10) == f"{'x' * 10}..."
    assert short(None) == ""
