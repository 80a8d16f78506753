"""The messages of one turn, including those that join while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from attrs import define, field

from hive.client.agent import Delivery
from hive.errors import HiveError, NotFoundError
from hive.harness.leases import BATCH, BATCH_BYTES, RETRY_PAUSE, Leases
from hive.wire import WAIT_MAX

logger = logging.getLogger(__name__)


@define(eq=False)
class Turn:
    """The messages of one turn, as the `LeasedMail` of the hive's tools.

    A message is acked when the turn has succeeded, or when the model reported it as done.

    Attributes:
        leases: Lease table of this harness.
        waiting: Further messages in the inbox when the turn began.
    """

    leases: Leases
    waiting: int = 0
    _mail: dict[int, Delivery] = field(factory=dict, init=False)
    _done: set[int] = field(factory=set, init=False)
    _urgent: list[Delivery] = field(factory=list, init=False)

    @property
    def messages(self) -> tuple[Delivery, ...]:
        """All messages of the turn, in order of arrival."""
        return tuple(self._mail.values())

    @property
    def size(self) -> int:
        """Bytes of the bodies of all messages."""
        return sum(len(each.body.encode()) for each in self._mail.values())

    @property
    def finished(self) -> tuple[int, ...]:
        """The ids of messages that the model reported as done."""
        return tuple(number for number in self._mail if number in self._done)

    @property
    def unseen(self) -> tuple[Delivery, ...]:
        """Urgent messages that are leased and not yet shown to the model."""
        return tuple(self._urgent)

    def held(self) -> tuple[Delivery, ...]:
        """Return the messages that the model has not finished, oldest first."""
        return tuple(each for each in self._mail.values() if each.id not in self._done)

    async def take(
        self, most: int, wait: float, max_bytes: int = BATCH_BYTES
    ) -> tuple[Delivery, ...]:
        """Add up to `most` further messages to the turn, with one request.

        Args:
            most: Messages at most.
            wait: Seconds to wait for the first.
            max_bytes: Bytes of their bodies at most, unless the first alone has more.

        Raises:
            HiveError: The request failed.
        """
        fresh = await self.leases.recv(most, wait=wait, max_bytes=max_bytes if most > 1 else None)
        self.join(fresh)
        return fresh

    async def done(self, ids: Sequence[int]) -> None:
        """Record that the model has finished messages.

        Raises:
            NotFoundError: One of them is not held.
        """
        held = {message.id for message in self.held()}
        if missing := [number for number in ids if number not in held]:
            raise NotFoundError(
                f"you do not hold {', '.join(map(str, missing))}; you hold "
                f"{', '.join(map(str, sorted(held))) or 'nothing'}"
            )
        self._done.update(ids)
        self.leases.finish(ids)

    def join(self, messages: Iterable[Delivery]) -> None:
        """Add messages to the turn."""
        self._mail.update({message.id: message for message in messages})

    def urgent(self) -> tuple[Delivery, ...]:
        """Add the urgent messages since the last call to the turn, and return them."""
        fresh = tuple(self._urgent)
        self._urgent.clear()
        self.join(fresh)
        return fresh

    async def listen(self) -> None:
        """Lease urgent messages until cancelled."""
        while True:
            try:
                self._urgent += await self.leases.recv(BATCH, wait=WAIT_MAX, urgent=True)
            except HiveError as error:
                logger.info("no urgent mail for now: %s", error)
                await asyncio.sleep(RETRY_PAUSE)
