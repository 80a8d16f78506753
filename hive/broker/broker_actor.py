"""The broker's actor, which supervises the broker service."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from actors import Actor, ExitReason
from hive.broker.service import BrokerService
from hive.store import ParticipantRecord


@frozen
class Bug:
    """An unexpected exception of the rules (not a `HiveError`)."""

    error: Exception


class Broker(Actor[Bug]):
    """The actor that owns the start, the stop and the crash of the service.

    Requests do not pass its mailbox: they call the service directly, on the loop. An exception of
    the rules crashes this actor, and its supervisor starts it again.

    Args:
        service: The broker service.
        participants: Returns the records of all participants.
    """

    def __init__(
        self,
        service: BrokerService,
        participants: Callable[[], Iterable[ParticipantRecord]] = tuple,
    ) -> None:
        self._service = service
        self._participants = participants

    async def on_start(self) -> None:
        """Open the service, which loads the messages on disk."""
        await self._service.open(
            lambda error: self.context.ref.tell(Bug(error)), self._participants()
        )

    def receive(self, message: Bug) -> None:
        """Crash with the exception of the rules.

        Raises:
            Exception: The bug.
        """
        raise message.error

    async def on_stop(self, reason: ExitReason) -> None:
        """Close the service, which commits what is decided."""
        del reason
        await self._service.close()
