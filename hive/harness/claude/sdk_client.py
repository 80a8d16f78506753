"""One process of Claude Code and the conversation that it holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    ResultMessage,
)

from hive.harness.claude.errors import ConversationLostError
from hive.harness.claude.hearing import events_of
from hive.harness.claude.turn_events import Event


class Conversation:
    """The conversation with the real program.

    Args:
        options: How it is started.
    """

    def __init__(self, options: ClaudeAgentOptions) -> None:
        self._client = ClaudeSDKClient(options)

    async def open(self) -> None:
        """Start the program."""
        try:
            await self._client.connect()
        except ClaudeSDKError as error:
            raise ConversationLostError(f"Claude Code cannot be started: {error}") from error

    async def ask(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Ask, and yield what is heard until the end of the turn."""
        try:
            await self._client.query(_said(prompt, command=command))
            async for message in self._client.receive_response():
                for event in events_of(message):
                    yield event
                if isinstance(message, ResultMessage):
                    return
        except ClaudeSDKError as error:
            raise ConversationLostError(f"Claude Code has ended: {error}") from error
        raise ConversationLostError("Claude Code has ended in the middle of a turn")

    async def interrupt(self) -> None:
        """Make the turn that is under way end soon."""
        try:
            await self._client.interrupt()
        except ClaudeSDKError as error:
            raise ConversationLostError(f"Claude Code cannot be interrupted: {error}") from error

    async def close(self) -> None:
        """End the program."""
        await self._client.disconnect()


async def _said(prompt: str, *, command: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the one message; its text means nothing to Claude Code unless it is a command."""
    yield {
        "type": "user",
        "message": {"role": "user", "content": prompt},
        "parent_tool_use_id": None,
        "client_composed": not command,
    }
