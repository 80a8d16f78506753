"""Counts of the turns that harnesses report, since the daemon started."""

from __future__ import annotations

from collections import Counter, deque

from attrs import define, field

from hive.histogram import Histogram
from hive.metrics.families import TURN_BOUNDS
from hive.store.usage import StoredTurn
from hive.wire.enums import TurnOutcome

REMEMBERED = 16
"""Newest turns of a participant among which a repeated report is recognized."""

MOST = 2.0**53
"""Highest number of tokens, and of dollars, that is counted: JSON has no more digits."""


@define(eq=False)
class ParticipantTurns:
    """The turns of one participant.

    Attributes:
        outcomes: Their number by outcome; all outcomes are there, so that a first failure is an
            increase.
        seconds: Their durations, without the time for which the agent was frozen.
        tokens: Their tokens by type.
        cost: Their cost in US dollars.
        recent: The starts of the newest ones.
    """

    outcomes: Counter[str] = field(
        factory=lambda: Counter({each.value: 0 for each in TurnOutcome}), init=False
    )
    seconds: Histogram = field(factory=lambda: Histogram(TURN_BOUNDS), init=False)
    tokens: Counter[str] = field(factory=Counter, init=False)
    cost: float = field(default=0.0, init=False)
    recent: deque[float] = field(factory=lambda: deque(maxlen=REMEMBERED), init=False)

    def add(self, turn: StoredTurn) -> None:
        """Count a turn, unless its start says that it was counted."""
        if turn.started_at in self.recent:
            return
        self.recent.append(turn.started_at)
        self.outcomes[turn.outcome.value] += 1
        self.seconds.observe(turn.seconds)
        for kind, count in _tokens(turn):
            self.tokens[kind] = int(min(self.tokens[kind] + count, MOST))
        self.cost = min(self.cost + (turn.cost_usd or 0.0), MOST)


class TurnCounts:
    """The turns of all participants.

    Attributes:
        by_name: The turns of each participant that has reported any.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, ParticipantTurns] = {}

    def add(self, name: str, turn: StoredTurn) -> None:
        """Count a turn of a participant."""
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name[name] = ParticipantTurns()
        found.add(turn)


def _tokens(turn: StoredTurn) -> tuple[tuple[str, int], ...]:
    return (
        ("input", turn.input_tokens),
        ("output", turn.output_tokens),
        ("cache_read", turn.cache_read_tokens),
        ("cache_write", turn.cache_write_tokens),
    )
