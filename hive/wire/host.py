"""The verbs of the operator's socket, host.sock.

The first group is compatible, line by line, with version 1 of the existing hyperhive's host socket.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.agent import Posting
from hive.wire.base import Cursor, Id, Lines, Name, Request, Seconds, Text
from hive.wire.turns import (
    AnswerQuestion,
    CancelTurn,
    ClearLimit,
    ListLimits,
    ListQuestions,
    NewSession,
    Turns,
    Watch,
)


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


class OperatorSend(Posting, tag="send", kw_only=True, frozen=True):
    """Send as the operator."""


class TraceMessage(Request, tag="trace", kw_only=True, frozen=True):
    """Show the whole life of one message."""

    id: Id


class Chosen(Request, kw_only=True, frozen=True):
    """Which dead letters; each field given narrows the choice."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=500)] | None = None
    inbox: Name | None = None
    sender: Name | None = None
    older_than_seconds: Seconds | None = None


class ListDeadLetters(Chosen, tag="dead_letters", kw_only=True, frozen=True):
    """Show messages that were given up, newest last."""

    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class Replay(Chosen, tag="replay", kw_only=True, frozen=True):
    """Make dead letters deliverable again. A request that chooses nothing is an error."""


class Discard(Chosen, tag="discard", kw_only=True, frozen=True):
    """Give dead letters up for good. A request that chooses nothing is an error."""


class ResetLoop(Request, tag="reset_loop", kw_only=True, frozen=True):
    """Let two participants talk again that looped, and deliver what was parked, in order."""

    names: Annotated[list[Name], msgspec.Meta(min_length=2, max_length=2)]


class Loops(Request, tag="loops", frozen=True):
    """Show the pairs whose messages are parked."""


class ChangeGroup(Request, tag="change_group", kw_only=True, frozen=True):
    """Put participants into a group, or take them out; it is sent to as `@name`."""

    name: Name
    add: list[Name] = msgspec.field(default_factory=list)
    remove: list[Name] = msgspec.field(default_factory=list)


class Groups(Request, tag="groups", frozen=True):
    """Show all groups with their members."""


class Queues(Request, tag="queues", frozen=True):
    """Show how full each work queue is, and each group: the unread mail of its members."""


class RemoveQueue(Request, tag="remove_queue", kw_only=True, frozen=True):
    """Remove a work queue; refused while it holds messages unless `force` makes them dead."""

    name: Name
    force: bool = False


class ShowInbox(Request, tag="inbox", kw_only=True, frozen=True):
    """Show an inbox, newest last, without leasing anything.

    With `ack`, the operator's own shown messages are marked as read. `after` begins behind a
    message in place of the newest `max`; with `follow`, each response has the `cursor` to come back
    with, and the connection goes on with what arrives.
    """

    name: Name = "operator"
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    unread: bool = False
    ack: bool = False
    after: Cursor = 0
    follow: bool = False


class Tree(Request, tag="tree", frozen=True):
    """The live supervision tree."""


class Events(Request, tag="events", kw_only=True, frozen=True):
    """The newest `max` events; with `follow`, then each new one as it happens.

    With `after`, the first `max` behind that number; with `follow`, all of them.
    """

    max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 50
    after: Cursor = 0
    follow: bool = False


class Logs(Request, tag="logs", kw_only=True, frozen=True):
    """The last lines that an agent printed; with `follow`, then each new one."""

    name: Name
    lines: Lines = 100
    follow: bool = False


class Search(Request, tag="search", kw_only=True, frozen=True):
    """The newest messages that are as wanted, oldest first. Times are wall seconds."""

    text: Text | None = None
    sender: Name | None = None
    inbox: Name | None = None
    thread: Id | None = None
    since: float | None = None
    until: float | None = None
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class StoreState(Request, tag="store", frozen=True):
    """Whether the store takes writes, and if not, why and since when."""


class RuntimeState(Request, tag="runtime", frozen=True):
    """What agents run in, and how the daemon learns of their ends."""


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
    | TraceMessage
    | ListDeadLetters
    | Replay
    | Discard
    | ResetLoop
    | Loops
    | ChangeGroup
    | Groups
    | Queues
    | RemoveQueue
    | ShowInbox
    | Tree
    | Events
    | Logs
    | Search
    | StoreState
    | RuntimeState
    | Shutdown
    | Turns
    | Watch
    | CancelTurn
    | NewSession
    | ListQuestions
    | AnswerQuestion
    | ListLimits
    | ClearLimit
)
"""Everything the operator's socket understands."""
