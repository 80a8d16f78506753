"""How often a guest may reboot before that is taken for what it is: a failure."""

from __future__ import annotations

from collections import deque

from attrs import define, field, frozen


@frozen
class RebootLimit:
    """How many reboots are tolerated within a sliding window.

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
    """The reboots of one guest that still count.

    The window is that of `actors.RestartLimit`: a reboot exactly `within` seconds ago still counts.
    Once there were too many, each further one is too many as well, until there was none for a whole
    window: a guest that is started again with growing delays has not become any better by that.
    """

    _times: deque[float] = field(factory=deque, init=False)
    _too_many: bool = field(default=False, init=False)

    def record(self, now: float, limit: RebootLimit) -> bool:
        """Count a reboot; return whether it is still tolerated.

        Args:
            now: The loop's time, in seconds; it never goes backwards.
            limit: What is tolerated.
        """
        self._times.append(now)
        while self._times[0] < now - limit.within:
            self._times.popleft()
        quiet = len(self._times) == 1
        self._too_many = len(self._times) > limit.max_reboots or (self._too_many and not quiet)
        return not self._too_many

    def clear(self) -> None:
        """Forget every reboot."""
        self._times.clear()
        self._too_many = False
