"""The approval queue: what waits for the operator, on disk, and what was decided.

A decision and its audit entry are one transaction. What was approved is carried out by the
executor of its kind, after the decision is on disk; if the daemon ends before that is done, the
next one does it again. So an executor must be idempotent.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

import attrs
from attrs import frozen

from hive.approvals import decisions
from hive.approvals.deadline_clock import DeadlineClock
from hive.approvals.decisions import Decision, OperatorChoice
from hive.clock import Clock
from hive.errors import ConflictError, HiveError, NotFoundError
from hive.event_log import EventKind, EventLog
from hive.names import OPERATOR, SYSTEM
from hive.quantities import counted
from hive.store import NO_ORIGIN, Origin, Store, audit
from hive.store import approvals as table
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.store.audit import AuditEntry
from hive.store.transaction import Op

logger = logging.getLogger(__name__)

PENDING_MAX = 50
"""Approvals of one participant that may wait at a time."""

RETRY_SECONDS = 1.0
"""Seconds until an outcome that cannot be stored is stored again."""

Executor = Callable[[Approval], Awaitable[None]]
"""Carries out what was approved; idempotent. An error that it raises becomes that of the
approval."""


Facts = Mapping[str, str]
"""What is recorded about an end, by the names of the fields of its notice."""


class ApprovalNotices(Protocol):
    """Sends mail about approvals."""

    def requested(self, approval: Approval, waiting: int) -> None:
        """Notify the operator that something waits for a decision, as one of so many."""
        ...

    def overdue(self, approval: Approval) -> None:
        """Notify the operator that a deadline is over and a decision is still needed."""
        ...

    async def record_end(self, approval: Approval) -> Facts:
        """Record an end where the commit of the approval is, and return what is there. Idempotent.

        It is before the notice, so that what the notice says is true.
        """
        ...

    def resolved(self, approval: Approval, facts: Facts) -> None:
        """Notify who asked, and the manager, that an approval has ended."""
        ...


@frozen
class Decider:
    """Who decides.

    Attributes:
        origin: The socket, and the process at its other end.
    """

    origin: Origin = NO_ORIGIN

    def __str__(self) -> str:
        uid, via = self.origin.uid, self.origin.via
        known = [] if uid is None else [f"uid {uid}"]
        known += [] if via is None else [f"via {via}"]
        return f"{OPERATOR} ({', '.join(known)})" if known else OPERATOR


class ApprovalQueue:
    """Approvals by number, and the decisions about them.

    Args:
        store: Stores approvals and the audit.
        events: The event log.
        notices: Sends mail about them.
        clock: Wall time.
        deadlines: The time that counts for deadlines; by default that of `clock` and of the loop.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        notices: ApprovalNotices,
        clock: Clock,
        deadlines: DeadlineClock | None = None,
    ) -> None:
        self._store = store
        self._events = events
        self._notices = notices
        self._clock = clock
        self._executors: dict[ApprovalKind, Executor] = {}
        self._deadlines = deadlines or DeadlineClock(clock)
        self._open: dict[int, Approval] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._decisions = asyncio.Lock()
        self._submitted: Callable[[], object] = lambda: None

    def register(self, kind: ApprovalKind, executor: Executor) -> None:
        """Set the executor of a kind."""
        self._executors[kind] = executor

    async def open(self, submitted: Callable[[], object] = lambda: None) -> None:
        """Read what waits, and carry out what was approved before the last end of the daemon.

        Args:
            submitted: Called after a new approval, whose deadline may be the next one.
        """
        self._submitted = submitted
        found = await self._store.read(table.open_approvals)
        self._open = {approval.id: approval for approval in found}
        for approval in found:
            self._deadlines.learn(approval.id, is_restored=True)
        approved = [each for each in found if each.state is ApprovalState.APPROVED]
        for approval in sorted(approved, key=lambda each: each.decided_at or 0.0):
            self._carry_out(approval)

    async def close(self) -> None:
        """Interrupt what is being carried out; the next `open` repeats it."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    # Reading

    @property
    def pending(self) -> tuple[Approval, ...]:
        """The approvals that the operator can decide, oldest first."""
        return tuple(each for each in self._open.values() if each.state in decisions.OPEN)

    async def find(self, number: int) -> Approval | None:
        """Return an approval in any state; None if there is none of that number."""
        return self._open.get(number) or await self._store.read(table.one(number))

    async def get(self, number: int) -> Approval:
        """Return an approval in any state.

        Raises:
            NotFoundError: There is none of that number.
        """
        found = await self.find(number)
        if found is None:
            waiting = ", ".join(str(each.id) for each in self.pending) or "none"
            raise NotFoundError(f"there is no approval {number}; waiting: {waiting}")
        return found

    def about(self, name: str) -> tuple[Approval, ...]:
        """Return the approvals about a participant that have not ended, oldest first."""
        return tuple(each for each in self._open.values() if each.name == name)

    def requested_by(self, name: str) -> tuple[Approval, ...]:
        """Return the approvals that a participant asked for and that wait, oldest first."""
        return tuple(each for each in self.pending if each.requested_by == name)

    async def newest(self, count: int, before: int | None = None) -> list[Approval]:
        """Return the newest approvals in any state before a number, oldest first."""
        return await self._store.read(table.newest(count, before))

    # Requests

    async def submit(self, approval: Approval, origin: Origin = NO_ORIGIN) -> Approval:
        """Store a new approval; return it with its number.

        Raises:
            ConflictError: Too many of the same participant wait already, or the same one does.
        """
        async with self._decisions:
            self.require_room(approval)
            entry = self._entry("submit", approval, approval.requested_by, origin)
            stored = await self._store.write(_insert(approval, entry))
            self._open[stored.id] = stored
            self._deadlines.learn(stored.id)
        self._record(EventKind.APPROVAL_REQUESTED, stored)
        self._submitted()
        self._notices.requested(stored, len(self.pending))
        return stored

    def require_room(self, new: Approval) -> None:
        """Require that an approval can be submitted.

        Raises:
            ConflictError: Too many of the same participant wait already, or the same one does.
        """
        waiting = self.requested_by(new.requested_by)
        if len(waiting) >= PENDING_MAX:
            raise ConflictError(
                f"{new.requested_by!r} has {counted(len(waiting), 'approval')} waiting for the "
                f"operator, at most {PENDING_MAX} may wait; cancel some, or wait"
            )
        for each in self.pending:
            if (each.kind, each.name, each.sha, each.detail) == (
                *(new.kind, new.name, new.sha, new.detail),
            ):
                raise ConflictError(f"approval {each.id} asks for the same and waits already")

    async def decide(
        self,
        number: int,
        verdict: OperatorChoice,
        by: Decider,
        *,
        sha: str | None = None,
        note: str | None = None,
    ) -> Approval:
        """Decide about an approval; returns when the decision is on disk. Idempotent.

        Raises:
            NotFoundError: There is none of that number.
            ConflictError: See `decisions.decide`.
        """
        async with self._decisions:
            await self._deny_if_due(await self.get(number))
            before = await self.get(number)
            decision = Decision(verdict, str(by), sha, note)
            after = decisions.decide(before, decision, self._clock.now())
            if after is before:
                return after
            entry = self._entry(verdict.value, after, OPERATOR, by.origin)
            await self._save(after, attrs.evolve(entry, reason=note))
        if after.state is ApprovalState.APPROVED:
            self._record(EventKind.APPROVAL_APPROVED, after)
            self._carry_out(after)
        else:
            await self._end(after)
        return after

    async def cancel(self, number: int, by: str, reason: str, origin: Origin = NO_ORIGIN) -> None:
        """Take an approval back.

        Raises:
            NotFoundError: There is none of that number.
            ConflictError: It was decided already.
        """
        async with self._decisions:
            after = decisions.cancel(await self.get(number), reason, self._clock.now())
            entry = self._entry("cancel", after, by, origin)
            await self._save(after, attrs.evolve(entry, reason=reason))
        await self._end(after)

    async def _deny_if_due(self, approval: Approval) -> None:
        """Let a deadline that is over deny its approval, also before the next `expire`."""
        after = decisions.expire(approval, self._deadlines.now(approval.id))
        if after.state is ApprovalState.EXPIRED and after is not approval:
            await self._save(after, self._entry("expire", after, SYSTEM, NO_ORIGIN))
            await self._end(after)

    def delay(self) -> float | None:
        """Return the seconds until `expire` has something to do; None for never."""
        delays = [
            self._deadlines.delay(each.id, each.expires_at)
            for each in self.pending
            if each.expires_at is not None and each.state is ApprovalState.PENDING
        ]
        return min(delays, default=None)

    async def expire(self) -> None:
        """Do what is due: deadlines that are over deny their approval, or leave it held."""
        for approval in self.pending:
            async with self._decisions:
                before = self._open.get(approval.id, approval)
                after = decisions.expire(before, self._deadlines.now(before.id))
                if after is before or before.id not in self._open:
                    continue
                await self._save(after, self._entry("expire", after, SYSTEM, NO_ORIGIN))
            # At once: if the next one cannot be stored, this one would never be notified about.
            if after.state is ApprovalState.EXPIRED:
                await self._end(after)
            else:
                self._record(EventKind.APPROVAL_HELD, after)
                self._notices.overdue(after)

    def rename(self, old: str, new: str) -> None:
        """Change the name of a participant in what waits; it is on disk already."""
        for approval in tuple(self._open.values()):
            by = new if approval.requested_by == old else approval.requested_by
            about = new if approval.name == old else approval.name
            self._open[approval.id] = attrs.evolve(approval, name=about, requested_by=by)

    # Carrying out

    async def wait_carried_out(self, number: int) -> Approval:
        """Wait until what was approved is carried out, or has failed; return the approval.

        Raises:
            NotFoundError: There is none of that number.
        """
        running = self._running.get(number)
        if running is not None:
            await asyncio.wait([running])
        return await self.get(number)

    def _carry_out(self, approval: Approval) -> None:
        if approval.id in self._running:
            return
        task = asyncio.ensure_future(self._execute(approval))
        self._running[approval.id] = task
        task.add_done_callback(partial(self._carried_out, approval.id))

    def _carried_out(self, number: int, task: asyncio.Task[None]) -> None:
        del self._running[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the outcome of approval %d could not be stored: %s", number, error)

    async def _execute(self, approval: Approval) -> None:
        executor = self._executors.get(approval.kind)
        error: str | None = None
        try:
            if executor is None:
                error = f"this hive cannot carry out {approval.kind.value!r}"
            else:
                await executor(approval)
        except HiveError as refusal:
            error = str(refusal)
        except Exception as bug:
            logger.exception("approval %d could not be carried out", approval.id)
            error = f"a bug in hive-c0re ({type(bug).__name__}: {bug}); its log has the traceback"
        after = decisions.finish(approval, error, self._clock.now())
        verb = "carry_out" if error is None else "fail"
        entry = self._entry(verb, after, SYSTEM, NO_ORIGIN)
        facts = await self._notices.record_end(after)
        await self._save_at_last(after, attrs.evolve(entry, reason=error))
        self._ended(after, facts)

    # Writing

    async def _save_at_last(self, approval: Approval, entry: AuditEntry) -> None:
        """Save an outcome, however long the store takes no writes."""
        while True:
            try:
                await self._save(approval, entry)
            except HiveError:  # the store reports its trouble itself
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _save(self, approval: Approval, entry: AuditEntry) -> None:
        await self._store.write(_update(approval, entry))
        if approval.ended_at is None:
            self._open[approval.id] = approval
        else:
            self._open.pop(approval.id, None)
            self._deadlines.forget(approval.id)

    async def _end(self, approval: Approval) -> None:
        self._ended(approval, await self._notices.record_end(approval))

    def _ended(self, approval: Approval, facts: Facts) -> None:
        self._record(EventKind.APPROVAL_RESOLVED, approval)
        self._notices.resolved(approval, facts)

    def _record(self, kind: EventKind, approval: Approval) -> None:
        detail = dict(summary(approval))
        detail.update(approval=detail.pop("id"), what=detail.pop("kind"))
        del detail["agent"]  # it is the name of the event
        self._events.record(kind, approval.name, **detail)

    def _entry(self, verb: str, approval: Approval, actor: str, origin: Origin) -> AuditEntry:
        return AuditEntry(
            self._clock.now(),
            verb,
            done=True,
            subject=approval.name,
            actor=actor,
            origin=origin,
            approval=approval.id or None,
            sha=approval.sha,
        )


def summary(approval: Approval) -> Mapping[str, object]:
    """Return an approval as the detail of an event and the body of a notice; None left out."""
    found = {
        "id": approval.id,
        "agent": approval.name,
        "kind": approval.kind.value,
        "status": approval.state.value,
        "sha": approval.sha,
        "note": approval.note,
        "error": approval.error,
    }
    return {key: value for key, value in found.items() if value is not None}


def _insert(approval: Approval, entry: AuditEntry) -> Op[Approval]:
    def op(connection: sqlite3.Connection) -> Approval:
        number = table.insert(connection, approval)
        audit.append(connection, attrs.evolve(entry, approval=number))
        return attrs.evolve(approval, id=number)

    return op


def _update(approval: Approval, entry: AuditEntry) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        table.update(connection, approval)
        audit.append(connection, entry)

    return op
