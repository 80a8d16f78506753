"""The urgency of a participant for the operator: it decides order and colour of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum

from hive.quantities import counted
from hive.view.text import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"
"""A status row as the host socket sends it, see `hive.wire.rows.StatusRow`."""

_WAITING_STATES = frozenset({"backoff", "queued", "waiting", "stray", "unknown"})
_MOVING_STATES = frozenset({"starting", "stopping"})
_AGENT_WORDS = ("failed", "waiting", "running", "starting", "stopping", "stopped")

WRONG = (TypeError, ValueError, KeyError, AttributeError, OverflowError)
"""Errors of a value of a wrong type, which costs one row and not the table."""

SETTLED = 60.0
"""Seconds after its last end in which a restarted agent is not shown among those that run."""


class Urgency(IntEnum):
    """Urgency of a row, in the order in which rows are shown."""

    FAILED = 0
    WAITING = 1
    RUNNING = 2
    STOPPED = 3
    PEER = 4


def urgency(row: Row) -> Urgency:
    """Return the urgency of a participant.

    `WAITING` is a restart that is due later, a start that is queued, a login that is needed, a
    frozen agent, a stray container or an unknown state. A peer is always `PEER`, since the hive
    does not manage its lifecycle.
    """
    if row.get("kind") == "peer":
        return Urgency.PEER
    if row.get("failed"):
        return Urgency.FAILED
    if row.get("needs_login") or row.get("next_restart_at") or row.get("frozen_since"):
        return Urgency.WAITING
    state = row.get("state")
    if not isinstance(state, str | None) or state in _WAITING_STATES:
        return Urgency.WAITING
    moving = state in _MOVING_STATES
    return Urgency.RUNNING if row.get("running") or moving else Urgency.STOPPED


def in_order(rows: Iterable[Row], now: float) -> list[Row]:
    """Return rows with the most urgent first, by name within the same urgency.

    An agent that ends again and again keeps its place among those that wait: it leaves it only when
    it has run for `SETTLED` seconds.
    """
    return sorted(rows, key=lambda row: (_place(row, now), str(row.get("name"))))


def unreadable(row: Row, error: Exception) -> Row:
    """Return what is shown of a row that has values of a wrong type: the name, and why."""
    return {
        "name": str(row.get("name")),
        "kind": "peer" if row.get("kind") == "peer" else "agent",
        "state": "unknown",
        "reason": f"its status cannot be shown ({type(error).__name__}: {error})",
    }


def _place(row: Row, now: float) -> Urgency:
    try:
        return _settled_place(row, now)
    except WRONG:
        return Urgency.WAITING  # the state is unknown


def _settled_place(row: Row, now: float) -> Urgency:
    found = urgency(row)
    if found is not Urgency.RUNNING or not row.get("restarts"):
        return found
    ended = seconds(row.get("last_end_at"))
    return Urgency.WAITING if ended is not None and now - ended < SETTLED else found


def summary(rows: Iterable[Row]) -> str:
    """Return the counts in one line: `3 agents: 1 failed, 2 running; 1 peer; 4 unread`.

    An agent that starts or stops is counted as such: it does not run.
    """
    rows = list(rows)
    counts = Counter(map(_word, rows))
    peers = counts[Urgency.PEER.name.lower()]
    words = [f"{counts[word]} {word}" for word in _AGENT_WORDS if counts[word]]
    parts = [counted(len(rows) - peers, "agent") + (": " + ", ".join(words) if words else "")]
    if peers:
        parts.append(counted(peers, "peer"))
    unread = sum(map(_unread, rows))
    return "; ".join([*parts, f"{unread} unread"])


def _word(row: Row) -> str:
    """Return the word under which a participant is counted."""
    found = urgency(row)
    moving = found is Urgency.RUNNING and row.get("state") in _MOVING_STATES
    return str(row["state"]) if moving else found.name.lower()


def _unread(row: Row) -> int:
    count = row.get("unread")
    return count if isinstance(count, int) else 0
