"""The driver: one turn of the conversation per batch of mail, and compaction between turns."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from random import Random
from typing import Any

from hive.clock import Clock, SystemClock
from hive.harness.claude.account import Login
from hive.harness.claude.claude_code import claude_program, require_version
from hive.harness.claude.outcome import (
    Broken,
    Finished,
    HoldOffState,
    Interrupted,
    LoggedOut,
    Overflowed,
    Unavailable,
    Verdict,
    turn_end,
)
from hive.harness.claude.prompt import notes_prompt, wake_prompt
from hive.harness.claude.session import ClaudeSession, Launcher
from hive.harness.claude.session_file import SessionFile, session_path
from hive.harness.claude.turn_events import ClaudeProcessError, UnexpectedToolsError
from hive.harness.claude.turn_log import ContextFill, TurnLog
from hive.harness.claude.turn_mail import TurnMail
from hive.harness.driver import DriverSetup, Surroundings, TurnDriver, TurnEnd
from hive.harness.run_time import run_time_limit
from hive.harness.turn import Turn
from hive.wire.claude import ClaudeConfig
from hive.wire.enums import ActivityState
from hive.wire.harness import Order

logger = logging.getLogger(__name__)

INTERRUPT_GRACE = 10.0
"""Seconds in which an interrupted turn may end by itself; then the process is ended."""

MakeLauncher = Callable[[ClaudeConfig, Surroundings, TurnMail], Launcher]


def _sdk_launcher() -> MakeLauncher:
    """Load the SDK, which takes a second, and return its launcher."""
    from hive.harness.claude.launch import SdkLauncher

    return SdkLauncher


class ClaudeDriver(TurnDriver):
    """Holds one conversation with Claude Code.

    Args:
        setup: Time limit of a turn in seconds, and the directory for persistent state.
        settings: The manifest's settings.
        environ: Environment that Claude Code inherits.
        home: Home directory with the login.
        clock: Wall time.
        random: Source of jitter.
        launcher: Makes the launcher of Claude Code; None launches the real program.
    """

    def __init__(
        self,
        setup: DriverSetup,
        settings: ClaudeConfig,
        *,
        environ: Mapping[str, str] = os.environ,
        home: Path | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        launcher: MakeLauncher | None = None,
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._login = Login(environ, home or Path.home())
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311 - jitter
        self._mail = TurnMail(self._clock)
        self._make_launcher = launcher
        self._fill = ContextFill()
        self._failures = 0
        self._interrupted = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self, surroundings: Surroundings) -> None:
        """Read the session file and report the account.

        Raises:
            ConfigError: The program would interpret messages.
        """
        self._hive = surroundings
        file = SessionFile(session_path(self._setup.state))
        await asyncio.to_thread(file.read)
        make = self._make_launcher
        if make is None:
            await require_version(await asyncio.to_thread(claude_program))
            make = await asyncio.to_thread(_sdk_launcher)
        launcher = make(self._settings, surroundings, self._mail)
        reporter = surroundings.reporter
        self._session = ClaudeSession(self._settings, file, reporter, self._clock, launcher)
        reporter.uses(session=file.record.session)
        self._session.report_choice()
        await self._report_account()

    async def turn(self, turn: Turn) -> TurnEnd:
        """Run one turn of the conversation on the messages of `turn`."""
        log = TurnLog()
        self._mail.begin(turn)
        self._idle.clear()
        try:
            found = await self._within_time_limit(self._ask_about_mail(turn, log))
        finally:
            self._mail.end()
            self._idle.set()
        return await self._end_turn(found, log)

    async def interrupt(self) -> None:
        """Interrupt the current turn; end the process unless that works within the grace period."""
        self._interrupted = True
        try:
            async with asyncio.timeout(INTERRUPT_GRACE):
                await self._session.interrupt()
                await self._idle.wait()
        except (TimeoutError, ClaudeProcessError):
            await self._session.close()

    async def rest(self) -> None:
        """Compact the conversation if it is nearly full, after the model has taken notes."""
        if not self._fill.is_due(self._settings.compact_at):
            return
        reporter = self._hive.reporter
        before, started = reporter.activity, self._clock.now()
        reporter.state(ActivityState.COMPACTING, str(self._fill))
        log = TurnLog()
        found = await self._within_time_limit(self._take_notes_and_compact(log))
        end = await self._end_turn(found, log)
        self._set_fill(ContextFill())
        reporter.turn(end.recorded(started, self._clock.now(), wake="compaction"))
        reporter.state(before.state, before.about, before.until)

    async def paused(self) -> None:
        """End the process: an operator may go on with the conversation, which is read anew then."""
        await self._session.close()

    async def recovered(self) -> None:
        """Wait for a new login, or until it is time for another attempt without one."""
        await self._login.changed()
        await self._report_account()

    async def close(self) -> None:
        """End the process of Claude Code."""
        await self._session.close()

    def new_session(self) -> None:
        """Begin a new conversation with the next turn."""
        self._session.reset()
        self._set_fill(self._fill)

    async def choose_model(self, order: Order) -> None:
        """Go on with another model or effort from the next turn on."""
        try:
            await self._session.choose(order)
        except OSError as error:
            logger.warning("the model is chosen until this harness ends, not saved: %s", error)

    def restarted(self, order: Order) -> None:
        """Add a notice for the model that the agent was restarted."""
        self._session.note_restart(order)

    async def _ask_about_mail(self, turn: Turn, log: TurnLog) -> Verdict:
        """Send the mail as a prompt; if it does not fit, compact once and send it again."""
        try:
            await self._session.ensure_open()
        except ClaudeProcessError as error:
            return Unavailable(str(error))
        if self._interrupted:
            return Interrupted()
        text = wake_prompt(
            turn.messages,
            waiting=turn.waiting,
            now=self._clock.now(),
            boundary=self._mail.boundary,
            notices=self._session.notices,
        )
        found = await self._session.query(text, log)
        if isinstance(found, Overflowed) and await self._session.compact(log) is None:
            found = await self._session.query(text, log)
        if isinstance(found, Finished):
            self._session.clear_notices()
        return found

    async def _take_notes_and_compact(self, log: TurnLog) -> Verdict:
        await self._session.ensure_open()
        found = await self._session.query(notes_prompt(self._fill.percent, self._fill.window), log)
        failure = await self._session.compact(log)
        return found if failure is None else Broken(f"compacting failed: {failure}")

    async def _within_time_limit(self, work: Coroutine[Any, Any, Verdict]) -> Verdict:
        """Return a verdict in any case; after a time-out or an error the process is ended."""
        limit = self._setup.time_limit
        self._interrupted = False
        found: Verdict
        try:
            async with run_time_limit(limit):
                found = await work
            # An older SDK does not say that a turn ended early because it was asked to.
            return Interrupted() if self._interrupted and isinstance(found, Broken) else found
        except TimeoutError:
            found = Broken(f"ended after the time limit of {limit:g} s")
        except (ClaudeProcessError, UnexpectedToolsError) as error:
            found = Interrupted() if self._interrupted else Broken(str(error))
        except BaseException:  # the end of this turn would be taken for that of the next one
            await self._session.close()
            raise
        await self._session.close()
        return found

    async def _end_turn(self, found: Verdict, log: TurnLog) -> TurnEnd:
        cost = await self._session.charge(log)
        self._set_fill(log.fill(self._fill))
        state = HoldOffState(self._clock.now(), self._failures, self._session.budget_resets_at)
        self._failures = self._failures + 1 if isinstance(found, Unavailable) else 0
        if isinstance(found, LoggedOut):  # the hive notifies the operator of what is reported
            await self._session.close()
            command = await asyncio.to_thread(self._login.command)
            advice = f"log in where {self._hive.me.name} runs: {command}"
            found = LoggedOut(f"{found.reason}; {advice}")
        return turn_end(found, log.usage(cost), state, self._random)

    def _set_fill(self, fill: ContextFill) -> None:
        """Set the fill of the conversation, and report it; that of a new one is unknown."""
        self._fill = ContextFill(window=fill.window) if self._session.begins_anew else fill
        self._hive.reporter.context(self._fill.known)

    async def _report_account(self) -> None:
        account = await asyncio.to_thread(self._login.fingerprint)
        self._hive.reporter.uses(account=account)
