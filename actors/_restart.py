"""Restart rules: restart types, strategies, limits and back-off.

Everything here is a value or a pure function; time and randomness are arguments. The rules are
tables, so that they can be read and tested alone.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from random import Random

from attrs import define, field, frozen
from attrs.validators import ge, gt

from actors._exits import ExitReason, is_graceful


class Restart(Enum):
    """When a child that ended by itself is restarted (OTP restart types)."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a failure; a normal end or a shutdown is final."""
    TEMPORARY = "temporary"
    """Never; its spec is deleted when it ends, whatever the reason."""


class Strategy(Enum):
    """Which siblings are restarted with a failed child (OTP supervision strategies)."""

    ONE_FOR_ONE = "one_for_one"
    """None: only the failed child is restarted."""
    REST_FOR_ONE = "rest_for_one"
    """The siblings started after it."""
    ONE_FOR_ALL = "one_for_all"
    """All siblings."""


# restart type -> (restarted after a graceful end, restarted after a failure)
_RESTARTED = {
    Restart.PERMANENT: (True, True),
    Restart.TRANSIENT: (False, True),
    Restart.TEMPORARY: (False, False),
}


def should_restart(restart: Restart, reason: ExitReason) -> bool:
    """Return whether OTP restarts a child of this type after this exit."""
    after_graceful_end, after_failure = _RESTARTED[restart]
    return after_graceful_end if is_graceful(reason) else after_failure


def siblings_to_restart(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    """Return the ids of the siblings that are restarted with `failed`.

    Args:
        strategy: The supervisor's strategy.
        order: All child ids in start order.
        failed: The id of the child that failed.
    """
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return ()
        case Strategy.REST_FOR_ONE:
            return tuple(order[order.index(failed) + 1 :])
        case Strategy.ONE_FOR_ALL:
            return tuple(child for child in order if child != failed)


@frozen
class RestartLimit:
    """The number of restarts allowed within a sliding window.

    A restart exactly `within` seconds ago still counts (the boundary is inclusive, as in
    OTP). Time is the event loop's clock, not the wall clock.

    Attributes:
        max_restarts: Restarts allowed inside the window; 0 allows none.
        within: Length of the window, in seconds.
    """

    max_restarts: int = field(default=3, validator=ge(0))
    within: float = field(default=5.0, validator=gt(0))


@define
class RestartWindow:
    """The restarts that still count against a `RestartLimit`."""

    limit: RestartLimit
    _times: deque[float] = field(factory=deque, init=False)

    def record(self, now: float) -> bool:
        """Count a restart at `now`; return whether the limit is respected.

        Args:
            now: The loop's time, in seconds; it never goes backwards.
        """
        self._times.append(now)
        self._forget_before(now - self.limit.within)
        return len(self._times) <= self.limit.max_restarts

    def count(self, now: float) -> int:
        """Return how many restarts count at `now`."""
        self._forget_before(now - self.limit.within)
        return len(self._times)

    def clear(self) -> None:
        """Remove every restart."""
        self._times.clear()

    def _forget_before(self, oldest: float) -> None:
        while self._times and self._times[0] < oldest:
            self._times.popleft()


@frozen
class Backoff:
    """Exponential delay before a restart, with a cap and jitter.

    Restart number i (from 0) waits `min(cap, base * factor**i)` seconds, plus or minus at most
    the `jitter` fraction. The count returns to 0 when the child has been up for longer than
    `reset_after`.

    Attributes:
        base: The first delay, in seconds.
        factor: The ratio of each delay to the one before.
        cap: The longest delay before jitter, in seconds.
        jitter: The largest deviation, as a fraction of the delay (0.1 is 10 %).
        reset_after: Seconds of healthy running after which the count returns to 0. None
            means the longer of `cap` and twice the window of the restart limit in force.
    """

    base: float = field(default=0.2, validator=ge(0))
    factor: float = field(default=2.0, validator=ge(1))
    cap: float = field(default=30.0, validator=ge(0))
    jitter: float = field(default=0.1, validator=ge(0))
    reset_after: float | None = field(default=None)

    @jitter.validator
    def _check_jitter(self, _attribute: object, value: float) -> None:
        if value >= 1:
            raise ValueError(f"jitter is a fraction below 1, not {value:g}")

    @reset_after.validator
    def _check_reset_after(self, _attribute: object, value: float | None) -> None:
        if value is not None and value < 0:
            raise ValueError(f"reset_after is a number of seconds or None, not {value:g}")

    def delay(self, attempt: int, random: Random) -> float:
        """Return the seconds to wait before restart `attempt` (from 0), with jitter."""
        return self._plain(attempt) * (1 + self.jitter * random.uniform(-1, 1))

    def schedule(self, n: int) -> tuple[float, ...]:
        """Return the first `n` delays in seconds, without jitter."""
        return tuple(self._plain(attempt) for attempt in range(n))

    def healthy_after(self, limit: RestartLimit) -> float:
        """Return the seconds of running after which the count returns to 0."""
        if self.reset_after is not None:
            return self.reset_after
        return max(self.cap, 2 * limit.within)

    def _plain(self, attempt: int) -> float:
        try:
            return min(self.cap, self.base * self.factor**attempt)
        except OverflowError:
            return self.cap if self.base else 0.0
