"""Functions that are called with each new value; none of them can keep it from the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

logger = logging.getLogger(__name__)

P = ParamSpec("P")


class Subscribers(Generic[P]):
    """The subscribers of one source, in the order in which they came.

    A subscriber that fails is logged, once until it unsubscribes, and stays subscribed: its next
    call may succeed.

    Args:
        source: What they are subscribed to, for the log.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._subscribers: list[Callable[P, object]] = []
        self._failed: list[Callable[P, object]] = []

    def __len__(self) -> int:
        return len(self._subscribers)

    def add(self, subscriber: Callable[P, object]) -> Callable[[], None]:
        """Call `subscriber` with each value from now on; return the function that ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._remove(subscriber)

    def notify(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call each subscriber; one that unsubscribes meanwhile is called all the same."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(*args, **kwargs)
            except Exception:
                self._log_failure(subscriber)

    def _remove(self, subscriber: Callable[P, object]) -> None:
        self._subscribers.remove(subscriber)
        if subscriber in self._failed:
            self._failed.remove(subscriber)

    def _log_failure(self, subscriber: Callable[P, object]) -> None:
        if subscriber not in self._failed:
            self._failed.append(subscriber)
            logger.exception(
                "a subscriber of %s failed; the others go on, and its next failures are not logged",
                self._source,
            )
