"""The actors of participants: a peer's, and the base of an agent's."""

from __future__ import annotations

import asyncio
from typing import Never, Protocol, TypeVar

from actors import Actor, ExitReason
from hive.broker.service import BrokerService
from hive.errors import HiveError
from hive.participants.participant import Participant
from hive.participants.registry import Registry

M = TypeVar("M")


class Sockets(Protocol):
    """Opens and closes participants' sockets. The gateway implements it."""

    async def open(self, participant: Participant) -> None:
        """Listen on the participant's socket; makes its directory if that is missing."""
        ...

    async def close(self, participant: Participant) -> None:
        """Stop listening and close all connections."""
        ...

    async def heed_directory(self, participant: Participant) -> None:
        """Give the participant's socket the group that the operator gave to its directory."""
        ...

    async def remove_directory(self, name: str) -> None:
        """Remove the directory of a closed socket, if it is empty. Idempotent."""
        ...

    async def purge(self, name: str) -> None:
        """Remove the directory of a closed socket with its content.

        Raises:
            RemainsError: Something in it cannot be removed.
        """
        ...


class ParticipantActor(Actor[M]):
    """Registers the participant's inbox and listens on its socket as long as it lives.

    It comes up in a task and not in `on_start`: a socket that cannot be opened or a slow container
    then delays no sibling, and is a failure of this actor alone.

    Args:
        participant: The state that this actor maintains.
        broker: Has the inbox.
        sockets: Opens and closes the socket.
        registry: Notified of each change of the participant's state.
    """

    def __init__(
        self,
        participant: Participant,
        broker: BrokerService,
        sockets: Sockets,
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
        """Cancel the start, go down, close the socket. The inbox and its mail stay."""
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
        """Register the inbox and open the socket; an agent also starts its container."""
        self._broker.add_participant(self._participant.record)
        await self._sockets.open(self._participant)
        self._participant.is_listening = True
        self._registry.changed(self._participant)

    async def _go_down(self) -> None:
        """Release what the actor owns: an agent its container, a peer nothing."""


class PeerActor(ParticipantActor[Never]):
    """The actor of a peer: an inbox and a socket, and no messages of its own.

    This class has no method, and is given no object, that could act on a container. That alone
    enforces that hive-c0re never supervises a peer.
    """

    def receive(self, message: Never) -> None:
        """Never called: a peer's actor receives no messages."""
