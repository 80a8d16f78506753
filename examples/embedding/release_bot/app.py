"""The agents of the hive."""

from __future__ import annotations

from hive.client.function_agent import answering
from hive.daemon.hive import AgentCoroutine
from release_bot.coordinator import coordinator
from release_bot.forms import BOT, REVIEWER
from release_bot.reviewer import Judge, reviewing

PEERS = ("ci",)


def agents(judge: Judge) -> dict[str, AgentCoroutine]:
    """Return the agents by their names."""
    return {BOT: coordinator, REVIEWER: answering(reviewing(judge))}
