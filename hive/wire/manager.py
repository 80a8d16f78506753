"""The requests of the manager's socket: those of a participant's, and the lifecycle of agents.

Only the operator may create, remove or configure agents. The manager itself is no valid `name` of a
lifecycle verb.
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
    """Apply an agent's configuration: update its machine, stop it, start it."""

    name: Name


class GetLogs(Request, tag="get_logs", kw_only=True, frozen=True):
    """Return the last `lines` of an agent's output, as `lines`."""

    name: Name
    lines: Lines = 100


ManagerRequest = AgentRequest | KillAgent | StartAgent | RestartAgent | UpdateAgent | GetLogs
"""All requests of the manager's socket."""
