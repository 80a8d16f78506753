"""The verbs of a harness, as a participant's socket answers them.

One object per connection. A connection that has not said hello as a harness is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from hive.core.harnesses import Harnesses
from hive.errors import ConflictError, NotAllowedError
from hive.gateway.answers import Answer, Fields, later
from hive.participants.harnesses import Harness
from hive.participants.members import Member
from hive.wire import harness as wire
from hive.wire.base import Request
from hive.wire.harness import Order


class HarnessVerbs:
    """What one connection says of its agent's turns, and hears of orders."""

    def __init__(self, member: Member, harnesses: Harnesses) -> None:
        self._member = member
        self._harnesses = harnesses
        self._harness: Harness | None = None
        self._poll: _Poll | None = None
        self.table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.Activity: self._report,
            wire.TurnRecord: self._turn,
            wire.Live: self._live,
            wire.Limited: self._limited,
            wire.Unlimited: self._unlimited,
            wire.Orders: self._orders,
        }

    def arrive(self) -> None:
        """Note that this connection is a harness. Idempotent."""
        if self._harness is None:
            self._harness = self._harnesses.arrived(self._member)

    def leave(self) -> None:
        """Forget what was reported here. Idempotent."""
        if self._poll is not None:
            self._poll.end()
        if self._harness is not None:
            self._harnesses.left(self._member, self._harness)
            self._harness = None

    def _report(self, activity: wire.Activity) -> Fields:
        self._harnesses.report(self._member, self._announced(), activity)
        return {}

    async def _turn(self, record: wire.TurnRecord) -> Fields:
        self._announced()
        await self._harnesses.turn(self._member, record)
        return {}

    def _live(self, request: wire.Live) -> Fields:
        self._announced()
        self._harnesses.live(self._member, request.kind, request.text)
        return {}

    async def _limited(self, request: wire.Limited) -> Fields:
        await self._harnesses.limited(
            self._member, self._announced(), request.account, request.until, request.reason
        )
        return {}

    async def _unlimited(self, request: wire.Unlimited) -> Fields:
        await self._harnesses.unlimited(self._member, self._announced(), request.account)
        return {}

    def _orders(self, request: wire.Orders) -> Answer:
        harness = self._announced()
        if self._poll is not None:
            raise ConflictError("this connection waits for orders already; one poll at a time")
        found = self._harnesses.orders(self._member, harness, request.after)
        if found or not request.wait_seconds:
            return _fields(found)
        self._poll = _Poll(harness, request, self._ended)
        return later(self._poll.answer, lambda fields: fields, ordered=False)

    def _ended(self) -> None:
        self._poll = None

    def _announced(self) -> Harness:
        if self._harness is None:
            raise NotAllowedError("this verb is for harnesses: say 'hello' with role 'harness'")
        return self._harness


class _Poll:
    """A harness that waits for its next order: a record and a timer, not a task."""

    def __init__(self, harness: Harness, request: wire.Orders, ended: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Fields] = loop.create_future()
        self._harness = harness
        self._after = request.after
        self._ended = ended
        self._timer = loop.call_later(request.wait_seconds, self.end)
        harness.orders.ring_with(self.end)

    def end(self) -> None:
        """Answer with whatever there is now."""
        self._timer.cancel()
        self._harness.orders.ring_with(None)
        self._ended()
        if not self.answer.done():
            self.answer.set_result(_fields(self._harness.orders.behind(self._after)))


def _fields(orders: tuple[Order, ...]) -> Fields:
    return {"orders": orders}
