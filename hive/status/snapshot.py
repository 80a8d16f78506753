"""Snapshots for the operator: status rows and the supervision tree.

A status row is assembled on request from the kernel, the supervisor, the store, the broker and the
sockets. A row that cannot be assembled says so, and the others are complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from attrs import frozen

from actors import ChildInfo, ChildState, TreeNode
from hive.broker.loop_guard import Circuit
from hive.broker.queries import MailQueries
from hive.broker.turn_cap import TurnsUnderCap
from hive.clock import Clock, rfc3339
from hive.names import MANAGER
from hive.participants.chosen_model import shown_choice
from hive.participants.freeze_rules import frozen_reason
from hive.participants.harness_connection import HarnessConnection
from hive.participants.harnesses import ATTACHED
from hive.participants.manifest_changes import compare_manifests
from hive.participants.participant import Agent, OnExit, Participant, Peer
from hive.participants.registry import Registry
from hive.participants.strays import stray_reason
from hive.participants.supervision import Supervision
from hive.quantities import counted
from hive.status.row_facts import RowFacts, RowSources, cause_of_failure, tier_since
from hive.status.tiers import Tier, tier_of
from hive.store import Desired, Kind, ParticipantRecord
from hive.wire.enums import ActivityState
from hive.wire.rows import StatusRow, TreeRow, WhoRow

logger = logging.getLogger(__name__)


class State(StrEnum):
    """State of a participant, in one word."""

    QUEUED = "queued"
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


MarksOf = Callable[[str], tuple[bool | None, bool | None, str | None]]
"""Returns the fields `pinned`, `archived` and `snoozed_until` of a participant by its name."""

UNKNOWN = "unknown"
"""The activity of a participant without a connected harness, or before its first report."""

ROWS_PER_TURN = 50
"""Rows assembled in one turn of the loop, which takes about a millisecond."""

DESCRIPTION_MAX = 200
"""Characters of a description that participants see of each other; the operator sees all."""

_WORKING = ActivityState.WORKING

_BY_CHILD = {
    ChildState.STOPPING: State.STOPPING,
    ChildState.BACKOFF: State.BACKOFF,
    ChildState.PARKED: State.FAILED,
}


_DOWN_AGAINST_WILL = frozenset({State.FAILED, State.BACKOFF, State.ENDED})
"""States whose cause is shown."""


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
        return _state_of_down(participant)
    return State.STARTING if participant.queued_for is None else State.QUEUED


def _state_of_down(agent: Agent) -> State:
    """Return the state of an agent whose supervisor neither runs nor restarts it."""
    if agent.record.desired is Desired.STOPPED:
        return State.STOPPED
    if agent.record.failed is not None:
        return State.FAILED
    return State.ENDED if agent.on_exit is OnExit.KEEP else State.STOPPED  # as the daemon ends


@frozen
class _Moment:
    """What all rows of one request have in common.

    Attributes:
        wall_offset: Seconds from the loop's time to the wall time.
        parent: The parent of agents.
        loop_reasons: Why the mail of participants is held, by name.
        turn_reasons: Why agents wait for a turn, by name.
        facts: What rows have besides the state.
        now: The wall time.
        url: The address of the dashboard; None without one.
    """

    wall_offset: float
    parent: str | None
    loop_reasons: Mapping[str, str]
    turn_reasons: Mapping[str, str]
    facts: RowFacts
    now: float
    url: str | None

    def page_of(self, name: str) -> str | None:
        """Return the address of a participant's page."""
        return None if self.url is None else f"{self.url}/agent/{name}/"


class Snapshot:
    """Assembles status rows.

    Args:
        registry: The participants.
        supervision: Knows the state of their actors.
        mail: Counts their mail.
        clock: Wall time.
        last_request: Returns when a connection of a participant that is open sent its last request,
            in seconds of the loop; None without a connection.
        sources: Where the facts besides the state come from.
        conflict_of: Returns why hive.toml contradicts a participant; None if it does not.
        marks_of: Returns whether the operator has pinned and archived a participant, and until when
            it is snoozed; None for no.
        web_url: Returns the address of the dashboard; None without one.

    Attributes:
        conflict_of: As above.
    """

    def __init__(
        self,
        registry: Registry,
        supervision: Supervision,
        mail: MailQueries,
        clock: Clock,
        last_request: Callable[[str], float | None],
        *,
        sources: RowSources,
        conflict_of: Callable[[ParticipantRecord], str | None] = lambda record: None,
        marks_of: MarksOf = lambda name: (None, None, None),
        web_url: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._supervision = supervision
        self._mail = mail
        self._clock = clock
        self._last_request = last_request
        self._sources = sources
        self.conflict_of = conflict_of
        self._marks_of = marks_of
        self._web_url = web_url
        self._broken: set[str] = set()

    async def rows(self) -> list[StatusRow]:
        """Return one row per participant: manager, agents, peers."""
        await self._sources.samples.look()
        return await self.rows_of((*self._registry.agents, *self._registry.peers))

    async def rows_of(self, members: Iterable[Participant]) -> list[StatusRow]:
        """Return the rows of some participants, in their order."""
        infos = await self._supervision.infos()
        moment = self._moment()
        rows: list[StatusRow] = []
        for participant in members:
            rows.append(self._row(participant, infos.get(participant.record.name), moment))
            if len(rows) % ROWS_PER_TURN == 0:
                await asyncio.sleep(0)
        return rows

    async def states(self) -> list[tuple[Participant, str]]:
        """Return all participants with their states: manager, agents, peers."""
        infos = await self._supervision.infos()
        members = (*self._registry.agents, *self._registry.peers)
        return [(each, state_of(each, infos.get(each.record.name)).value) for each in members]

    async def row(self, participant: Participant) -> StatusRow:
        """Return the row of one participant."""
        return self._row(participant, await self._supervision.info(participant), self._moment())

    def _moment(self) -> _Moment:
        now = self._clock.now()
        return _Moment(
            now=now,
            wall_offset=now - asyncio.get_running_loop().time(),
            parent=MANAGER if MANAGER in self._registry else None,
            loop_reasons=_loop_reasons(self._mail.loops()),
            turn_reasons=_turn_reasons(self._mail.turns()),
            facts=self._sources.collect(),
            url=self._web_url(),
        )

    def _row(self, participant: Participant, info: ChildInfo | None, moment: _Moment) -> StatusRow:
        try:
            if isinstance(participant, Agent):
                return self._agent_row(participant, info, moment)
            assert isinstance(participant, Peer)
            return self._peer_row(participant, moment)
        except Exception as error:
            if participant.name not in self._broken:  # each look would log the same
                self._broken.add(participant.name)
                logger.exception("the status row of %r cannot be assembled", participant.name)
            return broken_row(participant, error)

    # Hundreds of agents are shown once a second to each viewer, so a row of an agent is made by one
    # call that names its fields, and not from parts.

    def _agent_row(self, agent: Agent, info: ChildInfo | None, moment: _Moment) -> StatusRow:
        record, running, ended, facts = agent.record, agent.running, agent.ended, moment.facts
        name, reporter, state = record.name, agent.reporter, state_of(agent, info)
        activity = reporter.activity if reporter is not None else None
        doing = activity.state if activity is not None else None
        said, said_at = _said(agent)
        since, (unread, receives) = _since(agent, state), self._mail.glance(name)
        asked, used, day = facts.asked.get(name), facts.samples.get(name), facts.usage.get(name)
        tier, verdict = tier_of(state.value, doing, has_asked=asked is not None), agent.verdict
        pinned, archived, snoozed_until = self._marks_of(name)
        chosen = shown_choice(agent, activity)
        return StatusRow(
            name=name,
            running=running is not None or agent.stray,
            failed=state is State.FAILED,
            needs_update=agent.needs_update,
            deployed_sha=record.applied,
            differs=_differs(agent),
            conflict=self.conflict_of(record),
            needs_login=doing is ActivityState.NEEDS_LOGIN,
            pending_reminders=self._mail.reminders(name),
            paused=record.paused,
            frozen_since=_time(record.frozen_at),
            harness_version=agent.harness_version,
            parent=moment.parent if record.kind is Kind.AGENT else None,
            active_model=activity.model if activity is not None else None,
            active_effort=activity.effort if activity is not None else None,
            chosen_model=chosen.model,
            chosen_effort=chosen.effort,
            project=agent.settings.project,
            description=record.description,
            status_text=said,
            status_set_at=_time(said_at),
            url=moment.page_of(record.name),
            kind=record.kind.value,
            state=state.value,
            unread=unread,
            last_seen=_time(self._last_seen(agent, moment, receives)),
            connected=agent.presence.connected,
            since=_time(since),
            restarts=record.restarts,
            reason=_reason(agent, state)
            or agent.socket_error
            or moment.loop_reasons.get(name)
            or moment.turn_reasons.get(name),
            source=running.source if running is not None else "hive",
            restart_delays=self._supervision.restart_delays(agent),
            next_restart_at=_next_restart_at(info, moment.wall_offset),
            last_end=ended.reason if ended is not None else None,
            last_end_at=_time(ended.at) if ended is not None else None,
            last_result=ended.result if ended is not None else None,
            pid=running.pid if running is not None else None,
            last_lines=list(ended.last_lines) if ended is not None and ended.last_lines else None,
            activity=doing.value if doing is not None else UNKNOWN,
            activity_since=_time(activity.since) if activity is not None else None,
            activity_about=activity.about if activity is not None else None,
            activity_until=_time(activity.until) if activity is not None else None,
            activity_at=_reported_at(reporter),
            session=activity.session if activity is not None else None,
            account=activity.account if activity is not None else None,
            tier=tier,
            tier_since=_time(tier_since(tier, asked, activity, since)),
            unread_since=_time(self._mail.unread_since(name)) if unread else None,
            turn_since=_time(activity.since) if activity and doing is _WORKING else None,
            context_fill=activity.context_fill if activity is not None else None,
            context_at=_time(activity.context_at) if activity is not None else None,
            tokens_today=day.tokens if day is not None else None,
            cost_today_usd=day.cost if day is not None else None,
            memory_bytes=used.memory if used is not None else None,
            cpu_percent=used.cpu_percent if used is not None else None,
            resources_at=_time(used.at) if used is not None else None,
            cause=cause_of_failure(agent) if state in _DOWN_AGAINST_WILL else None,
            verdict=verdict.kind if verdict is not None else None,
            verdict_since=_time(verdict.since) if verdict is not None else None,
            verdict_source=verdict.source if verdict is not None else None,
            pinned=pinned,
            archived=archived,
            snoozed_until=snoozed_until,
        )

    def _peer_row(self, peer: Peer, moment: _Moment) -> StatusRow:
        record, reporter = peer.record, peer.reporter
        activity = reporter.activity if reporter is not None else None
        said, said_at = _said(peer)
        unread, receives = self._mail.glance(record.name)
        pinned, archived, snoozed_until = self._marks_of(record.name)
        fields = {
            "since": _time(peer.presence.since),
            "source": "socket",
            "harness_version": peer.harness_version,
            **_observed_fields(peer),
            **_activity_fields(peer),
            **self._peer_facts(peer, moment.facts),
        }
        return StatusRow(
            name=record.name,
            running=_is_running(peer),
            failed=False,
            needs_update=False,
            deployed_sha=record.applied,
            conflict=self.conflict_of(record),
            needs_login=activity is not None and activity.state is ActivityState.NEEDS_LOGIN,
            pending_reminders=self._mail.reminders(record.name),
            paused=record.paused,
            active_model=activity.model if activity is not None else None,
            active_effort=activity.effort if activity is not None else None,
            description=record.description,
            status_text=said,
            status_set_at=_time(said_at),
            url=moment.page_of(record.name),
            kind=record.kind.value,
            state=state_of(peer, None).value,
            unread=unread,
            last_seen=_time(self._last_seen(peer, moment, receives)),
            connected=peer.presence.connected,
            reason=peer.start_error or peer.socket_error or moment.loop_reasons.get(record.name),
            pinned=pinned,
            archived=archived,
            snoozed_until=snoozed_until,
            **fields,
        )

    def _peer_facts(self, peer: Peer, facts: RowFacts) -> dict[str, Any]:
        """Return the facts of a peer besides its state; one without any has few."""
        name, reporter, observed = peer.record.name, peer.reporter, peer.observed_state
        activity = reporter.activity if reporter is not None else None
        doing = activity.state if activity is not None else None
        asked, used, day = facts.asked.get(name), facts.samples.get(name), facts.usage.get(name)
        down = observed is not None and not observed.is_active and not peer.presence.connected
        state, verdict = state_of(peer, None).value, peer.verdict
        tier = tier_of(state, doing, has_asked=asked is not None, is_down=down)
        since = observed.since if observed is not None and down else peer.presence.since
        return {
            "tier": tier.value,
            "tier_since": _time(tier_since(tier, asked, activity, since)),
            "unread_since": _time(self._mail.unread_since(name)),
            "turn_since": _time(activity.since) if activity and doing is _WORKING else None,
            "context_fill": activity.context_fill if activity is not None else None,
            "context_at": _time(activity.context_at) if activity is not None else None,
            "tokens_today": day.tokens if day is not None else None,
            "cost_today_usd": day.cost if day is not None else None,
            "memory_bytes": used.memory if used is not None else None,
            "cpu_percent": used.cpu_percent if used is not None else None,
            "resources_at": _time(used.at) if used is not None else None,
            "verdict": verdict.kind.value if verdict is not None else None,
            "verdict_since": _time(verdict.since) if verdict is not None else None,
            "verdict_source": verdict.source if verdict is not None else None,
        }

    def _last_seen(self, participant: Participant, moment: _Moment, receives: bool) -> float | None:
        """Return the last sign of life: a request, or the begin or end of a connection.

        A receiver that waits is one at every moment, unless the agent is frozen: its socket is
        open, and the kernel closes it with the process.
        """
        if receives and participant.record.frozen_at is None:
            return moment.now
        requested = self._last_request(participant.record.name)
        seen = participant.presence.last_seen
        if requested is None:
            return seen
        requested += moment.wall_offset
        return requested if seen is None or requested > seen else seen

    def who(self) -> list[WhoRow]:
        """Return the rows that participants may see of each other."""
        moment, glance = self._moment(), self._mail.glance
        return [
            WhoRow(
                name=participant.name,
                kind=participant.record.kind.value,
                description=_shortened(participant.record.description),
                connected=participant.presence.connected,
                last_seen=_time(self._last_seen(participant, moment, glance(participant.name)[1])),
                status_text=_said(participant)[0],
                activity=_activity_fields(participant)["activity"],
            )
            for participant in self._registry
        ]


def broken_row(participant: Participant, error: Exception) -> StatusRow:
    """Return the row of a participant whose row cannot be assembled: its name, and why."""
    return StatusRow(
        name=participant.name,
        running=False,
        failed=False,
        needs_update=False,
        needs_login=False,
        kind=participant.record.kind.value,
        state=UNKNOWN,
        reason=f"its status cannot be assembled ({type(error).__name__}: {error}); the log of the "
        "daemon has the details",
        tier=Tier.UNKNOWN.value,
    )


def _turn_reasons(turns: TurnsUnderCap) -> dict[str, str]:
    """Return why agents that wait for a turn do so, by agent."""
    return dict.fromkeys(turns.waiting, f"waits for a turn: {turns.running} of {turns.limit} run")


def _loop_reasons(circuits: Iterable[Circuit]) -> dict[str, str]:
    """Return why the mail of participants is held by an open circuit, by name."""
    reasons: dict[str, str] = {}
    for circuit in circuits:
        for name in circuit.pair:
            [other] = set(circuit.pair) - {name}
            reasons.setdefault(
                name,
                f"in a loop with {other}, {counted(len(circuit.parked), 'message')} parked; "
                f"'hive-c0re reset-loop {' '.join(circuit.pair)}' delivers them",
            )
    return reasons


def _next_restart_at(info: ChildInfo | None, wall_offset: float) -> str | None:
    """Return when an agent is started again; None if no restart is due."""
    if info is None or info.next_restart_at is None:
        return None
    return rfc3339(info.next_restart_at + wall_offset)


def _reported_at(reporter: HarnessConnection | None) -> str | None:
    return _time(reporter.reported_at) if reporter is not None else None


def _is_running(peer: Peer) -> bool:
    """Return whether a peer runs, for clients that show nothing else of it."""
    observed = peer.observed_state
    return peer.presence.connected or (observed is not None and observed.is_active)


def _shortened(description: str | None) -> str | None:
    if description is None or len(description) <= DESCRIPTION_MAX:
        return description
    return description[:DESCRIPTION_MAX] + "..."


def _said(participant: Participant) -> tuple[str | None, float | None]:
    """Return a participant's own status line and its time; an agent's only of its present run."""
    record = participant.record
    if record.status_text is None or record.status_set_at is None:
        return None, None
    if isinstance(participant, Agent):
        running = participant.running
        if running is None or record.status_set_at < running.since:
            return None, None
    return record.status_text, record.status_set_at


def _since(participant: Agent, state: State) -> float | None:
    """Return the time since which an agent is in a state; None for a transitional state."""
    if state in {State.QUEUED, State.STARTING, State.STOPPING}:
        return None
    if participant.running is not None:
        return participant.running.since
    return participant.ended.at if participant.ended is not None else None


def _reason(participant: Agent, state: State) -> str | None:
    if state is State.STRAY:
        return stray_reason(participant.record)
    if state is State.STOPPING:
        return _stop_of(participant)
    if state in {State.RUNNING, State.STARTING, State.QUEUED}:
        held = frozen_reason(participant.record) or participant.queued_for
        return held or (ATTACHED if participant.attached_since is not None else None)
    if participant.start_error is not None:
        return participant.start_error
    if participant.ended is not None:
        return str(participant.ended)
    return participant.record.failed or participant.record.last_reason


def _stop_of(agent: Agent) -> str:
    """Return what an agent that stops waits for; why it ended before is no reason of that."""
    if agent.on_exit is OnExit.KILL or agent.is_frozen:
        return "it is killed"
    if agent.on_exit is OnExit.KEEP:
        return "the daemon leaves it, and it runs on"
    return f"it was asked to end, and is killed after {agent.settings.stop_timeout:g} s"


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


def _observed_fields(peer: Peer) -> dict[str, Any]:
    """Return the fields of a peer's observed state; none if it is not observed."""
    observed = peer.observed_state
    if observed is None:
        return {"observed": f"the state of {peer.observe} is unknown"} if peer.observe else {}
    return {
        "observed": str(observed),
        "since": _time(observed.since),
        "restarts": observed.restarts,
        "source": observed.source,
    }


@lru_cache(maxsize=8192)
def _time(seconds: float | None) -> str | None:
    """Return a time as the wire has it; cached, since most times of a row stay for long."""
    return None if seconds is None else rfc3339(seconds)


def tree_row(node: TreeNode, queued: Collection[str] = ()) -> TreeRow:
    """Return a node of the supervision tree and all nodes below it as a row.

    Args:
        node: The node.
        queued: The paths of agents whose start waits; their actors run already.
    """
    state = node.state if node.child is None else node.child.state
    return TreeRow(
        path=node.path,
        kind=node.kind.value,
        state=State.QUEUED.value if node.path in queued else state.value,
        restarts=node.restarts,
        mailbox=node.mailbox,
        current=None if node.current is None else type(node.current.message).__name__,
        current_seconds=None if node.current is None else round(node.current.age, 3),
        last_exit=None if node.last_exit is None else str(node.last_exit),
        children=[tree_row(child, queued) for child in node.children],
    )


def _differs(agent: Agent) -> list[str] | None:
    """Return the keys that wait for a restart of an agent; None without any."""
    if not agent.needs_update:
        return None
    record = agent.record
    changes = compare_manifests(record.started, record.manifest)
    return [str(each) for each in changes if each.needs_restart]
