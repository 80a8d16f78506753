"""The table of agents, the manager and peers: a page of it that has the selected row. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from hive.escapes import inline
from hive.top.agent_columns import GAP, fitting_columns
from hive.top.chosen import chosen_id
from hive.top.drawing import Drawn, Part
from hive.top.layout import TITLES, page, range_words
from hive.top.look import Fragment, Look, fitted
from hive.top.overviews import hidden_words
from hive.top.state import TopState, agents, agents_put_off, is_gone, place_of, project_title
from hive.view.agent_cells import AGENT_COLUMNS, NAME, STATE, AgentColumn, cells_of
from hive.view.row_fields import Row
from hive.view.text import ASCII

_MARKS = {
    "waiting": ("!", "!"),
    "failed": ("✖", "x"),
    "idle": ("○", "o"),
    "unknown": ("?", "?"),
    "running": ("●", "*"),
    "stopped": ("■", "."),
    "peer": ("◇", "-"),
}
"""The sign of each tier, in Unicode and in ASCII. The state has the word for it."""

_MARGIN = 4
"""Cells before the first column: the pointer and the sign, each with a blank."""


@frozen
class TableLine:
    """A row of the table, or the title of a group if it has no row."""

    title: str = ""
    row: Row | None = None


def table_lines(state: TopState, now: float) -> list[TableLine]:
    """Return all lines of the table: participants, and titles of groups."""
    found: list[TableLine] = []
    before = ""
    for row in agents(state, now):
        title = project_title(row)
        if title != before and (state.grouped or title == "peers"):
            found.append(TableLine(title=title))
        before = title
        found.append(TableLine(row=row))
    return found


def agents_part(
    state: TopState, lines: list[TableLine], size: tuple[int, int], look: Look, now: float
) -> Part:
    """Return the page of the table with the selected row.

    Args:
        state: The state.
        lines: All lines of the table.
        size: Cells of a line, and lines for it, its rule included.
        look: What it can show.
        now: Wall time in seconds.
    """
    width, height = size
    chosen = chosen_id(state, "agents", now)
    at = next((n for n, each in enumerate(lines) if each.row and each.row["name"] == chosen), 0)
    first, shown = page(lines, at, height - TITLES)
    texts = [cells_of(_with_tier(state, each.row), now) for each in shown if each.row is not None]
    columns = fitting_columns(texts, width - _MARGIN)
    drawn = [Drawn((("    ", ""), (_titles(columns, look), "dim")))]
    cells = iter(texts)
    for each in shown:
        if each.row is None:
            drawn.append(Drawn(((f"  {each.title}", "dim"),)))
        else:
            is_chosen = each.row["name"] == chosen and state.focus == "agents"
            drawn.append(_row(state, each.row, next(cells), columns, look, is_chosen=is_chosen))
    if not lines:
        drawn.append(Drawn(((f"    {_nobody(state)}", "dim"),)))
    above = sum(each.row is not None for each in lines[:first])
    count = sum(each.row is not None for each in lines)
    hidden = agents_put_off(state, now)
    words = [range_words(above, len(texts), count), hidden_words(state)]
    words += [f"{hidden} put off, E shows them"] if hidden else []
    return Part("AGENTS", "  ".join(filter(None, words)), tuple(drawn))


def _nobody(state: TopState) -> str:
    if "status" not in state.answers.found:
        return "not known yet"
    if state.filter or state.problems:
        return "none that the filter lets through; escape clears it"
    return "none yet: ':spawn NAME -- PROGRAM' creates one"


def _with_tier(state: TopState, row: Row) -> Row:
    """Return a row whose state says what it waits for, and since when."""
    name = str(row["name"])
    found = place_of(state, name).tier
    words = dict(row)
    if is_gone(state, name):
        words["state"] = "gone"
    elif row.get("state") in {"running", "connected"} and found in {"waiting", "idle"}:
        words["state"] = "waiting" if found == "waiting" else "idle"
    if row.get("tier_since"):
        words["since"] = row["tier_since"]
    return words


def _titles(columns: dict[AgentColumn, int], look: Look) -> str:
    gap = " " * GAP
    texts = (fitted(each.title, columns[each], look, right=each.numeric) for each in columns)
    return gap.join(texts).rstrip()


def _row(
    state: TopState,
    row: Row,
    texts: tuple[str, ...],
    columns: dict[AgentColumn, int],
    look: Look,
    *,
    is_chosen: bool,
) -> Drawn:
    name = str(row["name"])
    tier = place_of(state, name).tier
    role = "dim" if is_gone(state, name) else tier
    mark = "peer" if row.get("kind") == "peer" and tier not in {"waiting", "unknown"} else tier
    sign = _MARKS[mark][look.glyphs == ASCII]
    head: list[Fragment] = [(look.pointer if is_chosen else " ", "key"), (f" {sign} ", role)]
    cells = _cells(texts, columns, look, role)
    return Drawn((*head, *cells), "chosen" if is_chosen else "", inline(name))


def _cells(
    texts: tuple[str, ...], columns: dict[AgentColumn, int], look: Look, role: str
) -> Iterator[Fragment]:
    for column, text in zip(AGENT_COLUMNS, texts, strict=True):
        if column in columns:
            shown = fitted(text, columns[column], look, right=column.numeric)
            coloured = column in {NAME, STATE}
            yield shown, role if coloured else ""
            yield " " * GAP, ""
