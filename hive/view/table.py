"""The status as a rich table that fits a terminal.

Pure: what is drawn depends on the arguments alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from rich.console import Group, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from hive.view.columns import COLUMNS, GAP, NAME, STATE, Column, cells, fit, natural_widths
from hive.view.terminal import Glyphs
from hive.view.urgency import Row, Urgency, in_order, summary, urgency

STYLES = {
    Urgency.FAILED: "bold red",
    Urgency.WAITING: "yellow",
    Urgency.RUNNING: "green",
    Urgency.STOPPED: "dim",
    Urgency.PEER: "cyan",
}
"""Colour of a row's mark, name and state; the words say the same."""

_FRAME = 2
"""Lines that are no rows: the titles and the summary."""


def snapshot(
    rows: Iterable[Row],
    now: float,
    *,
    width: int,
    height: int | None = None,
    glyphs: Glyphs,
    notice: str | None = None,
) -> RenderableType:
    """Return the status table with a line that counts beneath it.

    Args:
        rows: Status rows in any order.
        now: Wall time in seconds that ages refer to.
        width: Cells of the terminal; narrow ones lose columns, see `columns.DROPPED`.
        height: Lines there are; rows that do not fit are counted, the most urgent ones stay. None
            for as many lines as it takes.
        glyphs: The signs the terminal can show.
        notice: Shown last, for instance that the daemon is gone and the picture is old.
    """
    ordered = in_order(rows)
    room = _room(len(ordered), height, notice)
    lines: list[RenderableType] = [_table(ordered[:room], now, width, glyphs)]
    if room < len(ordered):
        lines.append(_line(f"{glyphs.ellipsis} {len(ordered) - room} more", "dim", glyphs))
    lines.append(_line(summary(ordered), "dim", glyphs))
    if notice:
        lines.append(_line(notice, "bold yellow", glyphs))
    return Group(*lines)


def _room(count: int, height: int | None, notice: str | None) -> int:
    """Return how many rows fit; if not all, one line is kept to say so."""
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
    # rich's ellipsis is one Unicode character; where that cannot be shown, cut without a sign.
    return "ellipsis" if len(glyphs.ellipsis) == 1 else "crop"


def _line(text: str, style: str, glyphs: Glyphs) -> Text:
    return Text(text, style=style, no_wrap=True, overflow=_overflow(glyphs))
