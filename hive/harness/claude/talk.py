"""What the driver needs of a conversation, whoever holds it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from hive.harness.claude.turn_events import Event


class Talk(Protocol):
    """A conversation, as the driver uses it."""

    async def open(self) -> None:
        """Start it."""
        ...

    def ask(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Ask, and yield what is heard until the end of the turn.

        Args:
            prompt: The text.
            command: Whether it is a command of Claude Code itself; any other text is handed to
                the model as it is, whatever stands in it.

        Raises:
            ConversationLostError: When it ends before the turn does.
        """
        ...

    async def interrupt(self) -> None:
        """Make the turn that is under way end soon."""
        ...

    async def close(self) -> None:
        """End it, and leave nothing running. Idempotent."""
        ...


class Talks(Protocol):
    """Makes conversations."""

    async def start(self, session: str | None, budget: float | None) -> Talk:
        """Return a conversation that is not open yet.

        Args:
            session: What it goes on with; None begins a new one.
            budget: US dollars that it may cost.
        """
        ...

    async def can_resume(self, session: str) -> bool:
        """Whether a session of that id is there to go on with."""
        ...
