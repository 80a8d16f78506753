"""The broker as a supervised actor: it owns the start, the stop and the crash of the service.

Those who ask call the service directly, on the loop; that is the mailbox of the broker, and the
commit is its batch. A bug that escapes from the rules there crashes this actor; its supervisor
starts it again, and it takes over what is on disk. Those who waited hear that it failed.
"""

from __future__ import annotations

from attrs import frozen

from actors import Actor, ExitReason
from hive.broker.service import BrokerService


@frozen
class Bug:
    """An exception that is none of the answers to a request."""

    error: Exception


class Broker(Actor[Bug]):
    """Keeps the service open for as long as it lives.

    Args:
        service: Who decides about mail.
    """

    def __init__(self, service: BrokerService) -> None:
        self._service = service

    async def on_start(self) -> None:
        """Take over the mail on disk; all leases of an earlier life are over."""
        await self._service.open(lambda error: self.context.ref.tell(Bug(error)))

    def receive(self, message: Bug) -> None:
        """Crash of it.

        Raises:
            Exception: The bug.
        """
        raise message.error

    async def on_stop(self, reason: ExitReason) -> None:
        """Write what is decided and answer everyone who waits."""
        del reason
        await self._service.close()
