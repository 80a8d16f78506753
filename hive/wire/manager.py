"""The verbs of the manager's socket: everything of an agent's socket and the care of the others.

What changes an agent's shape is not here: that needs the operator.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.agent import AgentRequest
from hive.wire.base import Lines, Name, Request, Text


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
    """Apply an agent's configuration anew."""

    name: Name


class GetLogs(Request, tag="get_logs", kw_only=True, frozen=True):
    """The last lines that an agent printed."""

    name: Name
    lines: Lines = 100


class RequestSpawn(Request, tag="request_spawn", kw_only=True, frozen=True):
    """Ask the operator for a new agent."""

    name: Name
    description: Text | None = None


class RequestApplyCommit(Request, tag="request_apply_commit", kw_only=True, frozen=True):
    """Ask the operator to apply a commit of an agent's proposed configuration."""

    name: Name
    commit_ref: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    description: Text | None = None


ManagerRequest = (
    AgentRequest
    | KillAgent
    | StartAgent
    | RestartAgent
    | UpdateAgent
    | GetLogs
    | RequestSpawn
    | RequestApplyCommit
)
"""Everything the manager's socket understands."""
