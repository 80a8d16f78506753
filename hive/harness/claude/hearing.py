"""From the SDK's messages to events.

Only types and fields that the SDK documents are read. Text of a conversation decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
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
    Compacted,
    Compacting,
    Ended,
    Event,
    Retrying,
    Said,
    Started,
    Thought,
    ToolAnswered,
    ToolCalled,
    ToolRefused,
    UsageLimit,
)


def events_of(message: Message) -> Iterator[Event]:
    """Yield what one message of the SDK says; nothing for those that say nothing here."""
    match message:
        case SystemMessage():
            yield from _system(message.subtype, message.data)
        case AssistantMessage(parent_tool_use_id=None):
            yield from _assistant(message)
        case UserMessage(content=list(blocks), parent_tool_use_id=None):
            for block in blocks:
                if isinstance(block, ToolResultBlock):
                    yield ToolAnswered(_text(block.content), bool(block.is_error))
        case RateLimitEvent(rate_limit_info=info):
            reset = info.resets_at
            yield UsageLimit(
                info.status == "rejected",
                None if reset is None else float(reset),
                info.rate_limit_type,
            )
        case ResultMessage():
            yield _ended(message)
        case _:
            return


def _system(subtype: str, data: Mapping[str, Any]) -> Iterator[Event]:
    match subtype:
        case "init":
            yield Started(data["session_id"], data["model"], tuple(data["tools"]))
        case "api_retry":
            status = data.get("error_status")
            delay = data.get("retry_delay_ms", 0) / 1000
            yield Retrying(status, str(data.get("error")), int(data.get("attempt", 0)), delay)
        case "permission_denied":
            yield ToolRefused(str(data.get("tool_name")))
        case "status" if data.get("status") == "compacting":
            yield Compacting()
        case "status" if data.get("compact_result") is not None:
            failed = data["compact_result"] != "success"
            yield Compacted(str(data.get("compact_error") or "unknown") if failed else None)
        case _:
            return


def _assistant(message: AssistantMessage) -> Iterator[Event]:
    for block in message.content:
        match block:
            case TextBlock(text=text) if message.error is None:
                yield Said(text)
            case ToolUseBlock(name=name, input=arguments):
                yield ToolCalled(name, json.dumps(arguments))
            case _:
                continue
    usage = message.usage or {}
    read = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    yield Thought(sum(usage.get(name) or 0 for name in read), message.error)


def _ended(message: ResultMessage) -> Ended:
    usage = message.usage or {}
    models = message.model_usage or {}
    return Ended(
        failed=message.is_error,
        reason=message.terminal_reason,
        status=message.api_error_status,
        text=message.result or "; ".join(message.errors or ()),
        total_cost=message.total_cost_usd,
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        cache_write_tokens=usage.get("cache_creation_input_tokens") or 0,
        windows={name: used["contextWindow"] for name, used in models.items()},
    )


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in content)
