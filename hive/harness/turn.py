"""One turn: the messages that it is about, and those that join it while it lasts."""

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
    """The messages of one turn; the hive's tools take mail from it (`LeasedMail`).

    A message is acked when the turn has succeeded, or when the model said that it is done with it.

    Attributes:
        leases: What this harness holds.
        waiting: How many more messages wait in the inbox, as far as is known.
    """

    leases: Leases
    waiting: int = 0
    _mail: dict[int, Delivery] = field(factory=dict, init=False)
    _done: set[int] = field(factory=set, init=False)
    _urgent: list[Delivery] = field(factory=list, init=False)

    @property
    def messages(self) -> tuple[Delivery, ...]:
        """All messages that the turn is about, in the order in which they came."""
        return tuple(self._mail.values())

    @property
    def size(self) -> int:
        """Bytes of their bodies."""
        return sum(len(each.body.encode()) for each in self._mail.values())

    @property
    def finished(self) -> tuple[int, ...]:
        """The ids of messages that the model said it is done with."""
        return tuple(number for number in self._mail if number in self._done)

    @property
    def unseen(self) -> tuple[Delivery, ...]:
        """Urgent messages that are leased and were not shown to the model."""
        return tuple(self._urgent)

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with, oldest first."""
        return tuple(each for each in self._mail.values() if each.id not in self._done)

    async def take(
        self, most: int, wait: float, max_bytes: int = BATCH_BYTES
    ) -> tuple[Delivery, ...]:
        """Let up to `most` further messages join the turn, with one request.

        Args:
            most: Messages at most.
            wait: Seconds to wait for the first.
            max_bytes: Bytes of their bodies at most, unless the first alone has more.

        Raises:
            HiveError: The request failed.
        """
        fresh = await self.leases.recv(most, wait=wait, max_bytes=max_bytes)
        self.join(fresh)
        return fresh

    async def done(self, ids: Sequence[int]) -> None:
        """Note that the model is done with messages.

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
        """Return the urgent messages that came since the last call; now they join the turn."""
        fresh = tuple(self._urgent)
        self._urgent.clear()
        self.join(fresh)
        return fresh

    async def listen(self) -> None:
        """Lease urgent messages while the turn lasts, until cancelled."""
        while True:
            try:
                self._urgent += await self.leases.recv(BATCH, wait=WAIT_MAX, urgent=True)
            except HiveError as error:
                logger.info("no urgent mail for now: %s", error)
                await asyncio.sleep(RETRY_PAUSE)
