"""Presence events: when harnesses of a participant connect and disconnect, in the event log.

A harness that connects and disconnects all the time must not fill the event log. Above
`EVENTS_PER_MINUTE`, changes are counted; the next event has their number and the state by then.
"""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import define, field

from hive.clock import MINUTE
from hive.event_log import EventKind, EventLog
from hive.participants.participant import Participant

EVENTS_PER_MINUTE = 20
"""Events about the presence of one participant within a minute."""


@define(eq=False)
class _Record:
    """What the event log has about one participant, and what is left of its rate."""

    connected: bool = False
    left: float = EVENTS_PER_MINUTE
    at: float = 0.0
    skipped: int = 0
    timer: asyncio.TimerHandle | None = None

    def take(self, now: float) -> float:
        """Take an event from the rate; return the seconds until there is one, 0 if there was."""
        self.left += (now - self.at) * EVENTS_PER_MINUTE / MINUTE
        self.left, self.at = min(self.left, EVENTS_PER_MINUTE), now
        if self.left < 1:
            return (1 - self.left) * MINUTE / EVENTS_PER_MINUTE
        self.left -= 1
        return 0.0


@define(eq=False)
class PresenceEvents:
    """Records the presence of all participants in an event log."""

    _events: EventLog
    _records: dict[str, _Record] = field(factory=dict, init=False)

    def changed(self, participant: Participant) -> list[asyncio.Future[Any]]:
        """Record that a participant has connected or disconnected; return the writes."""
        record = self._records.setdefault(participant.name, _Record())
        loop = asyncio.get_running_loop()
        wait = record.take(loop.time())
        if not wait:
            return [self._record(participant, record)]
        record.skipped += 1
        if record.timer is None:
            record.timer = loop.call_later(wait, self._catch_up, participant, record)
        return []

    def _catch_up(self, participant: Participant, record: _Record) -> None:
        """Record the present state, unless it is the one that was recorded last."""
        record.timer = None
        if participant.presence.connected is record.connected:
            return
        wait = record.take(asyncio.get_running_loop().time())
        if not wait:
            self._record(participant, record)
            return
        again = asyncio.get_running_loop().call_later(wait, self._catch_up, participant, record)
        record.timer = again

    def _record(self, participant: Participant, record: _Record) -> asyncio.Future[Any]:
        record.connected = participant.presence.connected
        skipped, record.skipped = record.skipped, 0
        kind = EventKind.CONNECTED if record.connected else EventKind.DISCONNECTED
        return self._events.record(kind, participant.name, skipped=skipped or None)
