"""How much a participant needs the operator: the word that order and colour derive from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

Row = Mapping[str, Any]
"""A status row as the host socket sends it, see `hive.wire.rows.StatusRow`."""

_WAITING_STATES = frozenset({"backoff", "waiting", "stray", "unknown"})
_MOVING_STATES = frozenset({"starting", "stopping"})


class Urgency(IntEnum):
    """In the order in which rows are shown."""

    FAILED = 0
    WAITING = 1
    RUNNING = 2
    STOPPED = 3
    PEER = 4


def urgency(row: Row) -> Urgency:
    """Return where a participant stands.

    `WAITING` is whatever does not go on by itself now: a restart that is due later, a login that is
    needed, an agent that runs although it should not, a state that nobody could find out. A peer's
    life is not ours: it is only ever a peer.
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
    """Return rows with those that need the operator first, by name within the same standing."""
    return sorted(rows, key=lambda row: (urgency(row), str(row.get("name"))))


def summary(rows: Iterable[Row]) -> str:
    """Return one line that counts: `3 agents: 1 failed, 2 running; 1 peer; 4 unread`."""
    rows = list(rows)
    counts = dict.fromkeys(Urgency, 0)
    for row in rows:
        counts[urgency(row)] += 1
    peers = counts.pop(Urgency.PEER)
    words = [f"{count} {which.name.lower()}" for which, count in counts.items() if count]
    parts = [_count(len(rows) - peers, "agent") + (": " + ", ".join(words) if words else "")]
    if peers:
        parts.append(_count(peers, "peer"))
    unread = sum(int(row.get("unread") or 0) for row in rows)
    return "; ".join([*parts, f"{unread} unread"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
