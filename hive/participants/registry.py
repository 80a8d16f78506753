"""The registry: all participants by name, each an agent or a peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from hive.clock import Clock
from hive.errors import NotAllowedError, UnknownNameError
from hive.event_log import EventKind, EventLog
from hive.names import MANAGER, MANAGER_ALIAS, suggest
from hive.participants.participant import Agent, Participant, Peer, Presence
from hive.store import Kind, ParticipantRecord, Store

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
        self._events = events
        self._participants: dict[str, Participant] = {}
        self._listeners: list[Changed] = []

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
            raise UnknownNameError(
                f"there is no participant {name!r}{suggest(name, self._participants)}"
            )
        return participant

    def agent(self, name: str) -> Agent:
        """Return an agent.

        Raises:
            UnknownNameError: When there is no such participant.
            NotAllowedError: When it is a peer.
        """
        participant = self.get(name)
        if isinstance(participant, Agent):
            return participant
        raise NotAllowedError(
            f"{participant.name!r} is a peer: its container belongs to whoever declared it, and "
            "hive-c0re never starts, stops, restarts, rebuilds or pauses it, nor reads what "
            "it prints; use that system's own tools"
        )

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
            f"'hive-c0re destroy {participant.name}' removes it"
        )

    def join(self, record: ParticipantRecord) -> Participant:
        """Add the participant of a record."""
        kind = Peer if record.kind is Kind.PEER else Agent
        participant = kind(record, Presence(last_seen=record.last_seen))
        self._participants[record.name] = participant
        self.changed(participant)
        return participant

    def leave(self, participant: Participant) -> None:
        """Remove a participant; its record is not saved again."""
        self._participants.pop(participant.name, None)
        self.changed(participant)

    async def save(self, participant: Participant, **changes: Any) -> None:
        """Change a participant's record; returns once the change is on disk.

        Raises:
            UnknownNameError: When it was removed meanwhile.
        """
        if not self._is_member(participant):
            raise UnknownNameError(f"{participant.name!r} does not take part in this hive any more")
        participant.change(**changes)
        self.changed(participant)
        await self._store.upsert_participant(participant.record)

    def save_soon(self, participant: Participant, **changes: Any) -> None:
        """Change the record and return before that is on disk; a crash may lose the change."""
        participant.change(**changes)
        self.changed(participant)
        if not self._is_member(participant):
            return
        written = asyncio.ensure_future(self._store.upsert_participant(participant.record))
        written.add_done_callback(_ignore_outcome)

    def on_connect(self, participant: Participant) -> None:
        """Count a harness that announced itself on the participant's socket."""
        if not participant.presence.connected:
            self._events.record(EventKind.CONNECTED, participant.name)
        participant.presence.on_connect(self._clock.now())
        self.save_soon(participant, last_seen=participant.presence.last_seen)

    def on_disconnect(self, participant: Participant) -> None:
        """Count the end of a harness's connection."""
        participant.presence.on_disconnect(self._clock.now())
        if not participant.presence.connected:
            self._events.record(EventKind.DISCONNECTED, participant.name)
        self.save_soon(participant, last_seen=participant.presence.last_seen)

    def touch(self, participant: Participant) -> None:
        """Record a sign of life on the participant's socket.

        It is stored at most once in `SEEN_INTERVAL`: scripts may connect often.
        """
        now = self._clock.now()
        participant.presence.last_seen = now
        if now - (participant.record.last_seen or 0.0) >= SEEN_INTERVAL:
            self.save_soon(participant, last_seen=now)

    def _is_member(self, participant: Participant) -> bool:
        """Whether it was not removed; to save its record would add it to the store again."""
        return self._participants.get(participant.name) is participant

    def changed(self, participant: Participant) -> None:
        """Call the listeners: a participant's status may have changed."""
        for listener in tuple(self._listeners):
            listener(participant)

    def subscribe(self, listener: Changed) -> Callable[[], None]:
        """Call `listener` after each change; returns the function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def _ignore_outcome(written: asyncio.Future[None]) -> None:
    """Ignore a failed write: the next change of the record writes all columns."""
    if not written.cancelled():
        written.exception()
