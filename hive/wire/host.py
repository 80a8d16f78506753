"""The requests of the operator's socket, `host.sock`.

Those from `list` to `deny` are compatible, line by line, with version 1 of the host socket of the
existing hyperhive. A lifecycle verb is answered when the agent has reached the state, or with an
error.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.agent import Posting
from hive.wire.base import Body, Cursor, Id, Lines, Name, PathText, Request, Seconds, Text

Names = Annotated[list[Name], msgspec.Meta(max_length=1000)]
"""Names of participants, at most 1000."""

Word = Annotated[str, msgspec.Meta(max_length=131_071)]
"""One argument of a program, in characters; the longest that Linux passes on."""

Command = Annotated[list[Word], msgspec.Meta(max_length=1000)]
"""A program and its arguments, at most 1000."""

Environment = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=256)], Word], msgspec.Meta(max_length=1000)
]
"""Environment variables by name, at most 1000."""


class Scope(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The agents that a verb applies to; an empty scope is an error, it never means all agents."""

    agent_names: Names = msgspec.field(default_factory=list)


class ListAgents(Request, tag="list", frozen=True):
    """Return the names of the `agents` and of the `peers`."""


class AgentStatus(Request, tag="agent_status", frozen=True):
    """Return a `StatusRow` per participant, as `agent_statuses`, and the store's `trouble`."""


class SubscribeAgentStatus(Request, tag="subscribe_agent_status", frozen=True):
    """Stream status rows: an empty response, then one response per changed participant."""


class Urls(Request, tag="urls", frozen=True):
    """Return the addresses of the hive's web pages, as `urls`; there are none."""


class SetPaused(Request, tag="set_paused", kw_only=True, frozen=True):
    """Pause or resume an agent's mail; a paused agent runs on and receives nothing. Durable."""

    name: Name
    paused: bool


class Restart(Request, tag="restart", kw_only=True, frozen=True):
    """Stop an agent gracefully and start it again."""

    name: Name


class Start(Request, tag="start", kw_only=True, frozen=True):
    """Start agents, also those that were parked as failed."""

    scope: Scope


class Stop(Request, tag="stop", kw_only=True, frozen=True):
    """Stop agents, gracefully or at once. The desired state is durable: nothing restarts them."""

    scope: Scope
    graceful: bool = True


class Spawn(Request, tag="spawn", kw_only=True, frozen=True):
    """Create an agent and start it; give exactly one of `run` and `exec`.

    Attributes:
        name: Name of the new agent.
        run: Program and arguments that the command driver starts for each message.
        exec: Program and arguments of an agent without a harness.
        env: Environment variables of the agent.
        cwd: Working directory, an absolute path; None is the agent's state directory.
    """

    name: Name
    run: Command | None = None
    exec: Command | None = None
    env: Environment = msgspec.field(default_factory=dict)
    cwd: PathText | None = None


class Kill(Request, tag="kill", kw_only=True, frozen=True):
    """Stop an agent gracefully, as `kill` of the existing hyperhive does; with `force`, at once."""

    name: Name
    force: bool = False


class Rebuild(Request, tag="rebuild", kw_only=True, frozen=True):
    """Apply an agent's configuration: update its machine, stop it, start it."""

    name: Name


class Destroy(Request, tag="destroy", kw_only=True, frozen=True):
    """Remove an agent; `purge` also removes its files and makes its unread mail dead letters.

    With `dry_run` nothing is removed; what would be refused is refused.
    """

    name: Name
    purge: bool = False
    dry_run: bool = False


class Pending(Request, tag="pending", frozen=True):
    """Return the approvals that wait for the operator, as `approvals`; there are none."""


class Approve(Request, tag="approve", kw_only=True, frozen=True):
    """Approve one pending approval."""

    id: int
    note: Text | None = None


class Deny(Request, tag="deny", kw_only=True, frozen=True):
    """Deny one pending approval."""

    id: int
    note: Text | None = None


class RegisterPeer(Request, tag="register_peer", kw_only=True, frozen=True):
    """Register a peer: create its inbox and its socket; return the path of the `socket`.

    Attributes:
        name: Name of the peer.
        broadcast: Whether it receives broadcasts.
        description: One line for the operator.
        observe: Systemd unit or machine whose state is observed, read-only.
    """

    name: Name
    broadcast: bool = False
    description: Text | None = None
    observe: Name | None = None


class UnregisterPeer(Request, tag="unregister_peer", kw_only=True, frozen=True):
    """Remove a peer; refused while it has unread mail, unless `force`."""

    name: Name
    force: bool = False


class OperatorSend(Posting, tag="send", kw_only=True, frozen=True):
    """Store a message from the operator."""


class TraceMessage(Request, tag="trace", kw_only=True, frozen=True):
    """Return one `message` and all its `steps`."""

    id: Id


class DeadLetterFilter(Request, kw_only=True, frozen=True):
    """Filter of dead letters; each field that is given narrows it.

    Attributes:
        ids: Ids of the messages.
        inbox: Their recipient.
        sender: Their sender.
        older_than_seconds: Least seconds since they became dead letters.
    """

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=500)] | None = None
    inbox: Name | None = None
    sender: Name | None = None
    older_than_seconds: Seconds | None = None


class ListDeadLetters(DeadLetterFilter, tag="dead_letters", kw_only=True, frozen=True):
    """Return the newest `max` dead letters, newest last, as `messages`."""

    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class Replay(DeadLetterFilter, tag="replay", kw_only=True, frozen=True):
    """Make dead letters deliverable again; return their `ids`. An empty filter is an error."""


class Discard(DeadLetterFilter, tag="discard", kw_only=True, frozen=True):
    """Discard dead letters for good; return their `ids`. An empty filter is an error."""


class ResetLoop(Request, tag="reset_loop", kw_only=True, frozen=True):
    """Close the loop guard's circuit of a pair and deliver its parked messages in order.

    The response has their number, `released`.
    """

    names: Annotated[list[Name], msgspec.Meta(min_length=2, max_length=2)]


class Loops(Request, tag="loops", frozen=True):
    """Return the pairs with an open circuit, as `loops`, with the number of parked messages."""


class ChangeGroup(Request, tag="change_group", kw_only=True, frozen=True):
    """Add and remove members of a group; its address is `@name`."""

    name: Name
    add: Names = msgspec.field(default_factory=list)
    remove: Names = msgspec.field(default_factory=list)


class Groups(Request, tag="groups", frozen=True):
    """Return the members of each group, as `groups`."""


class Queues(Request, tag="queues", frozen=True):
    """Return the counts of each work queue, and the unread mail of each group's members."""


class RemoveQueue(Request, tag="remove_queue", kw_only=True, frozen=True):
    """Remove a work queue; refused while it has messages; `force` makes them dead letters."""

    name: Name
    force: bool = False


class ShowInbox(Request, tag="inbox", kw_only=True, frozen=True):
    """Return messages of an inbox, newest last, as `messages`, without leasing them.

    Attributes:
        name: Name of the participant, or `operator`.
        max: Most messages; not with `after`.
        unread: Return only unread messages; not with `after` or `follow`.
        ack: Mark the returned messages as read; only for the operator's inbox, not with `after` or
            `follow`.
        after: Cursor: return the messages after it, a page at a time, in place of the newest.
        follow: Stream messages as they arrive; each response has the `cursor` to continue from.
    """

    name: Name = "operator"
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    unread: bool = False
    ack: bool = False
    after: Cursor = 0
    follow: bool = False


class Tree(Request, tag="tree", frozen=True):
    """Return the live supervision tree, as `tree`."""


class Events(Request, tag="events", kw_only=True, frozen=True):
    """Return events, oldest first, as `events`.

    Attributes:
        max: Most events: the newest, or, with `after`, the first after the cursor.
        after: Cursor: `seq` of the last event received. With `follow`, all later events are
            returned, more than `max`.
        follow: Then stream each new event.
    """

    max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 50
    after: Cursor = 0
    follow: bool = False


class Logs(Request, tag="logs", kw_only=True, frozen=True):
    """Return the last `lines` of an agent's output; with `follow`, then stream each new line."""

    name: Name
    lines: Lines = 100
    follow: bool = False


class Search(Request, tag="search", kw_only=True, frozen=True):
    """Return the newest messages that match every field given, oldest first, as `messages`.

    Attributes:
        text: Words that the body must have, in any order and case; `*` at the end of a word matches
            any ending.
        sender: Their sender.
        inbox: Their recipient.
        thread: Id of the first message of their thread.
        since: Unix time of the earliest.
        until: Unix time before which all were sent.
        max: Most messages.
    """

    text: Text | None = None
    sender: Name | None = None
    inbox: Name | None = None
    thread: Id | None = None
    since: float | None = None
    until: float | None = None
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class Turns(Request, tag="turns", kw_only=True, frozen=True):
    """Return the newest `max` turns of an agent, oldest first, as `turns`."""

    name: Name
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20


class Watch(Request, tag="watch", kw_only=True, frozen=True):
    """Stream the newest `max` live events of a participant, then each new one, as `live`."""

    name: Name
    max: Annotated[int, msgspec.Meta(ge=0, le=200)] = 20


class CancelTurn(Request, tag="cancel_turn", kw_only=True, frozen=True):
    """Order a harness to interrupt its current turn."""

    name: Name


class NewSession(Request, tag="new_session", kw_only=True, frozen=True):
    """Order a harness to begin its next turn in a new session."""

    name: Name


class ListQuestions(Request, tag="questions", kw_only=True, frozen=True):
    """Return open questions, oldest first; with `all`, the newest questions in any state."""

    all: bool = False
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class AnswerQuestion(Request, tag="answer", kw_only=True, frozen=True):
    """Answer any question as the operator."""

    id: Id
    answer: Body


class ListLimits(Request, tag="limits", frozen=True):
    """Return the current usage limits, as `limits`."""


class ClearLimit(Request, tag="clear_limit", kw_only=True, frozen=True):
    """End the usage limit of an account; all harnesses that share it get an order."""

    account: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class StoreState(Request, tag="store", frozen=True):
    """Return whether the store is `writable`, and if not, its `trouble` and `since` when."""


class RuntimeState(Request, tag="runtime", frozen=True):
    """Return the `runtime` of agents, and how the daemon detects their exits."""


class Shutdown(Request, tag="shutdown", kw_only=True, frozen=True):
    """End the daemon; it stops its agents in reverse order, unless `keep_agents`."""

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
"""All requests of the operator's socket."""
