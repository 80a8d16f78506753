"""What happens in the actor system, written into the hive's diary in an operator's words."""

from __future__ import annotations

import logging
from typing import Any

from actors import (
    ActorExited,
    ActorStarted,
    ChildParked,
    ChildRestarting,
    Crashed,
    Escalated,
    Event,
    ExitReason,
    MessageDropped,
    Ref,
    SlowHandler,
    TaskStuck,
)
from hive.errors import HiveError
from hive.event_log import EventKind, EventLog
from hive.participants.notices import SystemNotices
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry

logger = logging.getLogger(__name__)

PARTICIPANTS = frozenset({"agents", "peers"})
"""The supervisors whose children are participants."""


class ActorEvents:
    """Turns events of the actor system into events of the hive.

    Args:
        registry: Who takes part.
        events: Where they are written down.
        notices: Who tells people of what they have to act on.
    """

    def __init__(self, registry: Registry, events: EventLog, notices: SystemNotices) -> None:
        self._registry = registry
        self._events = events
        self._notices = notices

    def note(self, event: Event) -> None:
        """Take one event."""
        match event:
            case ActorStarted() | ActorExited():
                _log_fault(event)
            case ChildRestarting(ref=ref, delay=delay, attempt=attempt):
                self._tell(ref, EventKind.RESTARTING, in_seconds=round(delay, 3), attempt=attempt)
            case ChildParked(ref=ref, reason=reason):
                self._parked(ref, self._why_parked(ref, reason))
            case MessageDropped() | TaskStuck() | SlowHandler() | Escalated():
                logger.error("trouble in %s: %s", event.ref.path, event)
                self._tell(event.ref, EventKind.TROUBLE, what=str(event))
            case _:
                return
        participant = self._participant(event.ref)
        if participant is not None:
            self._registry.changed(participant)

    def _parked(self, ref: Ref[Any], why: dict[str, Any]) -> None:
        self._tell(ref, EventKind.FAILED, **why)
        if isinstance(self._participant(ref), Agent):
            self._notices.failed(_name(ref), why)

    def _tell(self, ref: Ref[Any], kind: EventKind, **detail: Any) -> None:
        self._events.record(kind, _name(ref), **detail)

    def _why_parked(self, ref: Ref[Any], reason: ExitReason) -> dict[str, Any]:
        participant = self._participant(ref)
        if participant is not None and participant.start_error is not None:
            return {"reason": participant.start_error}
        ended = participant.ended if isinstance(participant, Agent) else None
        return {"reason": str(reason)} if ended is None else ended.detail()

    def _participant(self, ref: Ref[Any]) -> Participant | None:
        supervisor, _, name = ref.path.rpartition("/")
        if supervisor.rpartition("/")[2] not in PARTICIPANTS or name not in self._registry:
            return None
        return self._registry.get(name)


def _name(ref: Ref[Any]) -> str:
    return ref.path.rpartition("/")[2]


def _log_fault(event: ActorStarted | ActorExited) -> None:
    """Log what is a fault of this program; a container's end or a refusal is no such thing."""
    if not isinstance(event, ActorExited) or not isinstance(event.reason, Crashed):
        return
    if not isinstance(event.reason.error, HiveError):
        logger.error("%s crashed: %s\n%s", event.ref.path, event.reason, event.reason.traceback)
