"""Limit of reboots: a container that reboots more often counts as failed."""

from __future__ import annotations

from collections import deque

from attrs import define, field, frozen


@frozen
class RebootLimit:
    """Allowed reboots within a sliding window.

    Attributes:
        max_reboots: Reboots allowed inside the window.
        within: Length of the window, in seconds.
    """

    max_reboots: int
    within: float

    def __str__(self) -> str:
        return f"more than {self.max_reboots} times within {self.within:g} s"


@define
class Reboots:
    """The reboots of one container within the window.

    The window is that of `actors.RestartLimit`: a reboot exactly `within` seconds ago still counts.
    Once the limit is exceeded, each further reboot exceeds it as well, until there was none for a
    whole window: the growing delays of restarts alone do not reset it.
    """

    _times: deque[float] = field(factory=deque, init=False)
    _too_many: bool = field(default=False, init=False)

    def record(self, now: float, limit: RebootLimit) -> bool:
        """Count a reboot; return whether it is within the limit.

        Args:
            now: The loop's time in seconds, which never goes backwards.
            limit: The limit.
        """
        self._times.append(now)
        while self._times[0] < now - limit.within:
            self._times.popleft()
        quiet = len(self._times) == 1
        self._too_many = len(self._times) > limit.max_reboots or (self._too_many and not quiet)
        return not self._too_many

    def clear(self) -> None:
        """Remove all reboots."""
        self._times.clear()
        self._too_many = False
