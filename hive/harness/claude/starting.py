"""Starting Claude Code in an agent: its instructions, the hive's tools, mail between tool calls."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import cast

from attrs import frozen
from claude_agent_sdk import HookContext, HookInput, get_session_info
from claude_agent_sdk.types import HookJSONOutput

from hive.harness.claude.launch import Start, Wiring, options_of
from hive.harness.claude.prompt import system_prompt
from hive.harness.claude.sdk_client import Conversation
from hive.harness.claude.toolbox import server_of
from hive.harness.claude.turn_mail import TurnMail
from hive.harness.tools import for_kind
from hive.harness.turn_drivers import Surroundings
from hive.names import MANAGER
from hive.wire.claude import ClaudeConfig

logger = logging.getLogger(__name__)

INSTRUCTIONS = "CLAUDE.md"
"""A file in the working directory that the model is given at every start."""

INSTRUCTIONS_MAX = 64 * 1024
"""Characters of it that are read."""


@frozen
class Starter:
    """Starts processes that hold the conversation of one agent."""

    settings: ClaudeConfig
    hive: Surroundings
    mail: TurnMail

    async def can_resume(self, session: str) -> bool:
        """Whether Claude Code has the conversation of that id on disk."""
        return await asyncio.to_thread(get_session_info, session) is not None

    async def start(self, session: str | None, budget: float | None) -> Conversation:
        """Return a process of Claude Code that is not open yet."""
        cwd = Path.cwd()
        me = self.hive.me
        texts = [self.settings.system_prompt, await asyncio.to_thread(instructions, cwd)]
        more = "\n\n".join(text for text in texts if text)
        start = Start(session, budget, system_prompt(me.name, me.kind, more))
        tools = for_kind(self.hive.client, manager=me.name == MANAGER, tray=self.mail)
        wiring = Wiring(server_of(tools), self._after_tool, _log)
        return Conversation(options_of(self.settings, start, wiring, cwd=cwd, environ=os.environ))

    async def _after_tool(
        self, call: HookInput, _call_id: str | None, _context: HookContext
    ) -> HookJSONOutput:
        """Tell the model of urgent mail, before it goes on."""
        note = self.mail.between_tools()
        if note is None:
            return {}
        told = {"hookEventName": call["hook_event_name"], "additionalContext": note}
        return cast("HookJSONOutput", {"hookSpecificOutput": told})


def instructions(directory: Path) -> str:
    """Return what stands in the directory's CLAUDE.md; nothing if there is none."""
    try:
        with (directory / INSTRUCTIONS).open(errors="replace") as file:
            return file.read(INSTRUCTIONS_MAX)
    except OSError:
        return ""


def _log(line: str) -> None:
    logger.info("claude: %s", line)
