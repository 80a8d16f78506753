"""The driver: a turn of the conversation for each batch of mail, and what comes between turns."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from random import Random
from typing import Any

from hive.clock import Clock, SystemClock
from hive.errors import HiveError
from hive.harness.claude.account import Login
from hive.harness.claude.compaction import Fill
from hive.harness.claude.errors import ConversationLostError, WidenedError
from hive.harness.claude.outcome import (
    Broken,
    Finished,
    Interrupted,
    LoggedOut,
    Overflowed,
    Unavailable,
    Verdict,
)
from hive.harness.claude.prompt import wake_prompt
from hive.harness.claude.session import Session
from hive.harness.claude.session_file import Notebook, day_of
from hive.harness.claude.talk import Talks
from hive.harness.claude.turn_log import Standing, TurnLog, turn_end
from hive.harness.claude.turn_mail import TurnMail
from hive.harness.drivers import DriverSetup
from hive.harness.turn import Turn
from hive.harness.turn_drivers import Surroundings, TurnDriver, TurnEnd
from hive.names import OPERATOR
from hive.wire.claude import ClaudeConfig
from hive.wire.enums import ActivityState
from hive.wire.harness import Order

logger = logging.getLogger(__name__)

INTERRUPT_GRACE = 10.0
"""Seconds in which an interrupted turn may end by itself; then the program is ended."""


MakeTalks = Callable[[ClaudeConfig, Surroundings, TurnMail], Talks]


def _real_talks() -> MakeTalks:
    """Return what makes conversations with the real program; the SDK takes a second to load."""
    from hive.harness.claude.starting import Starter

    return Starter


class ClaudeDriver(TurnDriver):
    """Holds one conversation with Claude Code.

    Args:
        setup: Time limit of a turn, and where to keep what must last.
        settings: What the manifest says.
        environ: What Claude Code inherits.
        home: Whose login it is.
        clock: Wall time.
        random: Where jitter comes from.
        talks: Makes what makes conversations; None is the real program.
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
        talks: MakeTalks | None = None,
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._login = Login(environ, home or Path.home())
        self._clock = clock or SystemClock()
        self._random = random or Random()  # noqa: S311 - jitter
        self._mail = TurnMail(self._clock)
        self._talks = talks
        self._fill = Fill()
        self._failures = 0
        self._interrupted = False
        self._ended = asyncio.Event()
        self._ended.set()

    async def open(self, surroundings: Surroundings) -> None:
        """Find out which account it is, and which conversation there was."""
        self._hive = surroundings
        notebook = Notebook(self._setup.state / "claude" / "session.json")
        await asyncio.to_thread(notebook.read)
        make = self._talks
        if make is None:
            make = await asyncio.to_thread(_real_talks)
        talks = make(self._settings, surroundings, self._mail)
        reporter = surroundings.reporter
        self._session = Session(self._settings, notebook, reporter, self._clock, talks)
        await self._tell_account()

    async def turn(self, turn: Turn) -> TurnEnd:
        """Have the model work on the messages of a turn."""
        log = TurnLog()
        self._mail.begin(turn)
        self._ended.clear()
        try:
            found = await self._in_time(self._converse(turn, log))
        finally:
            self._mail.end()
            self._ended.set()
        return await self._judge(found, log)

    async def interrupt(self) -> None:
        """Make the turn that is under way end soon; if it does not, end the program."""
        self._interrupted = True
        try:
            async with asyncio.timeout(INTERRUPT_GRACE):
                await self._session.interrupt()
                await self._ended.wait()
        except (TimeoutError, ConversationLostError):
            await self._session.shut()

    async def rest(self) -> None:
        """Compact the conversation if it is nearly full, after the model has taken notes."""
        if not self._fill.is_due(self._settings.compact_at):
            return
        reporter = self._hive.reporter
        before, started = reporter.activity, self._clock.now()
        reporter.state(ActivityState.COMPACTING, self._fill.text)
        log = TurnLog()
        found = await self._in_time(self._take_notes_and_compact(log))
        end = await self._judge(found, log)
        self._fill = Fill()
        reporter.turn(end.recorded(started, self._clock.now(), wake="compaction"))
        reporter.state(before.state, before.about, before.until)

    async def recovered(self) -> None:
        """Wait until somebody has logged in, or it is time to try without such a sign."""
        await self._login.changed()
        await self._tell_account()

    async def close(self) -> None:
        """End the program."""
        await self._session.shut()

    def begin_anew(self) -> None:
        """Begin the next turn without what was said before."""
        self._session.begin_anew()

    def restarted(self, order: Order) -> None:
        """Have the model told that it was restarted."""
        self._session.restarted(order)

    async def _converse(self, turn: Turn, log: TurnLog) -> Verdict:
        """Ask about the mail; if the conversation does not fit, compact it once and ask again."""
        try:
            await self._session.ready()
        except ConversationLostError as error:
            return Unavailable(str(error))
        if self._interrupted:
            return Interrupted()
        text = wake_prompt(
            turn.messages,
            waiting=turn.waiting,
            now=self._clock.now(),
            mark=self._mail.mark,
            notices=self._session.notices,
        )
        found = await self._session.ask(text, log)
        if isinstance(found, Overflowed) and await self._session.compact(log) is None:
            found = await self._session.ask(text, log)
        if isinstance(found, Finished):
            self._session.told()
        return found

    async def _take_notes_and_compact(self, log: TurnLog) -> Verdict:
        await self._session.ready()
        found = await self._session.ask(self._fill.notes_prompt(), log)
        failure = await self._session.compact(log)
        return found if failure is None else Broken(f"compacting failed: {failure}")

    async def _in_time(self, work: Coroutine[Any, Any, Verdict]) -> Verdict:
        """Return a verdict in any case; the program is ended if it is not to be trusted."""
        limit = self._setup.time_limit
        self._interrupted = False
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError:
            found: Verdict = Broken(f"ended after the time limit of {limit:g} s")
        except (ConversationLostError, WidenedError) as error:
            found = Interrupted() if self._interrupted else Broken(str(error))
        await self._session.shut()
        return found

    async def _judge(self, found: Verdict, log: TurnLog) -> TurnEnd:
        cost = await self._session.charge(log)
        self._fill = log.fill(self._fill)
        standing = Standing(self._clock.now(), self._failures, self._session.day_ends)
        self._failures = self._failures + 1 if isinstance(found, Unavailable) else 0
        if isinstance(found, LoggedOut):
            await self._session.shut()
            await self._tell_operator(found.reason)
        return turn_end(found, log.usage(cost), standing, self._random)

    async def _tell_account(self) -> None:
        account = await asyncio.to_thread(self._login.fingerprint)
        self._hive.reporter.uses(account=account)

    async def _tell_operator(self, reason: str) -> None:
        """Tell the operator that a login is missing, once a day."""
        name = self._hive.me.name
        try:
            await self._hive.client.send(
                OPERATOR,
                f"{name} cannot work: {reason}. Log in where {name} runs (`claude auth login`); it "
                "goes on by itself then, and its mail waits.",
                dedupe_key=f"needs-login-{day_of(self._clock.now())}",
            )
        except HiveError as error:
            logger.warning("the operator was not told: %s", error)
