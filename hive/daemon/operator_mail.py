"""The operator's inbox for an embedder, which waits for the answers to its messages."""

from __future__ import annotations

import asyncio

from hive.broker.local_session import LocalSession
from hive.broker.service import BrokerService
from hive.names import OPERATOR
from hive.store import Kind
from hive.wire import WAIT_MAX

BATCH = 32


class OperatorMail:
    """Sends as the operator; receives and acks its mail while a call waits for an answer.

    Several calls may wait at once: one of them receives for all.
    """

    def __init__(self, broker: BrokerService) -> None:
        self._broker = broker
        self._session: LocalSession | None = None
        self._answers: dict[int | None, str] = {}
        self._receiving = asyncio.Lock()

    @property
    def session(self) -> LocalSession:
        """The operator's session; a new one after a restart of the broker."""
        if self._session is None or not self._session.is_open:
            self._session = LocalSession(self._broker, OPERATOR, Kind.OPERATOR)
        return self._session

    async def answer_to(self, message: int) -> str:
        """Wait for the answer to a message and return its body."""
        while message not in self._answers:
            async with self._receiving:
                if message not in self._answers:
                    await self._receive()
        return self._answers[message]

    async def _receive(self) -> None:
        session = self.session
        got = await session.recv(max=BATCH, wait=WAIT_MAX)
        for delivery in got:
            self._answers[delivery.in_reply_to] = delivery.body
        if got:
            await session.ack([delivery.id for delivery in got])
