"""The registry: all participants by name, each an agent or a peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hive.clock import Clock
from hive.errors import HiveError, NotAllowedError, UnknownNameError
from hive.event_log import EventLog
from hive.names import MANAGER, MANAGER_ALIAS, unknown_participant
from hive.participants.participant import Agent, Participant, Peer, Presence
from hive.participants.presence_events import PresenceEvents
from hive.store import Kind, ParticipantRecord, Store
from hive.subscribers import Subscribers

Changed = Callable[[Participant], None]

SEEN_INTERVAL = 60.0
"""Seconds by which the durable `last_seen` of a participant without a harness may lag behind."""


class Registry:
    """Participants, in the order in which they were added.

    Args:
        store: Stores the records.
        clock: Wall time.
        events: Records connects and disconnects.
    """

    def __init__(self, store: Store, clock: Clock, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._presence_events = PresenceEvents(events)
        self._participants: dict[str, Participant] = {}
        self._subscribers: Subscribers[[Participant]] = Subscribers("the registry")

    def __iter__(self) -> Iterator[Participant]:
        return iter(tuple(self._participants.values()))

    def __len__(self) -> int:
        return len(self._participants)

    def __contains__(self, name: object) -> bool:
        return name in self._participants

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The managed agents; the manager, if there is one, comes first."""
        found = [
            participant
            for participant in self._participants.values()
            if isinstance(participant, Agent)
        ]
        return tuple(sorted(found, key=lambda participant: participant.name != MANAGER))

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The peers."""
        return tuple(m for m in self._participants.values() if isinstance(m, Peer))

    def get(self, name: str) -> Participant:
        """Return a participant.

        Raises:
            UnknownNameError: With the nearest name that exists.
        """
        actual = MANAGER if name == MANAGER_ALIAS else name
        participant = self._participants.get(actual)
        if participant is None:
            raise unknown_participant(name, self._participants)
        return participant

    def agent(self, name: str) -> Agent:
        """Return an agent.

        Raises:
            UnknownNameError: When there is no such participant.
            NotAllowedError: When it is a peer.
        """
        return self._agent(
            name,
            "hive-c0re does not manage its container, so it never starts, stops, restarts, "
            "rebuilds or pauses it, nor reads what it prints; use the tools of its host",
        )

    def to_enter(self, name: str) -> Agent:
        """Return an agent whose conversation or machine an operator enters.

        Raises:
            UnknownNameError: When there is no such participant.
            NotAllowedError: When it is a peer.
        """
        return self._agent(
            name,
            "hive-c0re does not manage its container and starts nothing in it, so it opens neither "
            "its conversation nor a shell; use the tools of its host, such as 'machinectl shell'",
        )

    def to_copy(self, name: str) -> Agent:
        """Return an agent whose manifest another one begins with.

        Raises:
            UnknownNameError: When there is no such participant.
            NotAllowedError: When it is a peer.
        """
        return self._agent(
            name, "a peer has no manifest to copy; name an agent, 'claude' or 'command'"
        )

    def _agent(self, name: str, why_not: str) -> Agent:
        participant = self.get(name)
        if isinstance(participant, Agent):
            return participant
        raise NotAllowedError(f"{participant.name!r} is a peer: {why_not}")

    def peer(self, name: str) -> Peer:
        """Return a peer.

        Raises:
            UnknownNameError: When there is no such participant.
            NotAllowedError: When it is an agent.
        """
        participant = self.get(name)
        if isinstance(participant, Peer):
            return participant
        raise NotAllowedError(
            f"{participant.name!r} is an agent, not a peer; "
            f"'hive-c0re release {participant.name}' makes it one"
        )

    def join(self, record: ParticipantRecord) -> Participant:
        """Add the participant of a record."""
        participant = participant_of(record)
        self._participants[record.name] = participant
        self.changed(participant)
        return participant

    def leave(self, participant: Participant) -> None:
        """Remove a participant; its record is not saved again."""
        self._participants.pop(participant.name, None)
        self.changed(participant)

    def replace(self, before: Participant, after: Participant) -> None:
        """Put a participant in the place of another, whose record is not saved again."""
        self._participants.pop(before.name, None)
        self._participants[after.name] = after
        for each in (before, after):
            self.changed(each)

    async def save(self, participant: Participant, **changes: Any) -> None:
        """Change a participant's record; returns once the change is on disk.

        A change that cannot be stored is taken back, or the next write of the record would carry
        out what was refused.

        Raises:
            UnknownNameError: When it was removed meanwhile.
            StoreError: It cannot be stored.
        """
        if not self.is_member(participant):
            raise UnknownNameError(f"{participant.name!r} does not take part in this hive any more")
        before = participant.record
        participant.change(**changes)
        self.changed(participant)
        try:
            await self._store.upsert_participant(participant.record)
        except HiveError:
            self._take_back(participant, before, changes)
            raise

    def _take_back(
        self, participant: Participant, before: ParticipantRecord, changes: Mapping[str, Any]
    ) -> None:
        """Undo changes in memory, apart from what another request has changed again since."""
        now = participant.record
        mine = [column for column, value in changes.items() if getattr(now, column) == value]
        participant.change(**{column: getattr(before, column) for column in mine})
        self.changed(participant)

    def save_soon(self, participant: Participant, **changes: Any) -> list[asyncio.Future[Any]]:
        """Change the record and return before that is on disk; a crash may lose the change.

        Returns:
            The write, which may fail; none if the participant was removed.
        """
        participant.change(**changes)
        self.changed(participant)
        if not self.is_member(participant):
            return []
        written = asyncio.ensure_future(self._store.upsert_participant(participant.record))
        written.add_done_callback(_ignore_outcome)
        return [written]

    def on_connect(self, participant: Participant) -> list[asyncio.Future[Any]]:
        """Count a harness that announced itself on the participant's socket; return the writes."""
        was_connected = participant.presence.connected
        participant.presence.on_connect(self._clock.now())
        events = [] if was_connected else self._presence_events.changed(participant)
        saved = self.save_soon(participant, last_seen=participant.presence.last_seen)
        return [*events, *saved]

    def on_disconnect(self, participant: Participant) -> None:
        """Count the end of a harness's connection."""
        participant.presence.on_disconnect(self._clock.now())
        if not participant.presence.connected:
            self._presence_events.changed(participant)
        self.save_soon(participant, last_seen=participant.presence.last_seen)

    def touch(self, participant: Participant) -> None:
        """Record a sign of life on the participant's socket.

        It is stored at most once in `SEEN_INTERVAL`: scripts may connect often.
        """
        now = self._clock.now()
        participant.presence.last_seen = now
        if now - (participant.record.last_seen or 0.0) >= SEEN_INTERVAL:
            self.save_soon(participant, last_seen=now)

    def is_member(self, participant: Participant) -> bool:
        """Return whether it was not removed; to save its record would add it to the store again."""
        return self._participants.get(participant.name) is participant

    def changed(self, participant: Participant) -> None:
        """Call the listeners: a participant's status may have changed."""
        self._subscribers.notify(participant)

    def subscribe(self, listener: Changed) -> Callable[[], None]:
        """Call `listener` after each change; returns the function that unsubscribes it."""
        return self._subscribers.add(listener)


def participant_of(record: ParticipantRecord) -> Participant:
    """Return a participant with a record."""
    kind = Peer if record.kind is Kind.PEER else Agent
    return kind(record, Presence(last_seen=record.last_seen))


def _ignore_outcome(written: asyncio.Future[None]) -> None:
    """Ignore a failed write: the next change of the record writes all columns."""
    if not written.cancelled():
        written.exception()
