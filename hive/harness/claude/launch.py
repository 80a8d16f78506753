"""Launch of Claude Code: options, instructions, the hive's tools as an MCP server, hooks.

The permissions are the same at every launch, whatever happened before.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import frozen
from claude_agent_sdk import (
    ClaudeAgentOptions,
    EffortLevel,
    HookContext,
    HookInput,
    HookMatcher,
    McpSdkServerConfig,
    SdkMcpTool,
    create_sdk_mcp_server,
    get_session_info,
)
from claude_agent_sdk.types import HookCallback, HookJSONOutput, McpServerConfig

from hive.errors import HiveError
from hive.harness.claude.permissions import allow_rules, offered_tools
from hive.harness.claude.prompt import system_prompt
from hive.harness.claude.sdk_client import SdkClient
from hive.harness.claude.turn_mail import TurnMail
from hive.harness.driver import Surroundings
from hive.harness.tools import ModelTool, for_kind
from hive.names import MANAGER
from hive.wire.claude import DISABLED_TOOLS, OWN_SERVER, ClaudeConfig, McpServer

logger = logging.getLogger(__name__)

ENVIRONMENT = {
    "DISABLE_AUTO_COMPACT": "1",  # the driver compacts, after the model has taken notes
    "DISABLE_AUTOUPDATER": "1",
    "ENABLE_TOOL_SEARCH": "false",  # all tools are offered at once, so that they can be checked
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # their ends would begin turns without mail
    "CLAUDE_CODE_DISABLE_CRON": "1",  # reminders are the hive's
    "CLAUDE_CODE_HARBOR_KITE": "0",  # no socket for other sessions; it is not documented
    "CLAUDE_CODE_MAX_RETRIES": "3",  # then the harness waits, visible in the agent's status
}
"""Environment of Claude Code; a variable in the agent's own environment takes precedence."""

FLAGS = {
    "crossSessionInbound": "refuse",
    "autoContinueAtUsageLimit": False,
    "disableBundledSkills": True,
}
"""Settings of Claude Code that no file of the agent can change."""

EVENT_MAX = 64 << 20
"""Bytes of the longest event that is read, such as a large tool result."""

INSTRUCTIONS_FILE = "CLAUDE.md"
"""File in the working directory whose text is added to the system prompt at every launch."""

INSTRUCTIONS_MAX = 64 * 1024
"""Bytes of it, as UTF-8, that are added: an argument of a program has 128 KiB, see execve(2)."""


@frozen
class LaunchOptions:
    """Options that differ from one launch to the next.

    Attributes:
        session: The conversation to resume; None begins a new one.
        budget: US dollars that this process may cost; None is no limit.
        system_prompt: Added to Claude Code's own.
    """

    session: str | None
    budget: float | None
    system_prompt: str


@frozen
class Callbacks:
    """Entry points of the harness that Claude Code calls.

    Attributes:
        tools: MCP server with the hive's tools.
        after_tool: Hook after each tool call.
        stderr: Called with each line that Claude Code writes to standard error.
    """

    tools: McpSdkServerConfig
    after_tool: HookCallback
    stderr: Callable[[str], None]


@frozen
class SdkLauncher:
    """Launches Claude Code for one agent; implements `session.Launcher`."""

    settings: ClaudeConfig
    hive: Surroundings
    mail: TurnMail

    async def can_resume(self, session: str) -> bool:
        """Whether Claude Code has the conversation of that id on disk."""
        return await asyncio.to_thread(get_session_info, session) is not None

    async def launch(
        self, session: str | None, budget: float | None, settings: ClaudeConfig
    ) -> SdkClient:
        """Return the client of a new process, not open yet."""
        cwd = Path.cwd()
        me = self.hive.me
        texts = [settings.system_prompt, await asyncio.to_thread(instructions, cwd)]
        more = "\n\n".join(text for text in texts if text)
        options = LaunchOptions(session, budget, system_prompt(me.name, me.kind, more))
        tools = for_kind(
            self.hive.client,
            manager=me.name == MANAGER,
            mail=self.mail,
            capabilities=me.capabilities,
        )
        callbacks = Callbacks(mcp_server(tools), self._after_tool, _log_stderr)
        return SdkClient(sdk_options(settings, options, callbacks, cwd=cwd, environ=os.environ))

    async def _after_tool(
        self, call: HookInput, _call_id: str | None, _context: HookContext
    ) -> HookJSONOutput:
        """Add urgent mail to the context of the model."""
        note = self.mail.between_tools()
        if note is None:
            return {}
        output = {"hookEventName": call["hook_event_name"], "additionalContext": note}
        return cast("HookJSONOutput", {"hookSpecificOutput": output})


def instructions(directory: Path) -> str:
    """Return the text of the directory's CLAUDE.md, as an argument takes it; "" without one."""
    try:
        with (directory / INSTRUCTIONS_FILE).open(errors="replace") as file:
            text = file.read(INSTRUCTIONS_MAX).replace("\0", "\N{REPLACEMENT CHARACTER}")
    except OSError:
        return ""
    return text.encode()[:INSTRUCTIONS_MAX].decode(errors="ignore")


def sdk_options(
    settings: ClaudeConfig,
    options: LaunchOptions,
    callbacks: Callbacks,
    *,
    cwd: Path,
    environ: Mapping[str, str],
) -> ClaudeAgentOptions:
    """Return the options of the SDK.

    No file of the agent can change them: settings files are not read, only the MCP servers given
    here are used, and a tool call that no rule allows is refused without asking.
    """
    after = [HookMatcher(hooks=[callbacks.after_tool])]
    return ClaudeAgentOptions(
        cwd=cwd,
        model=settings.model,
        effort=cast("EffortLevel | None", settings.effort),
        tools=list(offered_tools(settings)),
        allowed_tools=list(allow_rules(settings)),
        disallowed_tools=list(DISABLED_TOOLS),
        permission_mode="dontAsk",
        setting_sources=[],
        settings=json.dumps(FLAGS),
        mcp_servers={OWN_SERVER: callbacks.tools, **_servers(settings.mcp)},
        strict_mcp_config=True,
        system_prompt={
            "type": "preset",
            "preset": "claude_code",
            "append": options.system_prompt,
            "snapshot": False,
        },
        resume=options.session,
        max_budget_usd=options.budget,
        hooks={"PostToolUse": after, "PostToolUseFailure": after},
        env={name: value for name, value in ENVIRONMENT.items() if name not in environ},
        stderr=callbacks.stderr,
        max_buffer_size=EVENT_MAX,
    )


def mcp_server(tools: Iterable[ModelTool]) -> McpSdkServerConfig:
    """Return an MCP server in this process that offers the hive's tools."""
    return create_sdk_mcp_server(OWN_SERVER, tools=[sdk_tool(tool) for tool in tools])


def sdk_tool(tool: ModelTool) -> SdkMcpTool[Any]:
    """Return a tool of the hive as one of the SDK; a `HiveError` becomes an error result."""

    async def call(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            result = await tool.call(arguments)
        except HiveError as error:
            return {"content": [_text(str(error))], "is_error": True}
        return {"content": [_text(result if isinstance(result, str) else json.dumps(result))]}

    return SdkMcpTool(tool.name, tool.description, tool.schema, call)


def _servers(given: Mapping[str, McpServer]) -> dict[str, McpServerConfig]:
    return {name: _server(server) for name, server in given.items()}


def _server(server: McpServer) -> McpServerConfig:
    if server.run is None:
        return {"type": "http", "url": server.url or ""}
    command, *arguments = server.run
    return {"type": "stdio", "command": command, "args": arguments, "env": server.env}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _log_stderr(line: str) -> None:
    logger.info("claude: %s", line)
