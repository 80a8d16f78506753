"""The operator's inbox for an embedder who waits for particular answers."""

from __future__ import annotations

import asyncio

from hive.broker.router import Router
from hive.errors import NotFoundError
from hive.names import OPERATOR
from hive.store import NO_ORIGIN
from hive.wire import WAIT_MAX

BATCH = 32


class OperatorMail:
    """Receives and acks the operator's mail while somebody waits for an answer.

    Several may wait at once: one of them receives, for all.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._session: str | None = None
        self._answers: dict[int | None, str] = {}
        self._receiving = asyncio.Lock()

    async def answer_to(self, message: int) -> str:
        """Wait for the answer to a message and return its body."""
        while message not in self._answers:
            async with self._receiving:
                if message not in self._answers:
                    await self._receive()
        return self._answers[message]

    async def _receive(self) -> None:
        if self._session is None:
            self._session = self._router.open_session(OPERATOR, NO_ORIGIN)
        try:
            got = await self._router.recv(self._session, max=BATCH, wait=WAIT_MAX)
        except NotFoundError:  # the broker was restarted, and knows nothing of its old sessions
            self._session = None
            return
        for delivery in got:
            self._answers[delivery.in_reply_to] = delivery.body
        if got:
            await self._router.ack(self._session, [delivery.id for delivery in got])
