"""Sessions without a connection, for embedders and for tests.

Requests and answers are those of a socket; an answer comes as the result of a future. To cancel the
future does not cancel the request; a cancelled `recv` gets no messages. The future has no timeout:
the broker answers when the commit has ended, whether it succeeded or failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hive.broker.service import BrokerService
from hive.broker.sessions import FutureSession
from hive.store import NO_ORIGIN, Kind, Origin
from hive.wire import agent as wire
from hive.wire.enums import NackMode
from hive.wire.rows import Delivery, Stored


class LocalSession(FutureSession):
    """A session whose requests are answered through futures. It is open once constructed.

    Args:
        service: The broker.
        name: The sender of its messages, and the inbox that it receives from.
        kind: The kind of that participant.
        origin: The origin that is recorded with its messages.
    """

    __slots__ = ("_service",)

    def __init__(
        self, service: BrokerService, name: str, kind: Kind, origin: Origin = NO_ORIGIN
    ) -> None:
        super().__init__(name, kind, origin)
        self._service = service
        service.open_session(self)

    def close(self) -> None:
        """End the session; the messages that it holds are deliverable again at once."""
        self._service.close_session(self)

    def request(self, request: object) -> asyncio.Future[Any]:
        """Make a request of any kind; the result is a `hive.wire` response, or its fields.

        Raises:
            HiveError: From the future.
        """
        return self._service.ask(request, self)

    async def send(self, to: str, body: str, **options: Any) -> Stored:
        """Store a message; the options are those of `hive.wire.agent.Posting`.

        Raises:
            HiveError: Nothing was stored, unless it is an `UnavailableError`, after which that is
                not known.
        """
        stored: Stored = await self.request(wire.Send(to=to, body=body, **options))
        return stored

    async def recv(
        self,
        *,
        max: int = 1,  # noqa: A002 - the name on the wire
        wait: float = 0.0,
        ack: Sequence[int] = (),
        queue: str | None = None,
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> list[Delivery]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        The messages of `ack` are acked first. The result is empty if the wait timed out. With
        `queue`, the messages are those of a work queue. With `urgent`, only messages of high
        priority are leased. With `max_bytes`, all bodies together have at most that many bytes,
        unless the first alone has more.

        Raises:
            StaleLeaseError: A message of `ack` was not held; nothing was leased.
        """
        request = wire.Recv(
            max=max,
            wait_seconds=wait,
            ack=list(ack),
            queue=queue,
            urgent=urgent,
            max_bytes=max_bytes,
        )
        rows: list[Delivery] = (await self.request(request)).messages
        return rows

    async def ack(self, ids: Sequence[int], lease: str | None = None) -> None:
        """Ack messages; with `lease`, those that another session of the participant holds.

        Raises:
            StaleLeaseError: It names each message that was not held, and why; the others are acked.
        """
        await self.request(wire.Ack(ids=list(ids), lease=lease))

    async def nack(
        self,
        id: int,  # noqa: A002 - the name on the wire
        mode: NackMode = NackMode.FAIL,
        *,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> None:
        """Return one message, to be delivered again after `delay` seconds, or never.

        Without a delay, a failed message is deferred for a time that doubles with each failure.

        Raises:
            StaleLeaseError: The message was not held.
        """
        await self.request(
            wire.Nack(id=id, mode=mode, delay_seconds=delay, reason=reason, lease=lease)
        )
