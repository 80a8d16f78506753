"""What waits for the operator, as lines: what, who, since when, whom it blocks. Pure."""

from __future__ import annotations

from hive.escapes import inline
from hive.quantities import counted
from hive.top.attention_items import WORDS, item_age, item_text, options_of
from hive.top.chosen import chosen_id
from hive.top.drawing import Drawn, Part
from hive.top.layout import page, range_words
from hive.top.look import Fragment, Look, fitted
from hive.top.state import ITEMS, TopState, items, put_off
from hive.view.row_fields import UNREADABLE, Row

_NAME = 12
"""Cells of the name."""

_ROLES = {"failure": "failed", "dead_letter": "failed", "mail": "", "": "dim"}
"""The role of the word for a kind, if it is no other than `waiting`."""


def items_part(state: TopState, height: int, look: Look, now: float) -> Part:
    """Return the page of the items that has the selected one.

    Args:
        state: The state.
        height: Lines for it, its rule included.
        look: What the terminal can show.
        now: Wall time in seconds.
    """
    rows = items(state, now)
    chosen = chosen_id(state, ITEMS, now)
    at = next((number for number, row in enumerate(rows) if str(row["id"]) == chosen), 0)
    first, shown = page(rows, at, height - 1)
    drawn = tuple(
        _readable_item(row, look, now, is_chosen=state.focus == ITEMS and str(row["id"]) == chosen)
        for row in shown
    )
    hidden = put_off(state, now)
    words = [range_words(first, len(shown), len(rows)) if rows else _nothing(state)]
    words += [f"{counted(hidden, 'item')} put off, E shows them"] if hidden else []
    return Part("NEEDS YOU", "  ".join(words), drawn)


def _nothing(state: TopState) -> str:
    if state.filter:
        return "nothing that the filter lets through"
    return "nothing" if state.answers.found else "not known yet"


def _readable_item(row: Row, look: Look, now: float, *, is_chosen: bool) -> Drawn:
    """Return the line of an item; that of one that cannot be read says so."""
    try:
        return _item(row, look, now, is_chosen=is_chosen)
    except UNREADABLE:
        text = f"  {inline(row['id'])}  unreadable"
        return Drawn(((text, "dim"),), "chosen" if is_chosen else "", str(row["id"]))


def _item(row: Row, look: Look, now: float, *, is_chosen: bool) -> Drawn:
    kind = str(row.get("kind") or "")
    role = _ROLES.get(kind, "waiting")
    name = inline(row.get("name") or "")
    number = f" {inline(row['number'])}" if row.get("number") is not None else ""
    found: list[Fragment] = [
        (look.pointer if is_chosen else " ", "key"),
        (f" {fitted(WORDS.get(kind, inline(kind)) + number, 12, look)}  ", role),
        (f"{fitted(name, _NAME, look)}  ", "name"),
        (f"{item_age(row, now):>4}  ", ""),
        (item_text(row, now), "" if kind else "dim"),
    ]
    for digit, option in enumerate(options_of(row), 1):
        found += [("  ", ""), (f"[{digit}]", "key"), (f" {inline(option)}", "")]
    return Drawn(tuple(found), "chosen" if is_chosen else "", str(row["id"]))
