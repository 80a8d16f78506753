"""Handlers of the verbs of a harness, on a participant's socket.

They are refused on a connection that has not sent `hello` with role `harness`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hive.errors import ConflictError, NotAllowedError
from hive.gateway.dispatch import Answer, Fields, LongPoll, serves
from hive.gateway.handlers.services import ParticipantConnection, ParticipantServices
from hive.gateway.reading import GatewayContext
from hive.participants.harness_connection import HarnessConnection
from hive.participants.participant import Participant
from hive.status.answer_watch import ANSWERING_DRIVERS
from hive.wire import harness as wire
from hive.wire.harness import Order

Writes = Sequence[asyncio.Future[Any]]
"""Writes that a request has caused."""


class HarnessHandlers(ParticipantConnection):
    """The verbs by which a harness reports turns and limits, and polls for orders.

    Attributes:
        harness: The harness of this connection; None before its `hello`.
        driver: The name of its driver, as announced.
        poll: Its pending poll for orders; None without one.
    """

    __slots__ = ("driver", "harness", "poll")

    def __init__(
        self,
        participant: Participant,
        path: str,
        context: GatewayContext,
        services: ParticipantServices,
    ) -> None:
        super().__init__(participant, path, context, services)
        self.harness: HarnessConnection | None = None
        self.driver: str | None = None
        self.poll: Poll | None = None

    @property
    def answers_before_ack(self) -> bool:
        """Whether its driver answers a message within its turn, or not at all."""
        return self.driver in ANSWERING_DRIVERS

    def register_harness(self, version: str | None = None) -> Writes:
        """Register this connection as a harness of a version of hyperhive. Idempotent."""
        if self.harness is not None:
            return []
        self.harness, written = self.services.harnesses.on_connect(self.participant)
        self.harness.version = version
        return written

    def unregister_harness(self) -> None:
        """Remove the harness of this connection and what it has reported. Idempotent."""
        if self.poll is not None:
            self.poll.end()
        if self.harness is not None:
            self.services.harnesses.on_disconnect(self.participant, self.harness)
            self.harness = None

    @serves(wire.Activity)
    def _report(self, activity: wire.Activity) -> Answer:
        harness = self._announced()
        return answer_after(self.services.harnesses.report(self.participant, harness, activity), {})

    @serves(wire.TurnRecord)
    async def _turn(self, record: wire.TurnRecord) -> Fields:
        self._announced()
        await self.services.harnesses.save_turn(self.participant, record)
        return {}

    @serves(wire.Live)
    def _live(self, request: wire.Live) -> Fields:
        self._announced()
        self.services.harnesses.publish(self.participant, request.kind, request.text)
        return {}

    @serves(wire.Limited)
    async def _limited(self, request: wire.Limited) -> Fields:
        await self.services.harnesses.set_limit(
            self.participant, self._announced(), request.account, request.until, request.reason
        )
        return {}

    @serves(wire.Unlimited)
    async def _unlimited(self, request: wire.Unlimited) -> Fields:
        await self.services.harnesses.clear_limit(
            self.participant, self._announced(), request.account
        )
        return {}

    @serves(wire.PollOrders)
    def _orders(self, request: wire.PollOrders) -> Answer:
        harness = self._announced()
        if self.poll is not None:
            raise ConflictError("this connection waits for orders already; one poll at a time")
        found = self.services.harnesses.pending_orders(self.participant, harness, request.after)
        if found or not request.wait_seconds:
            return _fields(found)
        self.poll = Poll(harness, request, self._ended)
        return LongPoll(self.poll.answer)

    def _ended(self) -> None:
        self.poll = None

    def _announced(self) -> HarnessConnection:
        if self.harness is None:
            raise NotAllowedError("this verb is for harnesses: say 'hello' with role 'harness'")
        return self.harness


class Poll:
    """A pending poll for orders: a record and a timer, not a task."""

    def __init__(
        self, harness: HarnessConnection, request: wire.PollOrders, ended: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Fields] = loop.create_future()
        self._harness = harness
        self._after = request.after
        self._ended = ended
        self._timer = loop.call_later(request.wait_seconds, self.end)
        harness.orders.set_listener(self.end)

    def end(self) -> None:
        """Answer with the orders that there are now, if any."""
        self._timer.cancel()
        self._harness.orders.set_listener(None)
        self._ended()
        if not self.answer.done():
            self.answer.set_result(_fields(self._harness.orders.pending_after(self._after)))


def answer_after(written: Writes, fields: Fields) -> Answer:
    """Return an answer that is given when these writes have ended.

    They may fail; a client that writes requests faster than the disk takes their rows must wait.
    """
    return _answer_after(written, fields) if written else fields


async def _answer_after(written: Writes, fields: Fields) -> Fields:
    await asyncio.wait(written)
    return fields


def _fields(orders: tuple[Order, ...]) -> Fields:
    return {"orders": orders}
