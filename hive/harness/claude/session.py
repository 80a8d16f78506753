"""The conversation over all restarts: resumed by its id, begun anew when that is asked for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
from attrs import define, field

from hive.clock import Clock, rfc3339
from hive.harness.claude.compaction import COMPACT
from hive.harness.claude.errors import ConversationLostError, WidenedError
from hive.harness.claude.outcome import BudgetSpent, Verdict
from hive.harness.claude.permissions import widened
from hive.harness.claude.prompt import NEW_SESSION, RESTARTED
from hive.harness.claude.session_file import (
    Kept,
    Notebook,
    charged,
    in_session,
    next_day,
    spent_today,
)
from hive.harness.claude.talk import Talk, Talks
from hive.harness.claude.turn_events import Started
from hive.harness.claude.turn_log import TurnLog
from hive.harness.reporting import Reporter
from hive.wire.claude import ClaudeConfig
from hive.wire.enums import LiveKind
from hive.wire.harness import Order


@define(eq=False)
class Session:
    """One agent's conversation, in one process of Claude Code at a time.

    Attributes:
        notebook: Has been read.
        talks: Makes the processes.
    """

    settings: ClaudeConfig
    notebook: Notebook
    reporter: Reporter
    clock: Clock
    talks: Talks
    _talk: Talk | None = field(default=None, init=False)
    _anew: bool = field(default=False, init=False)
    _notices: list[str] = field(factory=list, init=False)

    def begin_anew(self) -> None:
        """Forget the conversation before the next turn."""
        self._anew = True

    def restarted(self, order: Order) -> None:
        """Have the model told that it was restarted."""
        when = "" if order.at is None else f" (it ended at {rfc3339(order.at)})"
        why = "" if order.reason is None else f": {order.reason}"
        self._notices = [RESTARTED.format(when=when, why=why)]

    @property
    def notices(self) -> tuple[str, ...]:
        """What the model has to be told beside its mail."""
        return tuple(self._notices)

    def told(self) -> None:
        """The model has been told."""
        self._notices.clear()

    @property
    def day_ends(self) -> float | None:
        """Unix time at which the day's budget begins anew; None if it is not spent."""
        left = self._left_today()
        return next_day(self.clock.now()) if left is not None and left <= 0 else None

    async def ready(self) -> None:
        """Have a process that holds the conversation.

        With a budget each turn has its own: Claude Code counts what one process costs.
        """
        budget = self._budget()
        goes_on = self._talk is not None and budget is None and not self._anew
        if goes_on or self.day_ends is not None:
            return
        await self.shut()
        session = await self._resumed()
        talk = await self.talks.start(session, budget)
        try:
            await talk.open()
        except BaseException:
            await talk.close()
            raise
        self._talk = talk

    async def ask(self, prompt: str, log: TurnLog, *, command: bool = False) -> Verdict:
        """Ask, and return what the end means.

        A program that has died while nothing was asked is started anew.

        Raises:
            ConversationLostError: When Claude Code ends before the turn does.
            WidenedError: When the model is offered what the manifest does not allow.
        """
        if self.day_ends is not None:
            return BudgetSpent()
        try:
            return await self._ask(prompt, log, command=command)
        except ConversationLostError:
            ended_by_us = self._talk is None
            if ended_by_us or log.started is not None:
                raise
        await self.shut()
        await self.ready()
        return await self._ask(prompt, log, command=command)

    async def compact(self, log: TurnLog) -> str | None:
        """Compact the conversation; return why that failed, None if it did not."""
        log.compacted = None
        await self.ask(COMPACT, log, command=True)
        return "no word of it" if log.compacted is None else log.compacted.error

    async def charge(self, log: TurnLog) -> float | None:
        """Keep what a turn has cost; return it in US dollars, None if it is not known."""
        fresh, cost = charged(self.notebook.kept, log.total_cost, self.clock.now())
        await self._keep(fresh)
        return cost

    async def interrupt(self) -> None:
        """Make the turn that is under way end soon."""
        if self._talk is not None:
            await self._talk.interrupt()

    async def shut(self) -> None:
        """End the process; the conversation stays on disk."""
        talk, self._talk = self._talk, None
        if talk is not None:
            await talk.close()

    async def _ask(self, prompt: str, log: TurnLog, *, command: bool) -> Verdict:
        assert self._talk is not None, "ready() comes first"
        async with aclosing(self._talk.ask(prompt, command=command)) as events:
            async for event in events:
                if shown := log.hear(event):
                    self.reporter.live(*shown)
                if isinstance(event, Started):
                    await self._started(event)
        return log.verdict()

    async def _resumed(self) -> str | None:
        """Return the session to go on with, and have the model told if things have changed."""
        session = self.notebook.kept.session
        anew, self._anew = self._anew, False
        if session is None:
            return None
        if not anew and await self.talks.can_resume(session):
            return session
        if not anew:
            self.reporter.live(LiveKind.NOTE, f"the conversation {session} is not on disk any more")
        self._notices = [NEW_SESSION]
        await self._keep(msgspec.structs.replace(self.notebook.kept, session=None, total_cost=0.0))
        return None

    async def _started(self, event: Started) -> None:
        if more := widened(self.settings, event.tools):
            raise WidenedError(more)
        self.reporter.uses(model=event.model, session=event.session)
        await self._keep(in_session(self.notebook.kept, event.session))

    async def _keep(self, fresh: Kept) -> None:
        if fresh != self.notebook.kept:
            await asyncio.to_thread(self.notebook.write, fresh)

    def _budget(self) -> float | None:
        """Return what the next process may cost: a turn's budget, or what is left of the day's."""
        budgets = [
            each for each in (self.settings.turn_budget, self._left_today()) if each is not None
        ]
        return max(0.0, min(budgets)) if budgets else None

    def _left_today(self) -> float | None:
        if self.settings.day_budget is None:
            return None
        return self.settings.day_budget - spent_today(self.notebook.kept, self.clock.now())
