"""The order of participants: trouble first, and rows that stay where they are. Pure.

The tier comes from the daemon, or from the state of the row. Within a tier the oldest is first:
whoever enters it is put after those that are in it. An agent that ends again and again keeps its
place: it leaves its tier only when it has run for `SETTLED` seconds.
"""

from __future__ import annotations

from collections import Counter, namedtuple
from collections.abc import Collection, Iterable, Mapping

from hive.quantities import counted
from hive.view.row_fields import Row, stamp, whole
from hive.view.urgency import SETTLED

TIERS = ("waiting", "failed", "idle", "unknown", "running", "stopped")
"""Those that wait for the operator first."""

TROUBLE = frozenset({"waiting", "failed", "unknown"})
"""The tiers that remain when only problems are shown."""

_BY_STATE = {
    "failed": "failed",
    "backoff": "failed",
    "unknown": "unknown",
    "stray": "unknown",
    "away": "unknown",
    "stopped": "stopped",
    "ended": "stopped",
}


class Place(namedtuple("Place", "tier number")):
    """Where a participant is: its tier, and its number in the order in which it entered it."""

    __slots__ = ()

    tier: str
    number: int


Places = Mapping[str, Place]
"""The place of each participant by its name."""


def tier(row: Row, now: float, asking: Collection[str] = ()) -> str:
    """Return the tier of a participant.

    Args:
        row: Its status row.
        now: Wall time in seconds.
        asking: The names of those whose question waits for the operator.
    """
    found = row.get("tier")
    found = found if found in TIERS else _derived(row, asking)
    return "failed" if found in {"idle", "running"} and _is_flapping(row, now) else found


def is_trouble(row: Row, now: float, asking: Collection[str] = ()) -> bool:
    """Return whether a row remains when only problems are shown."""
    return tier(row, now, asking) in TROUBLE or bool(row.get("verdict") or row.get("frozen_since"))


def arrange(
    rows: Iterable[Row], before: Places, now: float, asking: Collection[str] = ()
) -> dict[str, Place]:
    """Return the new places of all participants, in order.

    Args:
        rows: All status rows.
        before: Their places until now.
        now: Wall time in seconds.
        asking: The names of those whose question waits for the operator.
    """
    tiers = {str(row["name"]): tier(row, now, asking) for row in rows}
    by_name = {str(row["name"]): row for row in rows}
    stayed = {name for name, found in tiers.items() if _tier_of(before, name) == found}
    entered = sorted(tiers.keys() - stayed, key=lambda name: (_since(by_name[name]), name))
    number = max((place.number for place in before.values()), default=0)
    places = {name: Place(tiers[name], before[name].number) for name in stayed}
    for name in entered:
        number += 1
        places[name] = Place(tiers[name], number)
    ordered = sorted(places, key=lambda name: (TIERS.index(tiers[name]), places[name].number))
    return {name: places[name] for name in ordered}


def counts_by_tier(rows: Iterable[Row], places: Places) -> list[str]:
    """Return the counts of agents by tier, as their rows show it, and of peers, each in words."""
    rows = list(rows)
    agents = [row for row in rows if row.get("kind") != "peer"]
    tiers = Counter(_tier_shown(row, places) for row in agents)
    words = ", ".join(f"{tiers[tier]} {tier}" for tier in TIERS if tiers[tier])
    peers = len(rows) - len(agents)
    head = counted(len(agents), "agent") + (f": {words}" if words else "")
    return [head, counted(peers, "peer")] if peers else [head]


def _tier_shown(row: Row, places: Places) -> str:
    """Return the tier of an agent as its row shows it: one without a harness just runs."""
    found = _tier_of(places, str(row["name"])) or "unknown"
    return "running" if found == "unknown" and row.get("state") == "running" else found


def _derived(row: Row, asking: Collection[str]) -> str:
    if row.get("failed"):
        return "failed"
    if row.get("needs_login") or row["name"] in asking:
        return "waiting"
    state = str(row.get("state") or "unknown")
    if state in _BY_STATE:
        return _BY_STATE[state]
    return "idle" if row.get("activity") == "idle" else "running"


def _is_flapping(row: Row, now: float) -> bool:
    if not whole(row, "restarts") or row.get("kind") == "peer":
        return False
    ended = stamp(row, "last_end_at")
    return ended is not None and now - ended < SETTLED


def _tier_of(places: Places, name: str) -> str | None:
    place = places.get(name)
    return None if place is None else place.tier


def _since(row: Row) -> str:
    return str(row.get("tier_since") or row.get("since") or "")
