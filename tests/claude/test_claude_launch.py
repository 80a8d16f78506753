"""How the real program is started, and how its SDK's messages are read. Needs the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("claude_agent_sdk", reason="the extra hyperhive[claude] is not installed")

from claude_agent_sdk import (
    AssistantMessage,
    RateLimitEvent,
    RateLimitInfo,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from hive.errors import InboxFullError
from hive.harness.claude.hearing import events_of
from hive.harness.claude.launch import ENVIRONMENT, Start, Wiring, options_of
from hive.harness.claude.toolbox import server_of, wrapped
from hive.harness.claude.turn_events import (
    Compacted,
    Compacting,
    Ended,
    Retrying,
    Said,
    Started,
    Thought,
    ToolAnswered,
    ToolCalled,
    ToolRefused,
    UsageLimit,
)
from hive.harness.tools import Tool
from hive.wire.claude import ClaudeConfig, McpServer

SETTINGS = ClaudeConfig(
    model="m",
    effort="low",
    tools=("Read", "Bash(git:*)"),
    mcp={
        "x": McpServer(run=("x", "-v"), env={"A": "b"}),
        "y": McpServer(url="https://y/mcp", tools=("go",)),
    },
)


async def no_mail(*_):
    return {}


def made(*, session: str | None = None, environ=None):
    wiring = Wiring(server_of([]), no_mail, print)
    start = Start(session, 1.5, "You are alice.")
    return options_of(SETTINGS, start, wiring, cwd=Path("/w"), environ=environ or {})


@pytest.mark.parametrize("session", [None, "0-1"])
def test_the_same_rights_at_every_start(session) -> None:
    options = made(session=session)
    assert options.resume == session
    assert options.tools == ["Read", "Bash"]
    assert options.allowed_tools == [
        *SETTINGS.tools,
        "mcp__hive__*",
        "mcp__x__*",
        "mcp__y__go",
    ]
    assert options.permission_mode == "dontAsk"
    assert options.setting_sources == []
    assert options.strict_mcp_config is True
    assert {"SendMessage", "ListAgents"} <= set(options.disallowed_tools)
    assert json.loads(options.settings or "")["crossSessionInbound"] == "refuse"
    assert options.max_budget_usd == 1.5
    assert isinstance(options.system_prompt, dict)
    assert options.system_prompt["snapshot"] is False, "a changed prompt holds at once"
    assert options.mcp_servers["x"] == {
        "type": "stdio",
        "command": "x",
        "args": ["-v"],
        "env": {"A": "b"},
    }
    assert options.mcp_servers["y"] == {"type": "http", "url": "https://y/mcp"}


def test_the_agents_own_environment_has_the_last_word() -> None:
    assert made().env == ENVIRONMENT
    given = {"CLAUDE_CODE_MAX_RETRIES": "9"}
    assert "CLAUDE_CODE_MAX_RETRIES" not in made(environ=given).env


async def test_a_refusal_of_the_hive_is_an_error_that_the_model_reads() -> None:
    async def full(_):
        raise InboxFullError("bob's inbox is full")

    async def fine(arguments):
        return {"id": arguments["to"]}

    refused = await wrapped(Tool("send", "d", {}, full)).handler({})
    assert refused == {
        "content": [{"type": "text", "text": "bob's inbox is full"}],
        "is_error": True,
    }
    done = await wrapped(Tool("send", "d", {}, fine)).handler({"to": 7})
    assert done == {"content": [{"type": "text", "text": '{"id": 7}'}]}


def system(subtype: str, **data) -> SystemMessage:
    return SystemMessage(subtype, {"subtype": subtype, **data})


def result(**fields) -> ResultMessage:
    base = {
        "subtype": "success",
        "duration_ms": 1,
        "duration_api_ms": 1,
        "is_error": False,
        "num_turns": 1,
        "session_id": "s",
    }
    return ResultMessage(**{**base, **fields})


USED = {"input_tokens": 5, "cache_read_input_tokens": 70, "cache_creation_input_tokens": None}


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            system("init", session_id="s", model="m", tools=["Read"]),
            [Started("s", "m", ("Read",))],
        ),
        (
            system(
                "api_retry", error_status=529, error="overloaded", attempt=2, retry_delay_ms=500
            ),
            [Retrying(529, "overloaded", 2, 0.5)],
        ),
        (system("permission_denied", tool_name="Bash"), [ToolRefused("Bash")]),
        (system("status", status="compacting"), [Compacting()]),
        (system("status", status=None, compact_result="success"), [Compacted()]),
        (
            system("status", compact_result="failed", compact_error="too few"),
            [Compacted("too few")],
        ),
        (system("something_new", status="x"), []),
        (
            AssistantMessage(
                [
                    ThinkingBlock("hm", "sig"),
                    TextBlock("hello"),
                    ToolUseBlock("t", "Read", {"a": 1}),
                ],
                "m",
                usage=USED,
            ),
            [Said("hello"), ToolCalled("Read", '{"a": 1}'), Thought(75)],
        ),
        (
            AssistantMessage([TextBlock("API Error: 429")], "<synthetic>", error="rate_limit"),
            [Thought(0, "rate_limit")],
        ),
        (AssistantMessage([TextBlock("x")], "m", parent_tool_use_id="t"), []),
        (
            UserMessage([ToolResultBlock("t", [{"type": "text", "text": "a"}, {"type": "image"}])]),
            [ToolAnswered("a\n[image]", failed=False)],
        ),
        (
            UserMessage([ToolResultBlock("t", "no", is_error=True)]),
            [ToolAnswered("no", failed=True)],
        ),
        (UserMessage("summary"), []),
        (
            RateLimitEvent(RateLimitInfo("rejected", 5000, "five_hour"), "u", "s"),
            [UsageLimit(rejected=True, resets_at=5000.0, window="five_hour")],
        ),
        (
            RateLimitEvent(RateLimitInfo("allowed_warning"), "u", "s"),
            [UsageLimit(rejected=False, resets_at=None, window=None)],
        ),
        (
            result(
                is_error=True,
                terminal_reason="api_error",
                api_error_status=429,
                errors=["a", "b"],
                total_cost_usd=0.5,
                usage={"input_tokens": 3, "output_tokens": 2},
                model_usage={"m": {"contextWindow": 200}},
            ),
            [
                Ended(
                    failed=True,
                    reason="api_error",
                    status=429,
                    text="a; b",
                    total_cost=0.5,
                    input_tokens=3,
                    output_tokens=2,
                    windows={"m": 200},
                )
            ],
        ),
        (StreamEvent("u", "s", {}), []),
    ],
)
def test_a_message_says_this(message, events) -> None:
    assert list(events_of(message)) == events
