"""One connection of a harness: what it says that its agent does, and what it is told to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from attrs import define, field, frozen

from hive.wire.enums import OrderKind
from hive.wire.harness import Activity, Order


@frozen
class RestartNotice:
    """That an agent was restarted, for its next harness; `at` is when it ended, in wall seconds."""

    at: float
    reason: str


@define(eq=False)
class OrderQueue:
    """Orders in the order of their numbers, until the harness says that it has heard them.

    Args:
        numbers: Where numbers come from; they only grow.
    """

    _numbers: Iterator[int]
    _unheard: deque[Order] = field(factory=deque, init=False)
    _ring: Callable[[], None] | None = field(default=None, init=False)

    def give(
        self,
        kind: OrderKind,
        *,
        until: float | None = None,
        at: float | None = None,
        reason: str | None = None,
    ) -> Order:
        """Add an order and ring for whoever waits for one."""
        order = Order(next(self._numbers), kind, until, at, reason)
        self._unheard.append(order)
        if self._ring is not None:
            self._ring()
        return order

    def behind(self, after: int) -> tuple[Order, ...]:
        """Take the orders up to a number as heard and return the others."""
        while self._unheard and self._unheard[0].seq <= after:
            self._unheard.popleft()
        return tuple(self._unheard)

    def ring_with(self, ring: Callable[[], None] | None) -> None:
        """Call `ring` with each new order, or nothing any more."""
        self._ring = ring


@define(eq=False)
class HarnessConnection:
    """A connection that said hello as a harness.

    Attributes:
        orders: What it is told.
        activity: What it last reported; None while it has not.
        reported_at: When it did, in wall seconds.
        greeted: Whether it was told what holds.
        paused: Whether it was last told to pause.
        told_restart: Number of the order that told of a restart, 0 if none did.
    """

    orders: OrderQueue
    activity: Activity | None = None
    reported_at: float = 0.0
    greeted: bool = False
    paused: bool = False
    told_restart: int = 0

    @property
    def account(self) -> str | None:
        """The account that it reported."""
        return self.activity.account if self.activity is not None else None
