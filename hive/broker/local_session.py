"""Sessions without a connection: how the daemon itself, an embedder or a test sends and receives.

A request is the same that comes through a socket, and so is its answer; who asks holds a future.
Cancelling that cancels nothing but the waiting; a cancelled `recv` gets no mail. No time limit is
put on it: the broker answers when the commit is over, whether it succeeded or not.
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
    """A session whose requests are answered through futures.

    Args:
        service: The broker.
        name: Who speaks.
        kind: What that is.
        origin: What is said of where its messages come from.
    """

    __slots__ = ("_service",)

    def __init__(
        self, service: BrokerService, name: str, kind: Kind, origin: Origin = NO_ORIGIN
    ) -> None:
        super().__init__(name, kind, origin)
        self._service = service
        service.open_session(self)

    def close(self) -> None:
        """End it: what it holds is deliverable again at once."""
        self._service.close_session(self)

    def request(self, request: object) -> asyncio.Future[Any]:
        """Ask anything of the broker; the value is a `hive.wire` response, or its fields.

        Raises:
            HiveError: From the future.
        """
        return self._service.ask(request, self)

    async def send(self, to: str, body: str, **options: Any) -> Stored:
        """Store a message; the options are those of `hive.wire.agent.Posting`.

        Raises:
            HiveError: Nothing was stored; of an `UnavailableError` alone that is not known.
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

        `ack` is done first. The result is empty when nothing came in time. With `queue`, the mail
        is that of a work queue. With `urgent`, only messages of high priority are leased. With
        `max_bytes`, all bodies together have at most so many bytes, unless the first alone has
        more.

        Raises:
            StaleLeaseError: One of `ack` was not held; nothing was leased.
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
        """End messages whose work is done. `lease` proves a delivery to another session.

        Raises:
            StaleLeaseError: Names each message that was not held, and why; the others are acked.
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
        """Give one message back, to be delivered again after `delay` seconds, or never.

        Without a delay, a message that failed rests for a while that doubles with each failure.

        Raises:
            StaleLeaseError: The message was not held.
        """
        await self.request(
            wire.Nack(id=id, mode=mode, delay_seconds=delay, reason=reason, lease=lease)
        )
