"""A conversation without Claude Code: the events of each query are a script."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from attrs import define, field

from hive.harness.claude.turn_events import (
    ClaudeProcessError,
    Compacted,
    Event,
    ModelCalled,
    TextWritten,
    TurnResult,
    TurnStarted,
)
from hive.wire.claude import ClaudeConfig

Script = tuple[Event | Exception | asyncio.Event, ...]
"""The result of one query: events, an error to raise, an event to wait for."""


def answered(text: str = "fine", *, context: int = 10, cost: float | None = None) -> Script:
    """Return a turn that succeeds."""
    result = TurnResult(failed=False, total_cost=cost, windows={"m": 1000})
    started = TurnStarted("s-1", "m", ("Read", "mcp__hive__send"))
    return (started, ModelCalled(context), TextWritten(text), result)


def refused(reason: str | None = None, *, status: int | None = None, error: str = "e") -> Script:
    """Return a turn that fails."""
    return (
        TurnStarted("s-1", "m", ()),
        ModelCalled(0, error),
        TurnResult(failed=True, reason=reason, status=status, text="words"),
    )


COMPACTED: Script = (Compacted(), TurnResult(failed=False))


@define(eq=False)
class ScriptedLauncher:
    """Launches processes that share one script.

    Attributes:
        script: What the next queries lead to.
        prompts: The prompt of every query.
        launched: Session and budget of every process.
        models: Model and effort of every process.
        on_disk: Sessions that may be resumed.
        broken: Why no process can be started.
        alive: Number of processes that are not ended.
        interrupts: Number of interrupts.
    """

    script: deque[Script] = field(factory=deque)
    prompts: list[str] = field(factory=list)
    launched: list[tuple[str | None, float | None]] = field(factory=list)
    models: list[tuple[str | None, str | None]] = field(factory=list)
    on_disk: set[str] = field(factory=set)
    broken: str | None = None
    alive: int = 0
    interrupts: int = 0

    async def launch(
        self, session: str | None, budget: float | None, settings: ClaudeConfig
    ) -> ScriptedClient:
        """Return the client of a new process."""
        self.launched.append((session, budget))
        self.models.append((settings.model, settings.effort))
        return ScriptedClient(self)

    async def can_resume(self, session: str) -> bool:
        """Whether the session is on disk."""
        return session in self.on_disk


@define(eq=False)
class ScriptedClient:
    """Client of one process."""

    launcher: ScriptedLauncher
    _closed: asyncio.Event = field(factory=asyncio.Event)

    async def open(self) -> None:
        """Start the process."""
        self.launcher.alive += 1
        if self.launcher.broken is not None:
            raise ClaudeProcessError(self.launcher.broken)

    async def query(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Yield the events of the script."""
        assert command == prompt.startswith("/compact")
        self.launcher.prompts.append(prompt)
        for step in self.launcher.script.popleft():
            match step:
                case Exception():
                    raise step
                case asyncio.Event():
                    await self._wait(step)
                case _:
                    yield step

    async def interrupt(self) -> None:
        """Count the interrupt."""
        self.launcher.interrupts += 1

    async def close(self) -> None:
        """End the process."""
        self.launcher.alive -= not self._closed.is_set()
        self._closed.set()

    async def _wait(self, event: asyncio.Event) -> None:
        ends = [asyncio.create_task(each.wait()) for each in (event, self._closed)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        if self._closed.is_set():
            raise ClaudeProcessError("it was closed")
