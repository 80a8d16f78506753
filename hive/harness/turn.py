"""One turn: the messages that it is about, and those that join it while it lasts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from attrs import define, field

from hive.client.api import AgentClient, Delivery
from hive.errors import HiveError, NotFoundError
from hive.harness.desk import BEATS_PER_LEASE, ENOUGH, Desk, Taken
from hive.wire import WAIT_MAX

logger = logging.getLogger(__name__)

MOST = 16
"""Messages of one turn, as far as they are taken by themselves."""

NO_DAEMON_PAUSE = 5.0
"""Seconds until the next attempt to say that messages are in work."""


@define(eq=False)
class Turn:
    """The mail of one turn, and the tray from which the hive's tools take.

    A message is acked when the turn has succeeded, or when the model said that it is done with it.

    Attributes:
        client: The participant's connection.
        desk: What this harness holds.
        waiting: How many more messages wait in the inbox, as far as is known.
    """

    client: AgentClient
    desk: Desk
    waiting: int = 0
    _mail: dict[int, Delivery] = field(factory=dict, init=False)
    _done: set[int] = field(factory=set, init=False)
    _urgent: list[Delivery] = field(factory=list, init=False)
    _stale: list[int] = field(factory=list, init=False)

    @property
    def messages(self) -> tuple[Delivery, ...]:
        """All messages that the turn is about, in the order in which they came."""
        return tuple(self._mail.values())

    @property
    def finished(self) -> tuple[int, ...]:
        """The ids of messages that the model said it is done with, or had done before."""
        return (*self._stale, *(number for number in self._mail if number in self._done))

    @property
    def unseen(self) -> tuple[Delivery, ...]:
        """Urgent mail that is leased and that nobody has been shown."""
        return tuple(self._urgent)

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with, oldest first."""
        return tuple(each for each in self._mail.values() if each.id not in self._done)

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Let up to `most` further messages join the turn, waiting for the first."""
        taken: list[Delivery] = []
        while len(taken) < most and sum(len(each.body) for each in taken) < ENOUGH:
            fresh = self._new(await self.client.recv(max=1, wait=0.0 if taken else wait))
            if not fresh:
                break
            taken += fresh
            self.join(fresh)
        return tuple(taken)

    async def done(self, ids: Sequence[int]) -> None:
        """Take note that the model is done with messages.

        Raises:
            NotFoundError: When one of them is not held.
        """
        held = {message.id for message in self.held()}
        if missing := [number for number in ids if number not in held]:
            raise NotFoundError(
                f"you do not hold {', '.join(map(str, missing))}; you hold "
                f"{', '.join(map(str, sorted(held))) or 'nothing'}"
            )
        self._done.update(ids)

    def join(self, messages: Sequence[Delivery]) -> None:
        """Let messages be a part of the turn."""
        self._mail.update({message.id: message for message in messages})

    def urgent(self) -> tuple[Delivery, ...]:
        """Return the urgent mail that came since the last call; it is part of the turn now."""
        fresh = tuple(self._urgent)
        self._urgent.clear()
        self.join(fresh)
        return fresh

    async def listen(self) -> None:
        """Lease urgent mail while the turn lasts, until cancelled."""
        while True:
            try:
                messages = await self.client.recv(max=MOST, wait=WAIT_MAX, urgent=True)
            except HiveError as error:
                logger.info("no urgent mail for now: %s", error)
                await asyncio.sleep(NO_DAEMON_PAUSE)
            else:
                self._urgent += self._new(messages)

    async def beat(self) -> None:
        """Keep the leases of the turn's mail, until cancelled."""
        while True:
            pause = NO_DAEMON_PAUSE
            ids = [each.id for each in (*self.held(), *self._urgent)]
            with suppress(HiveError):
                pause = await self.client.heartbeat(ids) / BEATS_PER_LEASE
            await asyncio.sleep(pause)

    def _new(self, messages: Sequence[Delivery]) -> list[Delivery]:
        """Return what this harness has not had before; what it did before is only acked again."""
        fresh = []
        for message in messages:
            match self.desk.take(message):
                case Taken.NEW:
                    fresh.append(message)
                case Taken.DONE:
                    self._stale.append(message.id)
                case Taken.IN_WORK:
                    continue
        return fresh
