"""The urgency of a participant for the operator: it decides order and colour of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

Row = Mapping[str, Any]
"""A status row as the host socket sends it, see `hive.wire.rows.StatusRow`."""

_WAITING_STATES = frozenset({"backoff", "waiting", "stray", "unknown"})
_MOVING_STATES = frozenset({"starting", "stopping"})


class Urgency(IntEnum):
    """Urgency of a row, in the order in which rows are shown."""

    FAILED = 0
    WAITING = 1
    RUNNING = 2
    STOPPED = 3
    PEER = 4


def urgency(row: Row) -> Urgency:
    """Return the urgency of a participant.

    `WAITING` is a restart that is due later, a login that is needed, a stray container or an
    unknown state. A peer is always `PEER`, since the hive does not manage its lifecycle.
    """
    if row.get("kind") == "peer":
        return Urgency.PEER
    if row.get("failed"):
        return Urgency.FAILED
    if row.get("needs_login") or row.get("next_restart_at"):
        return Urgency.WAITING
    if row.get("state") in _WAITING_STATES:
        return Urgency.WAITING
    moving = row.get("state") in _MOVING_STATES
    return Urgency.RUNNING if row.get("running") or moving else Urgency.STOPPED


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows with the most urgent first, by name within the same urgency."""
    return sorted(rows, key=lambda row: (urgency(row), str(row.get("name"))))


def summary(rows: Iterable[Row]) -> str:
    """Return the counts in one line: `3 agents: 1 failed, 2 running; 1 peer; 4 unread`."""
    rows = list(rows)
    counts = dict.fromkeys(Urgency, 0)
    for row in rows:
        counts[urgency(row)] += 1
    peers = counts.pop(Urgency.PEER)
    words = [f"{count} {kind.name.lower()}" for kind, count in counts.items() if count]
    parts = [_count(len(rows) - peers, "agent") + (": " + ", ".join(words) if words else "")]
    if peers:
        parts.append(_count(peers, "peer"))
    unread = sum(int(row.get("unread") or 0) for row in rows)
    return "; ".join([*parts, f"{unread} unread"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
