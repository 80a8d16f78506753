"""One connection of a harness: the activity that it reports and the orders that it is given."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from attrs import define, field

from hive.wire.enums import OrderKind
from hive.wire.harness import Activity, Order


@define(eq=False)
class OrderQueue:
    """Orders by ascending number, until the harness acknowledges them.

    Args:
        numbers: Ascending numbers, shared by all connections.
    """

    _numbers: Iterator[int]
    _pending: deque[Order] = field(factory=deque, init=False)
    _listener: Callable[[], None] | None = field(default=None, init=False)

    def add(
        self,
        kind: OrderKind,
        *,
        until: float | None = None,
        at: float | None = None,
        reason: str | None = None,
        model: str | None = None,
        effort: str | None = None,
    ) -> Order:
        """Add an order and call the listener."""
        order = Order(next(self._numbers), kind, until, at, reason, model, effort)
        self._pending.append(order)
        if self._listener is not None:
            self._listener()
        return order

    def pending_after(self, number: int) -> tuple[Order, ...]:
        """Remove the orders up to a number, which are acknowledged, and return the others."""
        while self._pending and self._pending[0].seq <= number:
            self._pending.popleft()
        return tuple(self._pending)

    def set_listener(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` after each new order; None ends that."""
        self._listener = listener


@define(eq=False)
class HarnessConnection:
    """A connection that announced itself as a harness.

    Attributes:
        orders: The orders that it has not acknowledged.
        activity: Its last report; None before the first.
        reported_at: When that came, in wall seconds.
        initialized: Whether the orders that describe the present state were added.
        paused_for: Reason of the last order to pause; None once it was ordered to resume.
        restart_order: Number of the order that reports a restart, 0 without one.
        version: Version of hyperhive that it is of; None if it did not say.
    """

    orders: OrderQueue
    activity: Activity | None = None
    reported_at: float = 0.0
    initialized: bool = False
    paused_for: str | None = None
    restart_order: int = 0
    version: str | None = None

    @property
    def account(self) -> str | None:
        """The account that it reported."""
        return self.activity.account if self.activity is not None else None
