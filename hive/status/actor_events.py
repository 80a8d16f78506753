"""Events of the actor system as events of the hive, in the terms of an operator."""

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
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.system_notices import SystemNotices

logger = logging.getLogger(__name__)

PARTICIPANTS = frozenset({"agents", "peers"})
"""The supervisors whose children are participants."""


class ActorEvents:
    """Translates events of the actor system into events of the hive.

    Args:
        registry: The participants.
        events: The event log.
        notices: Sends mail about parked agents.
    """

    def __init__(self, registry: Registry, events: EventLog, notices: SystemNotices) -> None:
        self._registry = registry
        self._events = events
        self._notices = notices

    def record(self, event: Event) -> None:
        """Record one event of the actor system, if it concerns the operator."""
        match event:
            case ActorStarted() | ActorExited():
                _log_fault(event)
            case ChildRestarting(ref=ref, delay=delay, attempt=attempt):
                self._record(ref, EventKind.RESTARTING, in_seconds=round(delay, 3), attempt=attempt)
                if isinstance(agent := self._participant(ref), Agent):
                    agent.restart_is_due = True
            case ChildParked(ref=ref, reason=reason):
                self._record_parked(ref, self._parking_reason(ref, reason))
            case MessageDropped() | TaskStuck() | SlowHandler() | Escalated():
                logger.error("trouble in %s: %s", event.ref.path, event)
                self._record(event.ref, EventKind.TROUBLE, what=str(event))
            case _:
                return
        participant = self._participant(event.ref)
        if participant is not None:
            self._registry.changed(participant)

    def _record_parked(self, ref: Ref[Any], detail: dict[str, Any]) -> None:
        self._record(ref, EventKind.FAILED, **detail)
        if isinstance(agent := self._participant(ref), Agent):
            self._registry.save_soon(agent, failed=detail["reason"])
            self._notices.failed(agent.name, detail)

    def _record(self, ref: Ref[Any], kind: EventKind, **detail: Any) -> None:
        self._events.record(kind, _name(ref), **detail)

    def _parking_reason(self, ref: Ref[Any], reason: ExitReason) -> dict[str, Any]:
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
    """Log a crash with its traceback, unless it is a container's exit or an error of ours."""
    if not isinstance(event, ActorExited) or not isinstance(event.reason, Crashed):
        return
    if not isinstance(event.reason.error, HiveError):
        logger.error("%s crashed: %s\n%s", event.ref.path, event.reason, event.reason.traceback)
