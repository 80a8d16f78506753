"""Tokens and cost of the turns of today, by participant: the day of this host, from midnight on.

A turn belongs to the day in which it ended. The totals are in memory, so that a look costs nothing;
they are read from the store when the daemon starts, and begin anew at midnight.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, tzinfo

from attrs import define, field, frozen

from hive.store.usage import TurnUse
from hive.wire.harness import TurnRecord

MOST = 2.0**53
"""Highest number of tokens, and of dollars, that is counted: JSON has no more digits."""

REMEMBERED = 16
"""Newest turns of a participant of which a repeated report replaces the first."""


@frozen
class Day:
    """A day of this host: from one midnight, in wall seconds, to before the next."""

    begin: float
    end: float


def day_of(now: float, zone: tzinfo | None = None) -> Day:
    """Return the day of a wall time in a time zone; None is that of this host."""
    local = datetime.fromtimestamp(now, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return Day(midnight.timestamp(), (midnight + timedelta(days=1)).timestamp())


@define(eq=False)
class DayTotal:
    """What the turns of one participant used today.

    Attributes:
        tokens: Tokens of input and output, and those of the cache.
        cost: US dollars; None if no turn had a known cost.
    """

    tokens: int = 0
    cost: float | None = None
    _recent: OrderedDict[float, TurnUse] = field(factory=OrderedDict, init=False)

    def add(self, use: TurnUse, started_at: float) -> None:
        """Add a turn, in place of an earlier report of the one that started then."""
        before = self._recent.pop(started_at, None)
        if before is not None:
            self._add(-before.tokens, None if before.cost is None else -before.cost)
        self._recent[started_at] = use
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        self._add(use.tokens, use.cost)

    def _add(self, tokens: int, cost: float | None) -> None:
        self.tokens = int(min(self.tokens + tokens, MOST))
        if cost is not None:
            self.cost = min((self.cost or 0.0) + cost, MOST)


class DayUsage:
    """The totals of today.

    Args:
        now: Returns the wall time.
        zone: A time zone; None is that of this host.
    """

    def __init__(self, now: Callable[[], float], zone: tzinfo | None = None) -> None:
        self._now = now
        self._zone = zone
        self._totals: dict[str, DayTotal] = {}
        self._day = day_of(now(), zone)

    @property
    def day(self) -> Day:
        """The day of the totals."""
        return self._day

    def totals(self) -> dict[str, DayTotal]:
        """Return the totals by participant; one whose turns of today report no use has none."""
        self._turn_over()
        return self._totals

    def load(self, found: Iterable[tuple[str, float, TurnUse]]) -> None:
        """Add the turns of the day that the store has: participant, start, use; oldest first."""
        for name, started_at, use in found:
            self._count(name, started_at, use)

    def add(self, name: str, turn: TurnRecord) -> None:
        """Add a turn of a participant, if it ended today."""
        self._turn_over()
        if self._day.begin <= turn.ended_at < self._day.end:
            self._count(name, turn.started_at, TurnUse.of(turn))

    def _count(self, name: str, started_at: float, use: TurnUse) -> None:
        if use.tokens or use.cost is not None:  # else its driver reports neither
            self._totals.setdefault(name, DayTotal()).add(use, started_at)

    def _turn_over(self) -> None:
        """Begin a new day after midnight, or after the clock was set."""
        now = self._now()
        if not self._day.begin <= now < self._day.end:
            self._day = day_of(now, self._zone)
            self._totals = {}
