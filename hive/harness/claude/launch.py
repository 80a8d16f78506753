"""How Claude Code is started: the same rights at every start, whatever was before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from attrs import frozen
from claude_agent_sdk import ClaudeAgentOptions, EffortLevel, HookMatcher, McpSdkServerConfig
from claude_agent_sdk.types import HookCallback, McpServerConfig

from hive.harness.claude.permissions import allowed, offered
from hive.wire.claude import ONE_MAILBOX, OWN_SERVER, ClaudeConfig, McpServer

ENVIRONMENT = {
    "DISABLE_AUTO_COMPACT": "1",  # the driver compacts, after the model has taken notes
    "DISABLE_AUTOUPDATER": "1",
    "ENABLE_TOOL_SEARCH": "false",  # all tools are offered at once, so that they can be checked
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # their ends would begin turns without mail
    "CLAUDE_CODE_DISABLE_CRON": "1",  # reminders are the hive's
    "CLAUDE_CODE_HARBOR_KITE": "0",  # no socket for other sessions; it is not documented
    "CLAUDE_CODE_MAX_RETRIES": "3",  # then the harness waits, for all to see
}
"""What Claude Code gets beside the agent's own environment, which may say otherwise."""

FLAGS = {
    "crossSessionInbound": "refuse",
    "autoContinueAtUsageLimit": False,
    "disableBundledSkills": True,
}
"""Settings of Claude Code that no file of the agent can change."""

LINE_MAX = 64 << 20
"""Bytes of the longest event that is read, such as a large tool result."""


@frozen
class Start:
    """What differs from one start to the next.

    Attributes:
        session: The conversation to go on with; None begins a new one.
        budget: US dollars that this process may cost.
        system_prompt: Added to Claude Code's own.
    """

    session: str | None
    budget: float | None
    system_prompt: str


@frozen
class Wiring:
    """What Claude Code is connected to.

    Attributes:
        tools: The hive's tools.
        after_tool: Called after each tool call.
        stderr: Called with each line that Claude Code writes to standard error.
    """

    tools: McpSdkServerConfig
    after_tool: HookCallback
    stderr: Callable[[str], None]


def options_of(
    settings: ClaudeConfig, start: Start, wiring: Wiring, *, cwd: Path, environ: Mapping[str, str]
) -> ClaudeAgentOptions:
    """Return the options of the SDK.

    No file of the agent's has a say: settings files are not read, only the MCP servers given here
    are used, and what is not allowed is refused without asking.
    """
    after = [HookMatcher(hooks=[wiring.after_tool])]
    return ClaudeAgentOptions(
        cwd=cwd,
        model=settings.model,
        effort=cast("EffortLevel | None", settings.effort),
        tools=list(offered(settings)),
        allowed_tools=list(allowed(settings)),
        disallowed_tools=list(ONE_MAILBOX),
        permission_mode="dontAsk",
        setting_sources=[],
        settings=json.dumps(FLAGS),
        mcp_servers={OWN_SERVER: wiring.tools, **_servers(settings.mcp)},
        strict_mcp_config=True,
        system_prompt={
            "type": "preset",
            "preset": "claude_code",
            "append": start.system_prompt,
            "snapshot": False,
        },
        resume=start.session,
        max_budget_usd=start.budget,
        hooks={"PostToolUse": after, "PostToolUseFailure": after},
        env={name: value for name, value in ENVIRONMENT.items() if name not in environ},
        stderr=wiring.stderr,
        max_buffer_size=LINE_MAX,
    )


def _servers(given: Mapping[str, McpServer]) -> dict[str, McpServerConfig]:
    return {name: _server(server) for name, server in given.items()}


def _server(server: McpServer) -> McpServerConfig:
    if server.run is None:
        return {"type": "http", "url": server.url or ""}
    command, *arguments = server.run
    return {"type": "stdio", "command": command, "args": arguments, "env": server.env}
