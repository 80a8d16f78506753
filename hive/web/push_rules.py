"""What is sent to the operator's devices, and when. Pure.

Each item that needs the operator is sent once, whatever happens to the process. As with notices,
one that wakes after a snooze is a new one. What begins within `GATHER` seconds is sent together,
and a notification follows another after `GAP` seconds at the earliest. In quiet hours nothing is
sent; what still waits at their end is sent then.

A notification says of what kind the items are and whom they are about, and nothing that an agent
wrote: it shows on a locked screen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from hive.clock import DAY
from hive.escapes import inline
from hive.quantities import counted
from hive.view.attention_lines import is_waiting

GATHER = 5.0
"""Seconds for which a new item waits for others."""

GAP = 60.0
"""Least seconds between two notifications."""

LINES_MAX = 4
"""Items that a notification names."""

NAME_MAX = 40
"""Characters of a participant's name in it."""

Item = Mapping[str, Any]


@frozen
class PushState:
    """What is known of earlier notifications.

    Attributes:
        pushed: Keys of the items that were sent and still wait.
        new: Since when each further item waits to be sent, by its key, in wall seconds.
        last: When the last notification was sent, in wall seconds.
    """

    pushed: frozenset[str] = frozenset()
    new: Mapping[str, float] = field(factory=dict)
    last: float = 0.0


def key_of(item: Item) -> str:
    """Return what an item is known by: an agent that fails again is a new one."""
    return f"{item['id']} {item.get('since') or ''}"


def after_reading(
    state: PushState, items: Sequence[Item], now: float, is_quiet: bool
) -> tuple[PushState, Sequence[Item]]:
    """Return the next state, and the items to send now, new ones first; none if nothing is due.

    Args:
        state: What was known.
        items: All items, also those that do not wait.
        now: Wall seconds.
        is_quiet: Whether it is in the quiet hours.
    """
    waiting = [item for item in items if is_waiting(item)]
    last = min(state.last, now)  # the clock may have been set back
    pushed = state.pushed & {key_of(item) for item in waiting}
    new = {
        key: min(state.new.get(key, now), now) for key in map(key_of, waiting) if key not in pushed
    }
    is_due = new and min(new.values()) <= now - GATHER and last <= now - GAP
    if is_quiet or not is_due:
        return PushState(pushed, new, last), ()
    first = sorted(waiting, key=lambda item: key_of(item) not in new)
    return PushState(pushed | new.keys(), {}, now), first


def seen_already(items: Sequence[Item]) -> frozenset[str]:
    """Return the keys of items that the operator has on the screen."""
    return frozenset(map(key_of, items))


def payload_of(items: Sequence[Item]) -> str:
    """Return a notification about what waits, as JSON for the page's worker."""
    count = len(items)
    lines = [_line(item) for item in items[:LINES_MAX]]
    more = [f"and {count - LINES_MAX} more"] if count > LINES_MAX else []
    path = f"/needs-you/{quote(items[0]['id'], safe='')}" if count == 1 else "/needs-you"
    title = f"{counted(count, 'thing')} need{'s' if count == 1 else ''} you"
    return _payload(title, [*lines, *more], path)


def greeting() -> str:
    """Return the notification that a device gets when it is added."""
    return _payload("This device is notified", ["Here is what needs you."], "/needs-you")


def farewell() -> str:
    """Return the notification that a device gets before its session ends."""
    return _payload("Log in again", ["This device is notified until tomorrow at most."], "/account")


def is_ending(began: float, ends: float, now: float) -> bool:
    """Return whether a session is so near to its end that its device says so: a day, or a tenth."""
    return ends - now < min(DAY, (ends - began) / 10)


def _payload(title: str, lines: Collection[str], path: str) -> str:
    return json.dumps({"title": title, "body": "\n".join(lines), "path": path})


def _line(item: Item) -> str:
    kind = str(item["kind"]).replace("_", " ")
    name = inline(item["name"])[:NAME_MAX] if item.get("name") else ""
    return f"{kind}: {name}" if name else kind
