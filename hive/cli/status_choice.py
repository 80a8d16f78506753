"""The status table with chosen columns and a chosen order: once, on a terminal, or in JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from rich.console import Group, RenderableType
from rich.text import Text

from hive.cli import output
from hive.view.chosen_columns import HELP, chosen, help_lines, sorted_rows, table_lines
from hive.view.columns import COLUMNS, Column
from hive.view.text import Glyphs

Row = Mapping[str, Any]


@frozen
class ChosenTable:
    """A status table with these columns, in this order.

    Attributes:
        columns: The columns, left to right.
        order: What it is sorted by; None for the most urgent first.
    """

    columns: tuple[Column, ...]
    order: str | None

    def sort(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows in the order."""
        return sorted_rows(rows, self.order, time.time())

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """Return rows as aligned lines, titles first."""
        return table_lines(self.sort(rows), self.columns, time.time())

    def picture(
        self,
        rows: Sequence[Row],
        now: float,
        *,
        width: int,
        height: int | None = None,
        glyphs: Glyphs,
        notice: str | None = None,
    ) -> RenderableType:
        """Return the table for a terminal; arguments as of `hive.view.table.snapshot`."""
        lines = table_lines(sorted_rows(rows, self.order, now), self.columns, now)
        room = len(lines) if height is None else max(height - 1 - (notice is not None), 1)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"{glyphs.ellipsis} {len(lines) - room + 1} more"]
        texts = [Text(line, no_wrap=True, overflow="crop") for line in lines]
        if notice:
            texts.append(Text(notice, style="bold yellow", no_wrap=True, overflow="crop"))
        return Group(*texts)


def chosen_table(columns: str | None, order: str | None, *, as_json: bool) -> ChosenTable | None:
    """Return the table that the options ask for; None once the help about them is printed.

    Raises:
        BadRequestError: There is no such column, or the options do not go together.
    """
    if columns is not None and columns.strip().lower() == HELP:
        output.lines(help_lines())
        return None
    if columns is not None and as_json:
        raise output.misuse("status", "JSON has every column, so give -o or --json")
    found = ChosenTable(COLUMNS if columns is None else chosen(columns), order)
    found.sort([])  # refuses an unknown order before anything is asked
    return found
