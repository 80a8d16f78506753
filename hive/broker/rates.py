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

    def check(self, sender: str, now: float) -> None:
        """Refuse a sender whose bucket is empty.

        Args:
            sender: Who wants to send.
            now: Monotonic seconds.

        Raises:
            RateLimitedError: With the numbers, and when a message is possible again.
        """
        left = self._left(sender, now)
        if left < 1:
            wait = (1 - left) * MINUTE / self.limit
            raise RateLimitedError(
                f"{sender!r} has sent {self.limit} messages within a minute and {self.limit} are "
                f"allowed; nothing was stored: the next one is possible in {wait:.1f} s"
            )

    def spend(self, sender: str, now: float) -> None:
        """Count a message that was stored."""
        self._buckets[sender] = (self._left(sender, now) - 1, now)

    def _left(self, sender: str, now: float) -> float:
        left, at = self._buckets.get(sender, (float(self.limit), now))
        return min(float(self.limit), left + (now - at) * self.limit / MINUTE)
