"""One agent's conversation with Claude Code: resumed by its id, in one process at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import msgspec
from attrs import define, field

from hive.clock import Clock, rfc3339
from hive.harness.claude.outcome import BudgetSpent, Verdict
from hive.harness.claude.permissions import unexpected_tools
from hive.harness.claude.prompt import COMPACT_COMMAND, NEW_SESSION_NOTICE, RESTARTED_NOTICE
from hive.harness.claude.session_file import (
    SessionFile,
    SessionRecord,
    charged,
    next_day,
    spent_today,
    with_choice,
    with_session,
)
from hive.harness.claude.turn_events import (
    ClaudeProcessError,
    Event,
    TurnStarted,
    UnexpectedToolsError,
)
from hive.harness.claude.turn_log import TurnLog
from hive.harness.reporting import Reporter
from hive.wire.claude import ClaudeConfig, Effort
from hive.wire.enums import LiveKind
from hive.wire.harness import Order

logger = logging.getLogger(__name__)

DEFAULT_EFFORT = "default"
"""What is reported of a model without a chosen effort."""


class ClaudeClient(Protocol):
    """Client of one process of Claude Code, which holds a conversation."""

    async def open(self) -> None:
        """Start the process.

        Raises:
            ClaudeProcessError: When it cannot be started.
        """
        ...

    def query(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Send a prompt, and yield the events until the end of the turn.

        Args:
            prompt: The text.
            command: Whether it is a command of Claude Code itself; any other text reaches the
                model unchanged and uninterpreted.

        Raises:
            ClaudeProcessError: When the process ends before the turn does.
        """
        ...

    async def interrupt(self) -> None:
        """Request an early end of the current turn.

        Raises:
            ClaudeProcessError: When the process cannot be reached.
        """
        ...

    async def close(self) -> None:
        """End the process and its children. Idempotent."""
        ...


class Launcher(Protocol):
    """Launches processes of Claude Code."""

    async def launch(
        self, session: str | None, budget: float | None, settings: ClaudeConfig
    ) -> ClaudeClient:
        """Return the client of a new process, not open yet.

        Args:
            session: The conversation to resume; None begins a new one.
            budget: US dollars that the process may cost; None is no limit.
            settings: The manifest's settings, with what the operator has chosen instead.
        """
        ...

    async def can_resume(self, session: str) -> bool:
        """Whether the conversation of that id is on disk."""
        ...


@define(eq=False)
class ClaudeSession:
    """One agent's conversation, over all restarts of its process.

    Attributes:
        settings: The manifest's settings.
        file: The session file, which has been read.
        reporter: Receives live events, the model and the session id.
        clock: Wall time.
        launcher: Launches the processes.
    """

    settings: ClaudeConfig
    file: SessionFile
    reporter: Reporter
    clock: Clock
    launcher: Launcher
    _client: ClaudeClient | None = field(default=None, init=False)
    _launched: ClaudeConfig | None = field(default=None, init=False)
    _reset: bool = field(default=False, init=False)
    _notices: list[str] = field(factory=list, init=False)

    def reset(self) -> None:
        """Begin a new conversation with the next turn."""
        self._reset = True

    async def choose(self, order: Order) -> None:
        """Use the model and the effort of an order from the next turn on, and save them at once.

        Raises:
            OSError: They cannot be saved; they hold until the harness ends.
        """
        known = {each.value: each for each in Effort}
        effort = None if order.effort is None else known.get(order.effort)
        record = self.file.record
        try:
            await self._save(msgspec.structs.replace(record, model=order.model, effort=effort))
        finally:
            self.report_choice()

    def report_choice(self) -> None:
        """Report what the operator has chosen."""
        record = self.file.record
        self.reporter.chosen(model=record.model, effort=record.effort)

    @property
    def begins_anew(self) -> bool:
        """Whether the next turn begins a new conversation."""
        return self._reset

    def note_restart(self, order: Order) -> None:
        """Add a notice for the model that the agent was restarted."""
        when = "" if order.at is None else f" (it ended at {rfc3339(order.at)})"
        why = "" if order.reason is None else f": {order.reason}"
        self._notices = [RESTARTED_NOTICE.format(when=when, why=why)]

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the next prompt, in addition to the messages."""
        return tuple(self._notices)

    def clear_notices(self) -> None:
        """Remove the notices, once the model has received them."""
        self._notices.clear()

    @property
    def budget_resets_at(self) -> float | None:
        """Unix time at which the day's budget is renewed; None if some of it is left."""
        left = self._left_today()
        return next_day(self.clock.now()) if left is not None and left <= 0 else None

    async def ensure_open(self) -> None:
        """Launch a process unless the present one can be used.

        With a budget each turn has its own process, since Claude Code limits the cost of a
        process. Once the day's budget is spent, none is launched.

        Raises:
            ClaudeProcessError: When Claude Code cannot be started.
        """
        budget = self._budget()
        settings = with_choice(self.settings, self.file.record)
        is_wanted = budget is None and not self._reset and self._launched == settings
        if (self._client is not None and is_wanted) or self.budget_resets_at is not None:
            return
        await self.close()
        session = await self._session_to_resume()
        self._launched = settings
        client = await self.launcher.launch(session, budget, settings)
        try:
            await client.open()
        except BaseException:
            await client.close()
            raise
        self._client = client

    async def query(self, prompt: str, log: TurnLog, *, command: bool = False) -> Verdict:
        """Send a prompt, record the events, and return the verdict on the result.

        A process that died while idle is replaced, and the prompt is sent once more.

        Raises:
            ClaudeProcessError: When Claude Code ends before the turn does.
            UnexpectedToolsError: When the model is offered tools that the manifest does not
                allow.
        """
        if self.budget_resets_at is not None:
            return BudgetSpent()
        try:
            return await self._query(prompt, log, command=command)
        except ClaudeProcessError:
            ended_by_us = self._client is None
            if ended_by_us or log.started is not None:
                raise
        await self.close()
        await self.ensure_open()
        return await self._query(prompt, log, command=command)

    async def compact(self, log: TurnLog) -> str | None:
        """Compact the conversation; return why that failed, None if it succeeded."""
        log.compacted = None
        await self.query(COMPACT_COMMAND, log, command=True)
        return "no result was reported" if log.compacted is None else log.compacted.error

    async def charge(self, log: TurnLog) -> float | None:
        """Save the cost of a turn; return it in US dollars, None if it is unknown."""
        record, cost = charged(self.file.record, log.total_cost, self.clock.now())
        await self._save_or_warn(record)
        return cost

    async def interrupt(self) -> None:
        """Request an early end of the current turn.

        Raises:
            ClaudeProcessError: When the process cannot be reached.
        """
        if self._client is not None:
            await self._client.interrupt()

    async def close(self) -> None:
        """End the process; the conversation stays on disk."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _query(self, prompt: str, log: TurnLog, *, command: bool) -> Verdict:
        assert self._client is not None, "ensure_open() comes first"
        async with aclosing(self._client.query(prompt, command=command)) as events:
            async for event in events:
                if live := log.record(event):
                    self.reporter.live(*live)
                if isinstance(event, TurnStarted):
                    await self._on_started(event)
        return log.verdict()

    async def _session_to_resume(self) -> str | None:
        """Return the id of the session to resume; add a notice if an earlier one is dropped."""
        session = self.file.record.session
        reset, self._reset = self._reset, False
        if session is None:
            return None
        if not reset and await self.launcher.can_resume(session):
            return session
        if not reset:
            self.reporter.live(LiveKind.NOTE, f"the conversation {session} is not on disk any more")
        self._notices = [NEW_SESSION_NOTICE]
        fresh = msgspec.structs.replace(self.file.record, session=None, total_cost=0.0)
        await self._save_or_warn(fresh)
        return None

    async def _on_started(self, event: TurnStarted) -> None:
        if unexpected := unexpected_tools(self.settings, event.tools):
            raise UnexpectedToolsError(unexpected)
        effort = self._launched.effort if self._launched is not None else None
        self.reporter.uses(
            model=event.model, session=event.session, effort=effort or DEFAULT_EFFORT
        )
        await self._save_or_warn(with_session(self.file.record, event.session))

    async def _save(self, record: SessionRecord) -> None:
        self.file.record = record
        if not self.file.is_written:
            await asyncio.to_thread(self.file.write)

    async def _save_or_warn(self, record: SessionRecord) -> None:
        """Save a record. One that cannot be written now is written by a later turn.

        The disk may be full, which is no fault of the mail: a turn that failed for it would be
        repeated, although its work is done.
        """
        try:
            await self._save(record)
        except OSError as error:
            logger.warning("the session cannot be saved, a restart may not find it: %s", error)

    def _budget(self) -> float | None:
        """Return the budget of the next process: the turn's, or the rest of the day's."""
        budgets = [
            each for each in (self.settings.turn_budget, self._left_today()) if each is not None
        ]
        return max(0.0, min(budgets)) if budgets else None

    def _left_today(self) -> float | None:
        if self.settings.day_budget is None:
            return None
        return self.settings.day_budget - spent_today(self.file.record, self.clock.now())
