"""Client of one Claude Code process, on the official SDK, and the SDK's messages as events.

Only types and fields that the SDK documents are read. The text of a conversation is never
interpreted. Whatever is raised here is an error of the process: the SDK has classes for some of its
errors only, and a program of another version may leave out a field.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    Message,
    RateLimitEvent,
    ResultMessage,
    SystemMessage,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from hive.harness.claude.turn_events import (
    ClaudeProcessError,
    Compacted,
    Compacting,
    Event,
    ModelCalled,
    Retrying,
    TextWritten,
    ToolCalled,
    ToolDenied,
    ToolReturned,
    TurnResult,
    TurnStarted,
    UsageLimit,
)


class SdkClient:
    """Client of one process of Claude Code; implements `session.ClaudeClient`.

    Args:
        options: How the process is started.
    """

    def __init__(self, options: ClaudeAgentOptions) -> None:
        self._client = ClaudeSDKClient(options)

    async def open(self) -> None:
        """Start the process.

        Raises:
            ClaudeProcessError: When it cannot be started.
        """
        try:
            await self._client.connect()
        except Exception as error:
            raise ClaudeProcessError(f"Claude Code cannot be started: {_why(error)}") from error

    async def query(self, prompt: str, *, command: bool = False) -> AsyncGenerator[Event, None]:
        """Send a prompt, and yield the events until the end of the turn.

        Raises:
            ClaudeProcessError: When the process ends before the turn does, or cannot be understood.
        """
        try:
            await self._client.query(_user_message(prompt, command=command))
            async for message in self._client.receive_response():
                for event in events_of(message):
                    yield event
                if isinstance(message, ResultMessage):
                    return
        except Exception as error:
            raise ClaudeProcessError(f"Claude Code has ended: {_why(error)}") from error
        raise ClaudeProcessError("Claude Code has ended in the middle of a turn")

    async def interrupt(self) -> None:
        """Request an early end of the current turn.

        Raises:
            ClaudeProcessError: When the process cannot be reached.
        """
        try:
            await self._client.interrupt()
        except Exception as error:
            raise ClaudeProcessError(f"Claude Code cannot be interrupted: {_why(error)}") from error

    async def close(self) -> None:
        """End the process."""
        await self._client.disconnect()


def _why(error: Exception) -> str:
    """Return an error as words; those of the SDK are sentences."""
    is_sentence = isinstance(error, ClaudeSDKError) or type(error) is Exception
    return str(error) if is_sentence else f"{type(error).__name__}: {error}"


async def _user_message(prompt: str, *, command: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the one message; Claude Code does not interpret its text unless it is a command."""
    yield {
        "type": "user",
        "message": {"role": "user", "content": prompt},
        "parent_tool_use_id": None,
        "client_composed": not command,
    }


def events_of(message: Message) -> Iterator[Event]:
    """Yield the events of one message of the SDK; none for a message of no interest here."""
    match message:
        case SystemMessage():
            yield from _system_events(message.subtype, message.data)
        case AssistantMessage(parent_tool_use_id=None):
            yield from _assistant_events(message)
        case UserMessage(content=list(blocks), parent_tool_use_id=None):
            for block in blocks:
                if isinstance(block, ToolResultBlock):
                    yield ToolReturned(_text(block.content), bool(block.is_error))
        case RateLimitEvent(rate_limit_info=info):
            reset = info.resets_at
            yield UsageLimit(
                info.status == "rejected",
                None if reset is None else float(reset),
                info.rate_limit_type,
            )
        case ResultMessage():
            yield _result(message)
        case _:
            return


def _system_events(subtype: str, data: Mapping[str, Any]) -> Iterator[Event]:
    match subtype:
        case "init":
            yield TurnStarted(data["session_id"], data["model"], tuple(data["tools"]))
        case "api_retry":
            status = data.get("error_status")
            delay = data.get("retry_delay_ms", 0) / 1000
            yield Retrying(status, str(data.get("error")), int(data.get("attempt", 0)), delay)
        case "permission_denied":
            yield ToolDenied(str(data.get("tool_name")))
        case "status" if data.get("status") == "compacting":
            yield Compacting()
        case "status" if data.get("compact_result") is not None:
            failed = data["compact_result"] != "success"
            yield Compacted(str(data.get("compact_error") or "unknown") if failed else None)
        case _:
            return


def _assistant_events(message: AssistantMessage) -> Iterator[Event]:
    for block in message.content:
        match block:
            case TextBlock(text=text) if message.error is None:
                yield TextWritten(text)
            case ToolUseBlock(name=name, input=arguments):
                yield ToolCalled(name, json.dumps(arguments))
            case _:
                continue
    usage = message.usage or {}
    read = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    yield ModelCalled(sum(usage.get(name) or 0 for name in read), message.error)


def _result(message: ResultMessage) -> TurnResult:
    usage = message.usage or {}
    models = message.model_usage or {}
    return TurnResult(
        failed=message.is_error,
        reason=_reason(message),
        status=message.api_error_status,
        text=message.result or "; ".join(message.errors or ()),
        total_cost=message.total_cost_usd,
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        cache_write_tokens=usage.get("cache_creation_input_tokens") or 0,
        windows={name: used["contextWindow"] for name, used in models.items()},
    )


def _reason(message: ResultMessage) -> str | None:
    """Return why a turn ended; an older SDK does not pass on what Claude Code says of that."""
    reason: str | None = getattr(message, "terminal_reason", None)
    if reason is not None or not message.is_error:
        return reason
    if message.subtype == "error_max_budget_usd":
        return "budget_exhausted"
    return "prompt_too_long" if message.result == "Prompt is too long" else None


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in content)
