"""What every participant's actor does: see to the inbox and the door."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

from actors import Actor, ExitReason
from hive.broker.service import BrokerService
from hive.errors import HiveError
from hive.participants.participant import Participant
from hive.participants.registry import Registry

M = TypeVar("M")


class ParticipantSockets(Protocol):
    """Opens and closes participants' sockets. The gateway implements it."""

    async def open(self, participant: Participant) -> None:
        """Listen on the participant's socket; its directory appears if it was missing."""
        ...

    async def close(self, participant: Participant) -> None:
        """Stop listening and disconnect everyone."""
        ...


class ParticipantActor(Actor[M]):
    """An inbox and a door, for as long as the actor lives.

    Coming up happens beside the mailbox and not in `on_start`: a door that cannot be opened or a
    container that is slow then keeps no sibling waiting, and counts as a failure of this one alone.

    Args:
        participant: Who this is.
        broker: Where its inbox is.
        sockets: Where its socket is.
        registry: Who is told when the member's state changes.
    """

    def __init__(
        self,
        participant: Participant,
        broker: BrokerService,
        sockets: ParticipantSockets,
        registry: Registry,
    ) -> None:
        self._participant = participant
        self._broker = broker
        self._sockets = sockets
        self._registry = registry

    def on_start(self) -> None:
        """Begin to come up."""
        self._participant.start_error = None
        self._coming_up = self.context.create_task(
            self._try_to_come_up(), name=f"bring up {self._participant.name}"
        )

    async def on_stop(self, reason: ExitReason) -> None:
        """Give up coming up, go down, close the door. The inbox stays: its mail waits."""
        self._coming_up.cancel()
        await asyncio.wait([self._coming_up])
        try:
            await self._go_down()
        finally:
            self._participant.is_listening = False
            await self._sockets.close(self._participant)
            self._registry.changed(self._participant)

    async def _try_to_come_up(self) -> None:
        try:
            await self._come_up()
        except HiveError as error:
            self._participant.start_error = str(error)
            raise
        finally:
            self._registry.changed(self._participant)

    async def _come_up(self) -> None:
        """Make the inbox known and open the door; an agent does more."""
        record = self._participant.record
        self._broker.add_inbox(record.name, record.kind, broadcast=record.broadcast)
        self._broker.pause_inbox(record.name, paused=record.paused)
        await self._sockets.open(self._participant)
        self._participant.is_listening = True
        self._registry.changed(self._participant)

    async def _go_down(self) -> None:
        """End what is not wished to go on; an agent has something to end."""
