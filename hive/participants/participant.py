"""What every participant's actor does: see to the inbox and the door."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

from actors import Actor, ExitReason
from hive.broker.service import BrokerService
from hive.errors import HiveError
from hive.participants.members import Member
from hive.participants.roster import Roster

M = TypeVar("M")


class Doors(Protocol):
    """Opens and closes participants' sockets. The gateway implements it."""

    async def open(self, member: Member) -> None:
        """Listen on the participant's socket; its directory appears if it was missing."""
        ...

    async def close(self, member: Member) -> None:
        """Stop listening and disconnect everyone."""
        ...


class Participant(Actor[M]):
    """An inbox and a door, for as long as the actor lives.

    Coming up happens beside the mailbox and not in `on_start`: a door that cannot be opened or a
    container that is slow then keeps no sibling waiting, and counts as a failure of this one alone.

    Args:
        member: Who this is.
        broker: Where its inbox is.
        doors: Where its socket is.
        roster: Who is told when the member's state changes.
    """

    def __init__(self, member: Member, broker: BrokerService, doors: Doors, roster: Roster) -> None:
        self._member = member
        self._broker = broker
        self._doors = doors
        self._roster = roster

    def on_start(self) -> None:
        """Begin to come up."""
        self._member.start_error = None
        self._coming_up = self.context.create_task(
            self._try_to_come_up(), name=f"bring up {self._member.name}"
        )

    async def on_stop(self, reason: ExitReason) -> None:
        """Give up coming up, go down, close the door. The inbox stays: its mail waits."""
        self._coming_up.cancel()
        await asyncio.wait([self._coming_up])
        try:
            await self._go_down()
        finally:
            self._member.door_open = False
            await self._doors.close(self._member)
            self._roster.changed(self._member)

    async def _try_to_come_up(self) -> None:
        try:
            await self._come_up()
        except HiveError as error:
            self._member.start_error = str(error)
            raise
        finally:
            self._roster.changed(self._member)

    async def _come_up(self) -> None:
        """Make the inbox known and open the door; an agent does more."""
        record = self._member.record
        self._broker.add_inbox(record.name, record.kind, broadcast=record.broadcast)
        self._broker.pause_inbox(record.name, paused=record.paused)
        await self._doors.open(self._member)
        self._member.door_open = True
        self._roster.changed(self._member)

    async def _go_down(self) -> None:
        """End what is not wished to go on; an agent has something to end."""
