"""What lies on a harness's desk: messages that are worked on, and those done but not yet acked.

After a connection was lost, the daemon delivers again what this harness still holds. The desk knows
it: a message in work only gets its new lease, one that is done only its ack. Neither runs twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from attrs import define, field

from hive.client.api import Delivery

BEATS_PER_LEASE = 3
"""Heartbeats while a lease lasts, so that one that is lost does no harm."""

ENOUGH = 24_000
"""Characters of bodies after which no further message is taken: clients cut long results."""

LAST_REQUEST = 1.0
"""Seconds for the last request of a harness, such as giving mail back, while it ends."""


class Taken(Enum):
    """What a delivery is to this harness."""

    NEW = "new"
    IN_WORK = "in work"
    DONE = "done"


@define
class Desk:
    """The messages of one harness."""

    _leases: dict[int, str] = field(factory=dict)
    _done: set[int] = field(factory=set)

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on."""
        return not self._leases

    def take(self, message: Delivery) -> Taken:
        """Take a delivery and say what is to be done about it."""
        if message.id in self._done:
            return Taken.DONE
        in_work = message.id in self._leases
        self._leases[message.id] = message.lease
        return Taken.IN_WORK if in_work else Taken.NEW

    def lease(self, message: Delivery) -> str:
        """Return the newest lease of a message in work."""
        return self._leases[message.id]

    def finish(self, message: Delivery) -> None:
        """The work is done; what is left is the ack."""
        self._leases.pop(message.id, None)
        self._done.add(message.id)

    def finish_all(self, ids: Iterable[int]) -> None:
        """The work for all these is done; what is left is their ack."""
        for number in ids:
            self._leases.pop(number, None)
            self._done.add(number)

    def put_back(self, message: Delivery) -> None:
        """The message is not ours any more."""
        self._leases.pop(message.id, None)

    def acked(self, ids: tuple[int, ...]) -> None:
        """The daemon knows that these are done."""
        self._done.difference_update(ids)
