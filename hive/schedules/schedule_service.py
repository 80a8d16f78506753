"""The schedules: on disk, in memory, and what is due of them.

A message and the time after it are one transaction, so a message is stored once, whenever the
daemon is killed. While one is unread, the next one of the same schedule replaces it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from attrs import evolve, frozen

from hive.broker.effects import Notice
from hive.broker.service import BrokerService
from hive.broker.values import Notify, Post, PostWith, event
from hive.clock import Clock, host_timezone, rfc3339
from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    NotFoundError,
    UnavailableError,
    UnknownNameError,
)
from hive.event_log import EventLog
from hive.names import OPERATOR, SYSTEM
from hive.quantities import counted
from hive.schedules.recurrence import Due, Recurrence, look, read_recurrence
from hive.store import NO_ORIGIN, Origin, Store
from hive.store import schedules as table
from hive.store.audit import AuditEntry
from hive.store.schedules import Schedule
from hive.store.transaction import Op
from hive.wire.enums import EventKind

SCHEDULES_OF_ONE = 20
"""Schedules that one participant may have asked for at a time; the operator is not bounded so."""

SCHEDULES_MAX = 200
"""Schedules of the whole hive."""

BODY_BYTES = 8192
"""Bytes of the longest body, as JSON."""

LONGEST_SLEEP = 60.0
"""Seconds after which the wall clock is looked at again: it may be set at any time."""


@frozen
class ScheduleWish:
    """A schedule that somebody wants.

    Attributes:
        to: The participant that gets the message.
        when: An interval or a cron expression.
        timezone: The IANA name of the time zone of a cron expression; None for that of the host.
        body: The text of the message.
        description: Words for the operator.
        by: Who wants it.
        approval: The approval that has granted it; None for the operator's own.
    """

    to: str
    when: str
    timezone: str | None
    body: str
    by: str
    description: str | None = None
    approval: int | None = None


class Schedules:
    """The schedules of a hive.

    Args:
        store: Stores them.
        broker: Takes their messages.
        events: The event log.
        clock: Wall time.
    """

    def __init__(self, store: Store, broker: BrokerService, events: EventLog, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._events = events
        self._clock = clock
        self._open: dict[int, Schedule] = {}
        self._recurrences: dict[tuple[str, str], Recurrence] = {}
        self._lock = asyncio.Lock()
        self._changed: Callable[[], object] = _ignore

    async def open(self, changed: Callable[[], object]) -> None:
        """Read the schedules from the disk.

        Args:
            changed: Called when something may be due earlier than `delay` has said.
        """
        self._changed = changed
        async with self._lock:
            await self._load()

    # Reading

    @property
    def all(self) -> tuple[Schedule, ...]:
        """All schedules, oldest first."""
        return tuple(self._open.values())

    def asked_by(self, name: str) -> tuple[Schedule, ...]:
        """Return the schedules that a participant asked for, oldest first."""
        return tuple(each for each in self._open.values() if each.requested_by == name)

    def is_recipient(self, name: str) -> bool:
        """Return whether a schedule has messages for a participant."""
        return any(each.name == name for each in self._open.values())

    def delay(self) -> float:
        """Return the seconds until `send_due` has to be called again."""
        now = self._clock.now()
        first = min((each.next_at for each in self._open.values()), default=now + LONGEST_SLEEP)
        return min(max(first - now, 0.0), LONGEST_SLEEP)

    # Changes

    async def check(self, wish: ScheduleWish, *, waiting: int = 0) -> Schedule:
        """Return the schedule that a wish is for; it is not stored.

        Args:
            wish: What somebody wants.
            waiting: Schedules that the same one has asked for, and that are not decided.

        Raises:
            BadRequestError: It is no schedule.
            ConflictError: There are too many.
        """
        self._require_room(wish, waiting)
        size = len(json.dumps(wish.body))
        if size > BODY_BYTES:
            raise BadRequestError(
                f"the body of a schedule has {counted(size, 'byte')} as JSON, at most {BODY_BYTES} "
                "are allowed"
            )
        timezone = wish.timezone or host_timezone()
        recurrence = await self._recurrence(wish.when, timezone)
        now = self._clock.now()
        return Schedule(
            name=wish.to,
            recurrence=wish.when,
            timezone=timezone,
            body=wish.body,
            requested_by=wish.by,
            created_at=now,
            last_at=now,
            next_at=recurrence.after(now, now),
            description=wish.description,
            approval=wish.approval,
        )

    async def create(self, wish: ScheduleWish, origin: Origin = NO_ORIGIN) -> Schedule:
        """Store a schedule; returns when it is on disk. Idempotent for one approval.

        Raises:
            HiveError: See `check`; nothing was stored.
        """
        async with self._lock:
            found = await self._made_by(wish.approval)
            if found is not None:
                return found
            draft = await self.check(wish)
            reason = f"{draft.recurrence} ({draft.timezone})"
            entry = self._entry("schedule", draft, OPERATOR, origin, reason)
            stored = await self._store.write(table.insert(draft, entry))
            if stored.ended_at is not None or stored.id in self._open:
                return stored
            self._open[stored.id] = stored
        self._events.record(EventKind.SCHEDULED, stored.name, **summary(stored))
        self._changed()
        return stored

    async def cancel(
        self, number: int, by: str, reason: str, origin: Origin = NO_ORIGIN
    ) -> Schedule:
        """End a schedule; a participant can end those that it asked for.

        Raises:
            NotFoundError: There is none of that number, or a participant has not asked for it.
        """
        async with self._lock:
            found = self._open.get(number)
            if found is None or by not in {found.requested_by, OPERATOR}:
                raise self._unknown(number, by)
            ended = evolve(found, ended_at=self._clock.now(), reason=reason)
            entry = self._entry("cancel_schedule", found, by, origin, reason)
            await self._store.write(table.end(ended, entry))
            self._open.pop(number, None)
        self._events.record(EventKind.SCHEDULE_ENDED, ended.name, **summary(ended))
        return ended

    def rename(self, old: str, new: str) -> None:
        """Change the name of a participant; it is on disk already."""
        for each in tuple(self._open.values()):
            if each.name == old:
                self._open[each.id] = evolve(each, name=new)

    # What is due

    async def send_due(self) -> None:
        """Send what is due, and end the schedules of participants that were removed.

        Raises:
            HiveError: The store takes no writes; call it again later.
        """
        async with self._lock:
            try:
                await self._end_orphans()
                for each in tuple(self._open.values()):
                    await self._look(each)
            except HiveError:
                await self._load()  # what has failed may be on disk all the same
                raise

    async def _look(self, schedule: Schedule) -> None:
        try:
            recurrence = await self._recurrence(schedule.recurrence, schedule.timezone)
            found = look(schedule, recurrence, self._clock.now())
        except BadRequestError as error:  # the machine has lost its time zone
            await self._end(schedule, str(error))
            return
        if isinstance(found, Schedule):
            if found is not schedule:
                await self._store.write(table.advance(found))
                self._open[found.id] = found
            return
        try:
            await self._post(_message(found), table.advance(found.schedule))
        except UnknownNameError:
            return  # it was removed or is being renamed; the next look knows
        self._open[schedule.id] = evolve(
            self._open[schedule.id],  # it may have been renamed meanwhile
            last_at=found.schedule.last_at,
            next_at=found.schedule.next_at,
        )

    async def _end_orphans(self) -> None:
        for each in await self._store.read(table.open_schedules):
            if each.orphaned:
                await self._end(each, f"{each.name} was removed")

    async def _end(self, schedule: Schedule, reason: str) -> None:
        """End a schedule, and notify the operator and who asked for it."""
        ended = evolve(schedule, ended_at=self._clock.now(), reason=reason)
        entry = self._entry("cancel_schedule", ended, SYSTEM, NO_ORIGIN, reason)
        await self._post(_notice(ended, OPERATOR), table.end(ended, entry))
        self._open.pop(ended.id, None)
        self._events.record(EventKind.SCHEDULE_ENDED, ended.name, **summary(ended))
        if ended.requested_by not in {OPERATOR, ended.name}:
            notified = self._broker.ask(Notify(_notice(ended, ended.requested_by)))
            await asyncio.wait([notified])

    async def _post(self, post: Post, also: Op[None]) -> None:
        """Send a message and write something with it; of one that is refused, the write alone.

        So an inbox that is full, or a body above a limit that was lowered, holds up nobody else.

        Raises:
            UnavailableError: The store takes no writes.
            UnknownNameError: Nobody has the inbox.
        """
        try:
            await self._broker.ask(PostWith(post, also))
        except (UnavailableError, UnknownNameError):
            raise
        except HiveError as error:
            await self._store.write(also)
            dropped = Notice.of_dropped(post, 1, error)
            self._events.record(dropped.kind, dropped.name, **dropped.detail)

    # Parts

    async def _made_by(self, approval: int | None) -> Schedule | None:
        """Return the schedule that an approval has made, ended or not; None if it made none."""
        found = None if approval is None else await self._store.read(table.of_approval(approval))
        if found is not None and found.ended_at is None:
            self._open.setdefault(found.id, found)
        return found

    async def _load(self) -> None:
        found = await self._store.read(table.open_schedules)
        self._open = {each.id: each for each in found}

    async def _recurrence(self, words: str, timezone: str) -> Recurrence:
        key = (words, timezone)
        if key not in self._recurrences:
            self._recurrences = {
                used: known
                for used, known in self._recurrences.items()
                if any((each.recurrence, each.timezone) == used for each in self._open.values())
            }
            self._recurrences[key] = await asyncio.to_thread(read_recurrence, words, timezone)
        return self._recurrences[key]

    def _require_room(self, wish: ScheduleWish, waiting: int) -> None:
        if len(self._open) >= SCHEDULES_MAX:
            raise ConflictError(
                f"the hive has {counted(len(self._open), 'schedule')}, at most {SCHEDULES_MAX} are "
                "allowed; cancel some first"
            )
        count = len(self.asked_by(wish.by))
        if wish.by != OPERATOR and count + waiting >= SCHEDULES_OF_ONE:
            raise ConflictError(
                f"{wish.by!r} has asked for {counted(count, 'schedule')}, and the operator has to "
                f"decide about {waiting} more; at most {SCHEDULES_OF_ONE} are allowed: cancel some "
                "first"
            )

    def _unknown(self, number: int, by: str) -> NotFoundError:
        if by != OPERATOR:
            return NotFoundError(f"{by!r} has asked for no schedule {number}")
        known = ", ".join(map(str, self._open)) or "none"
        return NotFoundError(f"there is no schedule {number}; schedules: {known}")

    def _entry(
        self, verb: str, schedule: Schedule, actor: str, origin: Origin, reason: str
    ) -> AuditEntry:
        return AuditEntry(
            self._clock.now(),
            verb,
            done=True,
            subject=schedule.name,
            actor=actor,
            origin=origin,
            approval=schedule.approval,
            reason=reason,
        )


def summary(schedule: Schedule) -> dict[str, object]:
    """Return a schedule as the detail of an event; the body is left out, and None."""
    found = {
        "schedule": schedule.id or None,
        "to": schedule.name,
        "when": schedule.recurrence,
        "timezone": schedule.timezone,
        "requested_by": schedule.requested_by,
        "reason": schedule.reason,
    }
    return {key: value for key, value in found.items() if value is not None}


def _message(due: Due) -> Post:
    schedule = due.schedule
    detail = {
        "schedule": schedule.id,
        "body": schedule.body,
        "requested_by": schedule.requested_by,
        "due": rfc3339(due.at),
        "next": rfc3339(schedule.next_at),
        **({"missed": True} if due.missed else {}),
    }
    return event(schedule.name, EventKind.SCHEDULE_DUE.value, detail, about=str(schedule.id))


def _notice(ended: Schedule, to: str) -> Post:
    detail = {**summary(ended), "body": ended.body}
    return event(to, EventKind.SCHEDULE_ENDED.value, detail, about=str(ended.id))


def _ignore() -> None:
    """Do nothing: nobody waits for changes."""
