"""How often a login with something wrong is tried. Pure."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from hive.clock import MINUTE
from hive.errors import RateLimitedError

ATTEMPTS, ATTEMPTS_SECONDS = 10, MINUTE
"""Wrong attempts within so many seconds, after which further ones only get a time to wait. The
right one is always taken: otherwise an agent that tries wrong ones would lock the operator out."""


@define
class WrongAttempts:
    """Counts wrong attempts of one kind.

    Attributes:
        what: What was wrong, in the plural.
    """

    what: str
    _times: deque[float] = field(factory=deque, init=False)

    def count(self, now: float) -> None:
        """Count one.

        Raises:
            RateLimitedError: There were too many lately.
        """
        while self._times and not now - ATTEMPTS_SECONDS < self._times[0] <= now:
            self._times.popleft()  # of long ago, or from before the clock was set back
        if len(self._times) >= ATTEMPTS:
            wait = self._times[0] + ATTEMPTS_SECONDS - now
            raise RateLimitedError(
                f"{ATTEMPTS} wrong {self.what} were tried within a minute; wait {wait:.0f} s"
            )
        self._times.append(now)
