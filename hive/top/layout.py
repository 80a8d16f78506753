"""How many lines each part of the main view gets, and which page of a list is drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")

TITLES = 2
"""Lines above the rows of agents: the rule and the titles of the columns."""

_ITEMS_LEAST, _ITEMS_SHARE = 3, 4
_RECENT_LEAST = 3
"""Lines of the messages or events with their rule."""

_EVENTS_FROM, _MESSAGES_FROM = 12, 24
"""Lines from which on events and messages are drawn at all, if there are many agents."""


@frozen
class Layout:
    """Lines of each part, its rule included; 0 for a part that is not drawn.

    Attributes:
        items: What waits for the operator.
        agents: The participants.
        messages: The newest messages.
        events: The newest events.
    """

    items: int
    agents: int
    messages: int
    events: int


def lay_out(room: int, items: int, agents: int) -> Layout:
    """Divide the lines between header and footer.

    Args:
        room: The lines.
        items: Lines that all items need.
        agents: Lines that all participants need, with the titles of their groups.
    """
    for_items = 1 + min(items, max(_ITEMS_LEAST, room // _ITEMS_SHARE))
    left = max(room - for_items, 0)
    events = max(_RECENT_LEAST, left // 6) if left >= _EVENTS_FROM else 0
    messages = max(_RECENT_LEAST, left // 6) if left >= _MESSAGES_FROM else 0
    for_agents = min(TITLES + max(agents, 1), left - events - messages)
    spare = left - events - messages - for_agents
    if events and not messages and spare >= _RECENT_LEAST:
        messages = _RECENT_LEAST
        spare -= messages
    if events:
        events += spare - spare // 2 if messages else spare
        messages += spare // 2 if messages else 0
    return Layout(for_items, for_agents, messages, events)


def page(rows: Sequence[T], at: int, height: int) -> tuple[int, Sequence[T]]:
    """Return the page of a list that has the row at an index, and the index of its first row.

    A page changes only when the row leaves it, so rows do not move under a moving selection.
    """
    if height <= 0:
        return 0, ()
    first = at // height * height
    # The last page is full: no blank lines while there are rows to fill them.
    first = min(first, max(len(rows) - height, 0)) if first + height > len(rows) else first
    return first, rows[first : first + height]


def range_words(first: int, shown: int, total: int) -> str:
    """Return which rows are drawn: `1-20 of 200`, or only how many, if that is all."""
    if shown >= total:
        return str(total)
    return f"{first + 1}-{first + shown} of {total}" if shown else f"0 of {total}"
