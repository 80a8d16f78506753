"""A conversation without Claude Code: what is heard is a script."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from attrs import define, field

from hive.harness.claude.errors import ConversationLostError
from hive.harness.claude.turn_events import Compacted, Ended, Event, Said, Started, Thought

Heard = tuple[Event | Exception | asyncio.Event, ...]
"""What one question leads to: events, an error to raise, an event to wait for."""


def answered(text: str = "fine", *, context: int = 10, cost: float | None = None) -> Heard:
    """Return a turn that succeeds."""
    ended = Ended(failed=False, total_cost=cost, windows={"m": 1000})
    return (Started("s-1", "m", ("Read", "mcp__hive__send")), Thought(context), Said(text), ended)


def refused(reason: str | None = None, *, status: int | None = None, error: str = "e") -> Heard:
    """Return a turn that fails."""
    return (
        Started("s-1", "m", ()),
        Thought(0, error),
        Ended(failed=True, reason=reason, status=status, text="words"),
    )


COMPACTED: Heard = (Compacted(), Ended(failed=False))


@define(eq=False)
class ScriptedTalks:
    """Makes conversations that are one script.

    Attributes:
        script: What the next questions lead to.
        asked: Every question.
        started: Session and budget of every process.
        on_disk: Sessions that may be resumed.
        broken: Why no process can be started.
        alive: Processes that are not ended.
    """

    script: deque[Heard] = field(factory=deque)
    asked: list[str] = field(factory=list)
    started: list[tuple[str | None, float | None]] = field(factory=list)
    on_disk: set[str] = field(factory=set)
    broken: str | None = None
    alive: int = 0
    interrupts: int = 0

    async def start(self, session: str | None, budget: float | None) -> ScriptedTalk:
        """Return a conversation."""
        self.started.append((session, budget))
        return ScriptedTalk(self)

    async def can_resume(self, session: str) -> bool:
        """Whether the session is on disk."""
        return session in self.on_disk


@define(eq=False)
class ScriptedTalk:
    """One process."""

    talks: ScriptedTalks
    _closed: asyncio.Event = field(factory=asyncio.Event)

    async def open(self) -> None:
        """Start."""
        self.talks.alive += 1
        if self.talks.broken is not None:
            raise ConversationLostError(self.talks.broken)

    async def ask(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Yield what the script says."""
        assert command == prompt.startswith("/compact")
        self.talks.asked.append(prompt)
        for heard in self.talks.script.popleft():
            match heard:
                case Exception():
                    raise heard
                case asyncio.Event():
                    await self._wait(heard)
                case _:
                    yield heard

    async def interrupt(self) -> None:
        """Count it."""
        self.talks.interrupts += 1

    async def close(self) -> None:
        """End."""
        self.talks.alive -= not self._closed.is_set()
        self._closed.set()

    async def _wait(self, event: asyncio.Event) -> None:
        ends = [asyncio.create_task(each.wait()) for each in (event, self._closed)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        if self._closed.is_set():
            raise ConversationLostError("it was closed")
