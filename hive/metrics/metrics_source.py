"""The source of metrics: takes one reading of everything when somebody asks.

What memory has is read on the loop, a few participants in a turn. What only the disk or the kernel
has is read on threads. What cannot be read has no samples, and the rest is answered all the same:
in trouble the numbers matter most.
"""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from actors import ActorDied, AskTimeout, ChildInfo
from hive.approvals.approval_queue import ApprovalQueue
from hive.broker.queries import InboxReading, MailQueries
from hive.clock import Clock
from hive.errors import HiveError
from hive.gateway.budget import Budgets
from hive.histogram import Histogram
from hive.metrics import families as metric
from hive.metrics.event_counts import EventCounts
from hive.metrics.export_counts import ExportCounts
from hive.metrics.loop_lag import LoopLag
from hive.metrics.metrics_reading import Reading
from hive.metrics.process_numbers import add_process
from hive.metrics.turn_counts import ParticipantTurns, TurnCounts
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.supervision import Supervision
from hive.participants.usage_limits import UsageLimits
from hive.status.snapshot import State, state_of
from hive.store import Kind, Store
from hive.store.approvals import ApprovalKind
from hive.store.database import wal_path
from hive.store.disk_reserve import DiskReserve
from hive.store.mail_numbers import mail_numbers
from hive.version import VERSION
from hive.wire.enums import ActivityState, EventKind
from hive.wire.metric_rows import FamilyRow

PER_TURN = 50
"""Participants, or inboxes, whose samples are added in one turn of the loop."""

KINDS = (Kind.MANAGER, Kind.AGENT, Kind.PEER)
"""Kinds of participants."""

_NO_TURNS = ParticipantTurns()


@frozen
class MetricsParts:
    """The objects that metrics are read from.

    Attributes:
        stopping: Returns how far the stop of the agents is; None before it begins.
        turns_held: Returns why agents may begin no turn; None if they may.
    """

    registry: Registry
    supervision: Supervision
    mail: MailQueries
    budgets: Budgets
    approvals: ApprovalQueue
    usage_limits: UsageLimits
    store: Store
    disk_reserve: DiskReserve
    clock: Clock
    stopping: Callable[[], str | None]
    turns_held: Callable[[], str | None]


class MetricsSource:
    """Takes readings, and has the counts of what no other object counts.

    Attributes:
        events: Counts of events.
        turns: Counts of turns.
        exports: Counts of what telemetry has exported.
        loop_lag: The lag of the event loop.
    """

    def __init__(self, parts: MetricsParts) -> None:
        self._parts = parts
        self.events = EventCounts()
        self.turns = TurnCounts()
        self._started = parts.clock.now()
        self.exports = ExportCounts()
        self.loop_lag = LoopLag(Histogram(metric.LAG_BOUNDS))

    async def read(self) -> list[FamilyRow]:
        """Return all metrics with their samples."""
        reading = Reading()
        self._add_daemon(reading)
        await self._add_participants(reading)
        await self._add_inboxes(reading)
        self._add_waiting(reading)
        self._add_store(reading)
        await self._add_stored(reading)
        return reading.rows()

    def _add_daemon(self, reading: Reading) -> None:
        parts = self._parts
        versions = (VERSION, platform.python_version(), sqlite3.sqlite_version)
        reading.add(metric.BUILD, 1, *versions)
        reading.add(metric.STARTED, self._started)
        reading.add(metric.STOPPING, parts.stopping() is not None)
        reading.add_histogram(metric.LOOP_LAG, self.loop_lag.seconds)
        for labels, count in self.exports.counts.items():
            reading.add(metric.EXPORTS, count, *labels)
        for kind in EventKind:
            reading.add(metric.EVENTS, self.events.events[kind.value], kind.value)
        for name, count in parts.budgets.connections().items():
            reading.add(metric.CONNECTIONS, count, name)
        for name, codes in parts.budgets.refusals().items():
            for code, count in codes.items():
                reading.add(metric.REFUSALS, count, name, code)

    # Participants

    async def _add_participants(self, reading: Reading) -> None:
        participants = tuple(self._parts.registry)
        infos = await self._infos()
        states: Counter[tuple[str, str]] = Counter()
        for index, participant in enumerate(participants):
            if infos is not None:
                state = state_of(participant, infos.get(participant.name)).value
                kind = participant.record.kind.value
                states[kind, state] += 1
                reading.add(metric.STATE, 1, participant.name, kind, state)
            self._add_participant(reading, participant)
            self._add_turns(reading, participant)
            if index % PER_TURN == PER_TURN - 1:
                await asyncio.sleep(0)
        if infos is not None:
            for kind_ in KINDS:
                for each in State:
                    count = states[kind_.value, each.value]
                    reading.add(metric.PARTICIPANTS, count, kind_.value, each.value)
        for name, cause, count in self.events.restarts():
            reading.add(metric.RESTARTS, count, name, cause)
        reading.add(metric.TURNS_RUNNING, sum(map(_is_working, participants)))

    async def _infos(self) -> Mapping[str, ChildInfo] | None:
        """Return the states of the actors; None while the tree starts or ends."""
        with suppress(HiveError, ActorDied, AskTimeout):
            return await self._parts.supervision.infos()
        return None

    def _add_participant(self, reading: Reading, participant: Participant) -> None:
        name, reporter = participant.name, participant.reporter
        if reporter is not None and reporter.activity is not None:
            reading.add(metric.ACTIVITY, 1, name, reporter.activity.state.value)
        reading.add(metric.CONNECTED, participant.presence.connected, name)
        reading.add(metric.PAUSED, participant.record.paused, name)
        if participant.presence.last_seen is not None:
            reading.add(metric.LAST_SEEN, participant.presence.last_seen, name)
        if isinstance(participant, Agent):
            reading.add(metric.NEEDS_UPDATE, participant.needs_update, name)
            reading.add(metric.FROZEN, participant.is_frozen, name)
            if participant.running is not None:
                reading.add(metric.AGENT_STARTED, participant.running.since, name)

    def _add_turns(self, reading: Reading, participant: Participant) -> None:
        """Add the turns of a participant; an agent without any has zeros."""
        name = participant.name
        turns = self.turns.by_name.get(name)
        if turns is None and not isinstance(participant, Agent):
            return
        for outcome, count in (turns or _NO_TURNS).outcomes.items():
            reading.add(metric.TURNS, count, name, outcome)
        if turns is not None:
            reading.add_histogram(metric.TURN_SECONDS, turns.seconds, name)
            for kind, count in turns.tokens.items():
                reading.add(metric.TOKENS, count, name, kind)
            reading.add(metric.COST, turns.cost, name)

    # Mail

    async def _add_inboxes(self, reading: Reading) -> None:
        for index, inbox in enumerate(self._parts.mail.inboxes()):
            _add_inbox(reading, inbox)
            if index % PER_TURN == PER_TURN - 1:
                await asyncio.sleep(0)
        for name, count in self._parts.mail.deferred().items():
            reading.add(metric.DEFERRED, count, name)
        loops = self._parts.mail.loops()
        reading.add(metric.LOOPS, len(loops))
        reading.add(metric.HELD, sum(len(loop.parked) for loop in loops))

    def _add_waiting(self, reading: Reading) -> None:
        """Add what waits for an answer of somebody."""
        parts, now = self._parts, self._parts.clock.now()
        questions = parts.mail.open_questions_since()
        reading.add(metric.QUESTIONS, len(questions))
        reading.add(metric.QUESTION_AGE, _age(questions, now))
        pending = parts.approvals.pending
        kinds = Counter(each.kind for each in pending)
        for kind in ApprovalKind:
            reading.add(metric.APPROVALS, kinds[kind], kind.value)
        reading.add(metric.APPROVAL_AGE, _age([each.requested_at for each in pending], now))
        reading.add(metric.USAGE_LIMITS, len(parts.usage_limits.current()))

    # The store

    def _add_store(self, reading: Reading) -> None:
        parts = self._parts
        reading.add(metric.WRITABLE, parts.store.health.trouble is None)
        reading.add(metric.DISK_SHORT, parts.disk_reserve.shortage is not None)
        reading.add(metric.MACHINE_HELD, parts.turns_held() is not None)
        reading.add_histogram(metric.COMMIT_SECONDS, parts.store.commit_seconds)

    async def _add_stored(self, reading: Reading) -> None:
        """Add what only the disk has."""
        store, now = self._parts.store, self._parts.clock.now()
        with suppress(HiveError):
            numbers = await store.read(mail_numbers(now))
            reading.add(metric.DEAD_LETTERS, numbers.dead_letters)
            for name, sent_at in numbers.oldest.items():
                reading.add(metric.OLDEST, max(0.0, now - sent_at), name)
        with suppress(OSError):
            await asyncio.to_thread(add_process, reading)
        await asyncio.to_thread(_add_sizes, reading, store.path)
        with suppress(OSError):
            reading.add(metric.FREE_BYTES, await store.free_bytes())


def _add_inbox(reading: Reading, inbox: InboxReading) -> None:
    name, totals = inbox.name, inbox.totals
    reading.add(metric.UNREAD, inbox.counts.unread, name)
    reading.add(metric.LEASED, inbox.counts.leased, name)
    reading.add(metric.MAIL_BYTES, inbox.counts.size, name)
    reading.add(metric.REMINDERS, inbox.reminders, name)
    reading.add(metric.PARKED, inbox.receivers, name)
    reading.add(metric.SENT, totals.sent, name)
    reading.add(metric.RECEIVED, totals.received, name)
    reading.add(metric.DELIVERED, totals.delivered, name)
    reading.add(metric.ACKED, totals.acked, name)
    reading.add(metric.EXPIRED, totals.expired, name)
    reading.add(metric.DEAD, totals.dead, name)


def _is_working(participant: Participant) -> bool:
    reporter = participant.reporter
    activity = None if reporter is None else reporter.activity
    return activity is not None and activity.state is ActivityState.WORKING


def _age(times: Iterable[float], now: float) -> float:
    """Return the seconds since the earliest of these wall times; 0 without any."""
    return max(0.0, now - min(times, default=now))


def _add_sizes(reading: Reading, path: Path) -> None:
    """Add the sizes of the files of the store that there are; on a thread."""
    for word, file in (("database", path), ("wal", wal_path(path))):
        with suppress(OSError):
            reading.add(metric.STORE_BYTES, file.stat().st_size, word)
