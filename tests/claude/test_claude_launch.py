"""The SDK's options for a launch, and the hive's tools in its MCP server. Needs the package."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("claude_agent_sdk", reason="the extra hyperhive[claude] is not installed")

from hive.errors import InboxFullError
from hive.harness.claude.launch import (
    ENVIRONMENT,
    Callbacks,
    LaunchOptions,
    instructions,
    mcp_server,
    sdk_options,
    sdk_tool,
)
from hive.harness.claude.prompt import system_prompt
from hive.harness.tools import ModelTool
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
    callbacks = Callbacks(mcp_server([]), no_mail, print)
    launch = LaunchOptions(session, 1.5, "You are alice.")
    return sdk_options(SETTINGS, launch, callbacks, cwd=Path("/w"), environ=environ or {})


@pytest.mark.parametrize("session", [None, "0-1"])
def test_the_permissions_are_the_same_at_every_launch(session) -> None:
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


def test_the_agents_own_environment_takes_precedence() -> None:
    assert made().env == ENVIRONMENT
    given = {"CLAUDE_CODE_MAX_RETRIES": "9"}
    assert "CLAUDE_CODE_MAX_RETRIES" not in made(environ=given).env


async def test_a_refusal_of_the_hive_is_an_error_result_of_the_tool() -> None:
    async def full(_):
        raise InboxFullError("bob's inbox is full")

    async def fine(arguments):
        return {"id": arguments["to"]}

    refused = await sdk_tool(ModelTool("send", "d", {}, full)).handler({})
    assert refused == {
        "content": [{"type": "text", "text": "bob's inbox is full"}],
        "is_error": True,
    }
    done = await sdk_tool(ModelTool("send", "d", {}, fine)).handler({"to": 7})
    assert done == {"content": [{"type": "text", "text": '{"id": 7}'}]}


@pytest.mark.parametrize(
    "content",
    ["語".encode() * 100_000, b"\xff" * 100_000, b"before\0after"],
    ids=["long", "odd", "nul"],
)
def test_any_instructions_are_an_argument_that_a_program_can_be_started_with(content, tmp_path):
    (tmp_path / "CLAUDE.md").write_bytes(content)
    prompt = system_prompt("alice", "agent", instructions(tmp_path))
    subprocess.run(["true", f"--append-system-prompt={prompt}"], check=True)
