"""All participants, by name: the one place that says who exists and of which kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from hive.clock import Clock
from hive.errors import NotAllowedError, UnknownNameError
from hive.events import EventKind, EventLog
from hive.names import MANAGER, MANAGER_ALIAS, suggest
from hive.participants.members import AgentMember, Member, PeerMember, Presence
from hive.store import Kind, ParticipantRecord, Store

Changed = Callable[[Member], None]

SEEN_INTERVAL = 60.0
"""Seconds by which the durable `last_seen` of a participant without a harness may lag behind."""


class Roster:
    """Participants in the order they joined.

    Args:
        store: Keeps the records.
        clock: Stamps what is seen.
        events: Is told who comes and goes.
    """

    def __init__(self, store: Store, clock: Clock, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._members: dict[str, Member] = {}
        self._listeners: list[Changed] = []

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    @property
    def agents(self) -> tuple[AgentMember, ...]:
        """The managed agents; the manager, if there is one, comes first."""
        found = [member for member in self._members.values() if isinstance(member, AgentMember)]
        return tuple(sorted(found, key=lambda member: member.name != MANAGER))

    @property
    def peers(self) -> tuple[PeerMember, ...]:
        """The peers."""
        return tuple(m for m in self._members.values() if isinstance(m, PeerMember))

    def get(self, name: str) -> Member:
        """Return a participant.

        Raises:
            UnknownNameError: With the nearest name that exists.
        """
        actual = MANAGER if name == MANAGER_ALIAS else name
        member = self._members.get(actual)
        if member is None:
            raise UnknownNameError(
                f"there is no participant {name!r}{suggest(name, self._members)}"
            )
        return member

    def agent(self, name: str) -> AgentMember:
        """Return a participant whose lifecycle is ours.

        Raises:
            UnknownNameError: When nobody has that name.
            NotAllowedError: When it is a peer, saying whose lifecycle it is.
        """
        member = self.get(name)
        if isinstance(member, AgentMember):
            return member
        raise NotAllowedError(
            f"{member.name!r} is a peer: its container belongs to whoever declared it, and "
            "hive-c0re never starts, stops, restarts, rebuilds or pauses it, nor reads what "
            "it prints; use that system's own tools"
        )

    def peer(self, name: str) -> PeerMember:
        """Return a peer.

        Raises:
            UnknownNameError: When nobody has that name.
            NotAllowedError: When it is an agent.
        """
        member = self.get(name)
        if isinstance(member, PeerMember):
            return member
        raise NotAllowedError(
            f"{member.name!r} is an agent, not a peer; 'hive-c0re destroy {member.name}' removes it"
        )

    def join(self, record: ParticipantRecord) -> Member:
        """Add a participant that the store knows."""
        kind = PeerMember if record.kind is Kind.PEER else AgentMember
        member = kind(record, Presence(last_seen=record.last_seen))
        self._members[record.name] = member
        self.changed(member)
        return member

    def leave(self, member: Member) -> None:
        """Forget a participant."""
        self._members.pop(member.name, None)
        self.changed(member)

    async def save(self, member: Member, **changes: Any) -> None:
        """Change a participant's durable record; returns once the change is on disk.

        Raises:
            UnknownNameError: When it does not take part any more.
        """
        if not self._takes_part(member):
            raise UnknownNameError(f"{member.name!r} does not take part in this hive any more")
        member.record = attrs.evolve(member.record, **changes)
        self.changed(member)
        await self._store.upsert_participant(member.record)

    def note(self, member: Member, **changes: Any) -> None:
        """Change the record without waiting for the disk, for facts that may be lost in a crash."""
        member.record = attrs.evolve(member.record, **changes)
        self.changed(member)
        if not self._takes_part(member):
            return
        written = asyncio.ensure_future(self._store.upsert_participant(member.record))
        written.add_done_callback(_forget_outcome)

    def arrived(self, member: Member) -> None:
        """A harness announced itself on the participant's socket."""
        if not member.presence.connected:
            self._events.record(EventKind.CONNECTED, member.name)
        member.presence.arrived(self._clock.now())
        self.note(member, last_seen=member.presence.last_seen)

    def left(self, member: Member) -> None:
        """A harness has gone."""
        member.presence.left(self._clock.now())
        if not member.presence.connected:
            self._events.record(EventKind.DISCONNECTED, member.name)
        self.note(member, last_seen=member.presence.last_seen)

    def seen(self, member: Member) -> None:
        """Somebody is at the participant's socket, be it only for one question.

        It is written down at most once in `SEEN_INTERVAL`: a script may ask often.
        """
        now = self._clock.now()
        member.presence.last_seen = now
        if now - (member.record.last_seen or 0.0) >= SEEN_INTERVAL:
            self.note(member, last_seen=now)

    def _takes_part(self, member: Member) -> bool:
        """Whether the store still knows it; a record that is written again would come back."""
        return self._members.get(member.name) is member

    def changed(self, member: Member) -> None:
        """Tell the listeners that a participant's status may look different now."""
        for listener in tuple(self._listeners):
            listener(member)

    def subscribe(self, listener: Changed) -> Callable[[], None]:
        """Call `listener` after each change; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def _forget_outcome(written: asyncio.Future[None]) -> None:
    """A note that could not be written is made again with the next change of the record."""
    if not written.cancelled():
        written.exception()
