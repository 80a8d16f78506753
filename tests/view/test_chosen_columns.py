"""The status table with columns and an order that were chosen."""

from __future__ import annotations

import pytest

from hive.errors import BadRequestError
from hive.view.chosen_columns import BY_NAME, chosen, sorted_rows, table_lines
from hive.view.columns import COLUMNS
from tests.view.conftest import NOW, ago, status_row

ROWS = [
    status_row("alice", "running", since=ago(50), unread=2, memory_bytes=3 << 20, context_fill=0.4),
    status_row("bob", "failed", since=ago(900), unread=9, cost_today_usd=1.5),
    status_row("carol", "stopped", memory_bytes=5 << 30),
]


def names(order: str | None) -> list[str]:
    return [row["name"] for row in sorted_rows(ROWS, order, NOW)]


def test_columns_are_shown_as_they_are_named() -> None:
    columns = chosen("memory, NAME,context,cost")
    assert table_lines(ROWS, columns, NOW) == [
        "MEMORY  NAME   CONTEXT   COST",
        "  3.0M  alice      40%      -",
        "     -  bob          -  $1.50",
        "  5.0G  carol        -      -",
    ]


def test_wide_is_all_columns_and_the_usual_ones_come_first() -> None:
    assert chosen("wide")[: len(COLUMNS)] == COLUMNS
    assert chosen("wide") == tuple(BY_NAME.values())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("name,memry", "there is no column 'memry'; did you mean 'memory'?"),
        ("name,", "there is no column ''; '-o help' lists them"),
        ("xyzzy", "there is no column 'xyzzy'; '-o help' lists them"),
    ],
)
def test_an_unknown_column_is_refused_with_the_nearest(words: str, sentence: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        chosen(words)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, ["bob", "alice", "carol"]),
        ("attention", ["bob", "alice", "carol"]),
        ("name", ["alice", "bob", "carol"]),
        ("-name", ["carol", "bob", "alice"]),
        ("unread", ["bob", "alice", "carol"]),
        ("-unread", ["carol", "alice", "bob"]),
        ("for", ["bob", "alice", "carol"]),
        ("-for", ["alice", "bob", "carol"]),
        ("memory", ["carol", "alice", "bob"]),
        ("-memory", ["alice", "carol", "bob"]),
        ("state", ["bob", "alice", "carol"]),
    ],
)
def test_rows_are_sorted_and_those_without_a_value_come_last(
    order: str | None, expected: list[str]
) -> None:
    assert names(order) == expected


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(BadRequestError, match="did you mean 'name'"):
        sorted_rows([], "nam", NOW)


def test_a_value_of_another_type_costs_one_cell() -> None:
    odd = status_row("odd", "running", memory_bytes="much", since=5, reason="\x1b[31mred")
    lines = table_lines([odd, ROWS[0]], chosen("name,memory,for,reason"), NOW)
    assert lines[1].split() == ["odd", "-", "-", "\\x1b[31mred"]
    assert lines[2].startswith("alice")
