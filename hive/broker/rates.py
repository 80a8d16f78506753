"""How fast one sender may send: a token bucket for each."""

from __future__ import annotations

from attrs import define, field

from hive.errors import RateLimitedError

MINUTE = 60.0


@define(eq=False)
class Rates:
    """Buckets that hold `limit` messages and fill up within a minute.

    Attributes:
        limit: Messages of one sender within a minute.
    """

    limit: int
    _buckets: dict[str, tuple[float, float]] = field(factory=dict, init=False)

    def spend(self, sender: str, now: float) -> None:
        """Count a message, or refuse a sender whose bucket is empty.

        Args:
            sender: Who wants to send.
            now: Monotonic seconds.

        Raises:
            RateLimitedError: With the numbers, and when a message is possible again.
        """
        limit = self.limit
        left, at = self._buckets.get(sender, (limit, now))
        left = min(limit, left + (now - at) * limit / MINUTE)
        if left < 1:
            wait = (1 - left) * MINUTE / limit
            raise RateLimitedError(
                f"{sender!r} has sent {limit} messages within a minute and {limit} are "
                f"allowed; nothing was stored: the next one is possible in {wait:.1f} s"
            )

        self._buckets[sender] = (left - 1, now)

    def give_back(self, sender: str) -> None:
        """Count the last message less: it was not stored."""
        left, at = self._buckets[sender]
        self._buckets[sender] = (left + 1, at)
