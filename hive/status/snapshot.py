"""Snapshots for the operator: status rows, the supervision tree, the output of agents.

A status row is assembled on request from the kernel, the supervisor, the store, the broker and the
sockets. Nothing is cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from actors import ChildInfo, ChildState, TreeNode
from hive.broker.queries import MailQueries
from hive.clock import Clock, rfc3339
from hive.machines.observer import ObservedState
from hive.machines.runtime import Runtime
from hive.names import MANAGER
from hive.participants.machine_specs import SpecOf
from hive.participants.participant import Agent, Participant, Peer
from hive.participants.registry import Registry
from hive.participants.supervision import Supervision
from hive.store import Desired, Kind
from hive.wire.enums import ActivityState
from hive.wire.rows import StatusRow, TreeRow, WhoRow


class State(StrEnum):
    """State of a participant, in one word."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    FAILED = "failed"
    ENDED = "ended"
    STRAY = "stray"
    CONNECTED = "connected"
    AWAY = "away"


UNKNOWN = "unknown"
"""The activity of a participant without a connected harness, or before its first report."""

ROWS_PER_TURN = 50
"""Rows assembled in one turn of the loop, which takes about a millisecond."""

_BY_CHILD = {
    ChildState.STOPPING: State.STOPPING,
    ChildState.BACKOFF: State.BACKOFF,
    ChildState.PARKED: State.FAILED,
}


def state_of(participant: Participant, info: ChildInfo | None) -> State:
    """Return the state of a participant, from its child's state and the runtime's report."""
    if not isinstance(participant, Agent):
        return State.CONNECTED if participant.presence.connected else State.AWAY
    if participant.stray:
        return State.STRAY
    if info is not None and info.state in _BY_CHILD:
        return _BY_CHILD[info.state]
    if participant.running is not None:
        return State.RUNNING
    if info is None or info.state is ChildState.STOPPED:
        return State.STOPPED if participant.record.desired is Desired.STOPPED else State.ENDED
    return State.STARTING


class Snapshot:
    """Assembles status rows."""

    def __init__(
        self, registry: Registry, supervision: Supervision, mail: MailQueries, clock: Clock
    ) -> None:
        self._registry = registry
        self._supervision = supervision
        self._mail = mail
        self._clock = clock

    async def rows(self) -> list[StatusRow]:
        """Return one row per participant: manager, agents, peers."""
        members = (*self._registry.agents, *self._registry.peers)
        infos = await self._supervision.infos()
        rows: list[StatusRow] = []
        for participant in members:
            rows.append(self._row(participant, infos.get(participant.name)))
            if len(rows) % ROWS_PER_TURN == 0:
                await asyncio.sleep(0)
        return rows

    async def row(self, participant: Participant) -> StatusRow:
        """Return the row of one participant."""
        return self._row(participant, await self._supervision.info(participant))

    def _row(self, participant: Participant, info: ChildInfo | None) -> StatusRow:
        state = state_of(participant, info)
        record = participant.record
        reporter = participant.reporter
        activity = reporter.activity if reporter is not None else None
        return StatusRow(
            name=participant.name,
            running=isinstance(participant, Agent)
            and (participant.running is not None or participant.stray),
            failed=state is State.FAILED,
            needs_update=False,
            needs_login=activity is not None and activity.state is ActivityState.NEEDS_LOGIN,
            pending_reminders=self._mail.reminders(participant.name),
            paused=record.paused,
            parent=MANAGER if record.kind is Kind.AGENT and MANAGER in self._registry else None,
            active_model=activity.model if activity is not None else None,
            status_text=record.status_text,
            status_set_at=_time(record.status_set_at),
            kind=record.kind.value,
            state=state.value,
            unread=self._mail.unread(participant.name),
            last_seen=_time(participant.presence.last_seen),
            connected=participant.presence.connected,
            **self._lifecycle_fields(participant, info, state),
            **_activity_fields(participant),
        )

    def _lifecycle_fields(
        self, participant: Participant, info: ChildInfo | None, state: State
    ) -> dict[str, Any]:
        if isinstance(participant, Peer):
            since = _time(participant.presence.since)
            reason = (
                participant.start_error
                or participant.socket_error
                or self._loop_reason(participant)
            )
            return {
                "since": since,
                "reason": reason,
                "source": "socket",
                **_observed_fields(participant.observed_state),
            }
        assert isinstance(participant, Agent)
        running, ended = participant.running, participant.ended
        return {
            "since": _time(_since(participant, state)),
            "restarts": info.restarts if info else 0,
            "reason": _reason(participant, state)
            or participant.socket_error
            or self._loop_reason(participant),
            "source": running.source if running else "hive",
            "restart_delays": self._supervision.restart_delays(participant),
            "next_restart_at": self._wall(info.next_restart_at) if info else None,
            "last_end": ended.reason if ended else None,
            "last_end_at": _time(ended.at if ended else None),
            "last_result": ended.result if ended else None,
            "pid": running.pid if running else None,
            "last_lines": list(ended.last_lines) if ended and ended.last_lines else None,
        }

    def _loop_reason(self, participant: Participant) -> str | None:
        """Return the reason of a participant whose mail is held by an open circuit, else None."""
        for loop in self._mail.loops():
            if participant.name in loop.pair:
                [other] = set(loop.pair) - {participant.name}
                return (
                    f"in a loop with {other}: {len(loop.parked)} messages are parked; "
                    f"'hive-c0re reset-loop {' '.join(loop.pair)}' delivers them"
                )
        return None

    def _wall(self, loop_time: float | None) -> str | None:
        if loop_time is None:
            return None
        ahead = loop_time - asyncio.get_running_loop().time()
        return rfc3339(self._clock.now() + ahead)

    def who(self) -> list[WhoRow]:
        """Return the rows that participants may see of each other."""
        return [
            WhoRow(
                name=participant.name,
                kind=participant.record.kind.value,
                connected=participant.presence.connected,
                last_seen=_time(participant.presence.last_seen),
                status_text=participant.record.status_text,
                activity=_activity_fields(participant)["activity"],
            )
            for participant in self._registry
        ]


def _since(participant: Agent, state: State) -> float | None:
    """Return the time since which an agent is in a state; None for a transitional state."""
    if state in {State.STARTING, State.STOPPING}:
        return None
    if participant.running is not None:
        return participant.running.since
    return participant.ended.at if participant.ended is not None else None


def _reason(participant: Agent, state: State) -> str | None:
    if state is State.STRAY:
        return f"runs although it should be stopped; 'hive-c0re stop {participant.name}' ends it"
    if state in {State.RUNNING, State.STARTING}:
        return None
    if participant.start_error is not None:
        return participant.start_error
    return (
        str(participant.ended) if participant.ended is not None else participant.record.last_reason
    )


def _activity_fields(participant: Participant) -> dict[str, Any]:
    """Return the fields of the last report of a participant's harness."""
    reporter = participant.reporter
    if reporter is None or reporter.activity is None:
        return {"activity": UNKNOWN}
    activity = reporter.activity
    return {
        "activity": activity.state.value,
        "activity_since": rfc3339(activity.since),
        "activity_about": activity.about,
        "activity_until": _time(activity.until),
        "activity_at": rfc3339(reporter.reported_at),
        "session": activity.session,
        "account": activity.account,
    }


def _observed_fields(observed: ObservedState | None) -> dict[str, Any]:
    """Return the fields of a peer's observed state; none if it is not observed."""
    if observed is None:
        return {}
    return {
        "observed": str(observed),
        "since": _time(observed.since),
        "restarts": observed.restarts,
        "source": observed.source,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def tree_row(node: TreeNode) -> TreeRow:
    """Return a node of the supervision tree and all nodes below it as a row."""
    state = node.state if node.child is None else node.child.state
    return TreeRow(
        path=node.path,
        kind=node.kind.value,
        state=state.value,
        restarts=node.restarts,
        mailbox=node.mailbox,
        current=None if node.current is None else type(node.current.message).__name__,
        current_seconds=None if node.current is None else round(node.current.age, 3),
        last_exit=None if node.last_exit is None else str(node.last_exit),
        children=[tree_row(child) for child in node.children],
    )


class MachineLogs:
    """Reads the output of agents' machines from their runtime."""

    def __init__(self, registry: Registry, runtime: Runtime, spec_of: SpecOf) -> None:
        self._registry = registry
        self._runtime = runtime
        self._spec_of = spec_of

    async def last_lines(self, name: str, lines: int) -> list[str]:
        """Return the newest lines of an agent's output, oldest first."""
        spec = self._spec_of(self._registry.agent(name))
        return list(await asyncio.to_thread(self._runtime.last_lines, spec, lines))

    def follow(self, name: str, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines of an agent's output and then each new one."""
        return self._runtime.follow(self._spec_of(self._registry.agent(name)), lines)
