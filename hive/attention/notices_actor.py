"""The actor of the notices: it looks at what needs the operator when something was committed.

What needs the operator begins and ends with a commit, except for a snooze, which ends by the time.
So there is a look `SETTLE_SECONDS` after the first commit since the last look, and when something
is due by time. Without programs in `[notices]` there is none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from actors import Actor, ExitReason
from hive.attention.attention_list import AttentionList, AttentionSources
from hive.attention.notice_commands import NoticeCommands
from hive.attention.notice_rules import (
    NoticeBatch,
    NoticeClass,
    NoticePace,
    done_batch,
    plan_notices,
)
from hive.clock import MINUTE, rfc3339
from hive.config import NoticesConfig
from hive.errors import HiveError
from hive.participants.harnesses import Harnesses
from hive.store.attention_marks import notified, save_notified
from hive.wire.enums import TurnOutcome
from hive.wire.harness import TurnRecord

CHANGED, LOOK = "changed", "look"

SETTLE_SECONDS = 2.0
"""Seconds between a change and the look at it: what comes together is sent together."""

SHORTEST_SLEEP = 0.1
"""Seconds by which the end of a snooze may be late."""

LONGEST_SLEEP = 60.0
"""Seconds after which the wall clock is looked at again: it may be set at any time."""

logger = logging.getLogger(__name__)


def minute_of_day(now: float) -> int:
    """Return the minute of the day of a wall time, in the time zone of this machine."""
    local = time.localtime(now)
    return local.tm_hour * 60 + local.tm_min


@frozen
class NoticeServices:
    """What the notices need.

    Attributes:
        sources: The mail, the store and the clock.
        attention: What needs the operator.
        harnesses: Report turns that have ended.
        commands: Runs the programs.
        config: Returns `[notices]` as it is in force.
        minute_of_day: Returns the minute of the day of a wall time.
    """

    sources: AttentionSources
    attention: AttentionList
    harnesses: Harnesses
    commands: NoticeCommands
    config: Callable[[], NoticesConfig]
    minute_of_day: Callable[[float], int] = minute_of_day


class NoticesActor(Actor[str]):
    """Runs the programs of `[notices]` when they are due, each class one at a time."""

    def __init__(self, services: NoticeServices) -> None:
        self._services = services
        self._notified: dict[str, str] = {}
        self._paces = {each: NoticePace() for each in NoticeClass}
        self._done: dict[str, None] = {}
        self._is_changed = False
        self._look_lock = asyncio.Lock()
        self._unsubscribe: list[Callable[[], None]] = []

    async def on_start(self) -> None:
        """Read what was notified, and look for the first time."""
        self._notified = await self._services.sources.store.read(notified)
        self._unsubscribe = [
            self._services.sources.store.on_commit(self._changed),
            self._services.harnesses.on_turn(self._turn_ended),
        ]
        self._changed()

    def receive(self, message: str) -> None:
        """Look, in a task, or soon."""
        if message == CHANGED:
            self.context.start_timer(SETTLE_SECONDS, LOOK, key=CHANGED)
            return
        self._is_changed = False
        self.context.create_task(self._look(), name="look at what needs the operator")

    def on_stop(self, reason: ExitReason) -> None:
        """Look no more; the programs that run are killed with their tasks."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def _changed(self) -> None:
        """Take note that something was committed; called for every commit."""
        if not self._is_changed and self._programs():
            self._is_changed = True
            self.context.ref.tell(CHANGED)

    def _turn_ended(self, name: str, record: TurnRecord) -> None:
        if record.outcome is TurnOutcome.DONE and self._services.config().done:
            self._done[name] = None
            self._changed()

    def _programs(self) -> list[NoticeClass]:
        config = self._services.config()
        return [each for each in NoticeClass if getattr(config, each)]

    async def _look(self) -> None:
        async with self._look_lock:
            try:
                await self._send_due()
            except HiveError as error:
                logger.warning("no look at what needs the operator: %s", error)
                self.context.start_timer(LONGEST_SLEEP, LOOK, key=LOOK)

    async def _send_due(self) -> None:
        attention, programs = self._services.attention, self._programs()
        if not programs:
            return
        found = await attention.listed()
        plan = plan_notices(
            found.rows, attention.occurrence, self._notified, programs, found.hidden
        )
        if plan.gone:
            await self._remember({}, plan.gone)
        delays = list(self._until_wake())
        for batch in (*plan.batches.values(), *self._done_batches()):
            delays += self._send(batch)
        if delays:
            self.context.start_timer(min(*delays, LONGEST_SLEEP), LOOK, key=LOOK)

    def _done_batches(self) -> Iterator[NoticeBatch]:
        """Yield the notice about agents that have ended a turn and have nothing left to do.

        In quiet hours they are forgotten: that an agent was done hours ago is no news.
        """
        is_quiet, unread = self._quiet_seconds() > 0, self._services.sources.mail.unread
        self._done = {name: None for name in self._done if not is_quiet and unread(name) == 0}
        if self._done:
            yield done_batch(self._done, rfc3339(self._services.sources.clock.now()))

    def _send(self, batch: NoticeBatch) -> Iterator[float]:
        """Run the program of a notice, or yield the seconds until it may run."""
        config, pace = self._services.config(), self._paces[batch.notice_class]
        wait = max(self._quiet_seconds(), pace.not_before - self._now())
        if wait > 0:
            yield wait
        elif not pace.is_running:
            pace.is_running = True
            if batch.notice_class is NoticeClass.DONE:
                self._done.clear()
            argv = getattr(config, batch.notice_class)
            run = self._run(argv, batch, config.timeout)
            self.context.create_task(run, name=f"notice {batch.notice_class}")

    async def _run(self, argv: tuple[str, ...], batch: NoticeBatch, timeout: float) -> None:
        ok = await self._services.commands.run(argv, batch, timeout)
        self._paces[batch.notice_class].end(self._now(), ok=ok)
        if ok:
            await self._remember(batch.occurrences, ())
        self.context.ref.tell(LOOK)

    async def _remember(self, sent: Mapping[str, str], gone: tuple[str, ...]) -> None:
        """Store what was notified; if the store takes no writes, it is known until the end."""
        for each in gone:
            self._notified.pop(each, None)
        self._notified.update(sent)
        try:
            await self._services.sources.store.write(save_notified(sent, gone))
        except HiveError as error:
            logger.warning("what was notified is not on disk: %s", error)

    def _until_wake(self) -> Iterator[float]:
        """Yield the seconds until the next snooze ends."""
        wake = self._services.attention.next_wake()
        if wake is not None:
            yield max(wake - self._services.sources.clock.now(), SHORTEST_SLEEP)

    def _quiet_seconds(self) -> float:
        """Return the seconds until the quiet hours end, to the minute; 0 outside them."""
        quiet = self._services.config().quiet
        if quiet is None:
            return 0.0
        now = self._services.sources.clock.now()
        return quiet.minutes_left(self._services.minute_of_day(now)) * MINUTE

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
