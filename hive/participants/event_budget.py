"""The budget of events that a participant causes by what it reports."""

from __future__ import annotations

from attrs import define, field

BURST = 10
"""Events at once."""

EVENT_SECONDS = 60.0
"""Seconds until one more event is allowed, up to `BURST`."""


@define(eq=False)
class EventBudget:
    """Limits the rows that one participant adds to the event log, where a report may toggle.

    Attributes:
        left: Events that are allowed now; a fraction of one counts towards the next.
        at: Time of `left`.
        skipped: Events that were not recorded since the last that was.
    """

    left: float = field(default=BURST, init=False)
    at: float = field(default=float("-inf"), init=False)
    skipped: int = field(default=0, init=False)

    def spend(self, now: float) -> int | None:
        """Take an event from the budget.

        Args:
            now: Seconds of any clock.

        Returns:
            The number of events that were skipped before this one; None if it is to be skipped.
        """
        self.left = min(BURST, self.left + max(0.0, now - self.at) / EVENT_SECONDS)
        self.at = now
        if self.left < 1:
            self.skipped += 1
            return None
        self.left -= 1
        skipped, self.skipped = self.skipped, 0
        return skipped
