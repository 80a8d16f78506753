"""The verbs of the operator's socket, host.sock.

The first group is compatible, line by line, with version 1 of the existing hyperhive's host socket.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import Id, Lines, Name, Request, Text


class Scope(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which agents a verb is about. An empty scope is an error, never "everything"."""

    agent_names: list[Name] = msgspec.field(default_factory=list)


class ListAgents(Request, tag="list", frozen=True):
    """Names of the managed agents."""


class AgentStatus(Request, tag="agent_status", frozen=True):
    """One status row per participant."""


class SubscribeAgentStatus(Request, tag="subscribe_agent_status", frozen=True):
    """A bare ok, then one response per changed participant for the life of the connection."""


class Urls(Request, tag="urls", frozen=True):
    """Addresses of the hive's web pages, if there are any."""


class SetPaused(Request, tag="set_paused", kw_only=True, frozen=True):
    """Hold an agent's mail back (it keeps running), or let it flow again."""

    name: Name
    paused: bool


class Restart(Request, tag="restart", kw_only=True, frozen=True):
    """Stop an agent gracefully and start it again."""

    name: Name


class Start(Request, tag="start", kw_only=True, frozen=True):
    """Start agents; revives those that were parked as failed."""

    scope: Scope


class Stop(Request, tag="stop", kw_only=True, frozen=True):
    """Stop agents. This wish is durable and beats every automatic restart."""

    scope: Scope
    graceful: bool = True


class Spawn(Request, tag="spawn", kw_only=True, frozen=True):
    """Create an agent and start it.

    `run` is a program for the command driver, `exec` a program that is the agent itself; with
    neither, the agent must be described in hive.toml.
    """

    name: Name
    run: list[str] | None = None
    exec: list[str] | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict)
    cwd: str | None = None


class Kill(Request, tag="kill", kw_only=True, frozen=True):
    """Stop an agent, as the existing daemon's `kill` does; with `force`, at once."""

    name: Name
    force: bool = False


class Rebuild(Request, tag="rebuild", kw_only=True, frozen=True):
    """Apply an agent's configuration anew: update its machine, stop it, start it."""

    name: Name


class Destroy(Request, tag="destroy", kw_only=True, frozen=True):
    """Remove an agent. Its files and unread mail stay unless `purge`."""

    name: Name
    purge: bool = False


class Pending(Request, tag="pending", frozen=True):
    """The approvals that wait for the operator."""


class Approve(Request, tag="approve", kw_only=True, frozen=True):
    """Approve one pending approval."""

    id: int
    note: Text | None = None


class Deny(Request, tag="deny", kw_only=True, frozen=True):
    """Deny one pending approval."""

    id: int
    note: Text | None = None


class RegisterPeer(Request, tag="register_peer", kw_only=True, frozen=True):
    """Give a participant with a lifecycle of its own an inbox and a socket."""

    name: Name
    broadcast: bool = False
    description: Text | None = None
    observe: Name | None = None


class UnregisterPeer(Request, tag="unregister_peer", kw_only=True, frozen=True):
    """Take a peer out of the routing; refused while it has unread mail unless `force`."""

    name: Name
    force: bool = False


class OperatorSend(Request, tag="send", kw_only=True, frozen=True):
    """Send as the operator."""

    to: Name
    body: str
    in_reply_to: Id | None = None


class Inbox(Request, tag="inbox", kw_only=True, frozen=True):
    """Show an inbox, newest last, without leasing anything.

    With `ack`, the operator's own shown messages are marked as read.
    """

    name: Name = "operator"
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    unread: bool = False
    ack: bool = False


class Tree(Request, tag="tree", frozen=True):
    """The live supervision tree."""


class Events(Request, tag="events", kw_only=True, frozen=True):
    """The newest `max` events after `after`; with `follow`, then each new one as it happens."""

    max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 50
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    follow: bool = False


class Logs(Request, tag="logs", kw_only=True, frozen=True):
    """The last lines that an agent printed; with `follow`, then each new one."""

    name: Name
    lines: Lines = 100
    follow: bool = False


class Shutdown(Request, tag="shutdown", kw_only=True, frozen=True):
    """End the daemon. Agents are stopped in reverse order unless `keep_agents`."""

    keep_agents: bool = False


HostRequest = (
    ListAgents
    | AgentStatus
    | SubscribeAgentStatus
    | Urls
    | SetPaused
    | Restart
    | Start
    | Stop
    | Spawn
    | Kill
    | Rebuild
    | Destroy
    | Pending
    | Approve
    | Deny
    | RegisterPeer
    | UnregisterPeer
    | OperatorSend
    | Inbox
    | Tree
    | Events
    | Logs
    | Shutdown
)
"""Everything the operator's socket understands."""
