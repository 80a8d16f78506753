"""The verbs of the manager's socket: those of an agent's socket, and control of other agents.

Verbs that change an agent's configuration are the operator's only.
"""

from __future__ import annotations

from hive.wire.agent import AgentRequest
from hive.wire.base import Lines, Name, Request


class KillAgent(Request, tag="kill", kw_only=True, frozen=True):
    """Stop an agent gracefully."""

    name: Name


class StartAgent(Request, tag="start", kw_only=True, frozen=True):
    """Start a stopped or failed agent."""

    name: Name


class RestartAgent(Request, tag="restart", kw_only=True, frozen=True):
    """Stop an agent gracefully and start it again."""

    name: Name


class UpdateAgent(Request, tag="update", kw_only=True, frozen=True):
    """Apply an agent's configuration again."""

    name: Name


class GetLogs(Request, tag="get_logs", kw_only=True, frozen=True):
    """The last lines that an agent printed."""

    name: Name
    lines: Lines = 100


ManagerRequest = AgentRequest | KillAgent | StartAgent | RestartAgent | UpdateAgent | GetLogs
"""The requests of the manager's socket."""
