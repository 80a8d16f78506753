"""Which columns of the table of participants a narrow terminal drops. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from hive.view.agent_cells import (
    AGENT_COLUMNS,
    COST,
    CPU,
    CTX,
    IN,
    MEM,
    NAME,
    NOW,
    OLDEST,
    RST,
    SEEN,
    STATE,
    TOKENS,
    TURN,
    AgentColumn,
)

GAP = 2
"""Cells between columns."""

NOW_LEAST, NOW_SHARE = 24, 3
"""Cells that the column NOW gets before others are dropped for it: a third of a wide terminal."""

LONGEST = 22
"""Cells of NAME and of STATE at most, so that no name takes the room of the others."""

DROPPED_FIRST = (TOKENS, COST, CPU, RST, MEM, CTX, TURN, SEEN, OLDEST, IN)
"""The order in which a narrow terminal drops columns. NAME, STATE, FOR and NOW always stay."""


def fitting_columns(texts: Iterable[Sequence[str]], width: int) -> dict[AgentColumn, int]:
    """Return the columns that fit into a width, in order, with the width of each.

    Args:
        texts: The cells of the rows that are shown.
        width: Cells for all columns together.
    """
    widths = {column: len(column.title) for column in AGENT_COLUMNS}
    for cells in texts:
        for column, text in zip(AGENT_COLUMNS, cells, strict=True):
            widths[column] = max(widths[column], cell_len(text))
    for column in (NAME, STATE):
        widths[column] = min(widths[column], LONGEST)
    shown = list(AGENT_COLUMNS)
    for column in DROPPED_FIRST:
        if _others(shown, widths) + max(NOW_LEAST, width // NOW_SHARE) <= width:
            break
        shown.remove(column)
    room = max(width - _others(shown, widths), 1)
    return {column: room if column is NOW else widths[column] for column in shown}


def _others(columns: Sequence[AgentColumn], widths: dict[AgentColumn, int]) -> int:
    return sum(widths[column] + GAP for column in columns if column is not NOW)
