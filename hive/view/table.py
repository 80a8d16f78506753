"""The status as a rich table that fits a terminal. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from rich.console import Group, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from hive.view.columns import COLUMNS, GAP, NAME, STATE, Column, cells, fit, natural_widths
from hive.view.text import Glyphs
from hive.view.urgency import Row, Urgency, in_order, summary, urgency

STYLES = {
    Urgency.FAILED: "bold red",
    Urgency.WAITING: "yellow",
    Urgency.RUNNING: "green",
    Urgency.STOPPED: "dim",
    Urgency.PEER: "cyan",
}
"""Colour of a row's mark, name and state; the words have the same meaning."""

_FRAME = 2
"""Lines for the titles and the summary."""


def snapshot(
    rows: Iterable[Row],
    now: float,
    *,
    width: int,
    height: int | None = None,
    glyphs: Glyphs,
    notice: str | None = None,
) -> RenderableType:
    """Return the status table with a summary below it.

    Args:
        rows: Status rows in any order.
        now: Wall time in seconds, for ages.
        width: Cells of the terminal; a narrow one drops columns, see `columns.DROPPED`.
        height: Lines of the terminal; the most urgent rows are shown, the others counted. None for
            all rows.
        glyphs: The glyphs that the terminal can show.
        notice: A last line, for instance that the daemon does not answer.
    """
    ordered = in_order(rows, now)
    room = _room(len(ordered), height, notice)
    lines: list[RenderableType] = [_table(ordered[:room], now, width, glyphs)]
    if room < len(ordered):
        lines.append(_line(f"{glyphs.ellipsis} {len(ordered) - room} more", "dim", glyphs))
    lines.append(_line(summary(ordered), "dim", glyphs))
    if notice:
        lines.append(_line(notice, "bold yellow", glyphs))
    return Group(*lines)


def _room(count: int, height: int | None, notice: str | None) -> int:
    """Return how many rows fit; if not all, one line is reserved to count the others."""
    if height is None:
        return count
    free = height - _FRAME - (1 if notice else 0)
    return count if count <= free else max(free - 1, 0)


def _table(rows: Sequence[Row], now: float, width: int, glyphs: Glyphs) -> Table:
    texts = [cells(row, now, glyphs) for row in rows]
    shown = fit(natural_widths(texts), width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, cells_wide in shown.items():
        _add_column(table, column, cells_wide)
    for row, text in zip(rows, texts, strict=True):
        table.add_row(*_styled(row, text, shown, glyphs))
    return table


def _add_column(table: Table, column: Column, width: int) -> None:
    table.add_column(
        Text(column.title),
        justify="right" if column.numeric else "left",
        no_wrap=True,
        overflow="crop",
        width=width,
    )


def _styled(
    row: Row, texts: Sequence[str], shown: Container[Column], glyphs: Glyphs
) -> Iterable[Text]:
    style = STYLES[urgency(row)]
    for column, text in zip(COLUMNS, texts, strict=True):
        if column in shown:
            coloured = column in {NAME, STATE}
            yield Text(text, style=style if coloured else "", overflow=_overflow(glyphs))


def _overflow(glyphs: Glyphs) -> OverflowMethod:
    # rich's ellipsis is one Unicode character; without Unicode, cut without an ellipsis.
    return "ellipsis" if len(glyphs.ellipsis) == 1 else "crop"


def _line(text: str, style: str, glyphs: Glyphs) -> Text:
    return Text(text, style=style, no_wrap=True, overflow=_overflow(glyphs))
