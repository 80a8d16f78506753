"""The requests of the operator's socket, `host.sock`.

Those from `list` to `destroy` are compatible, line by line, with version 1 of the host socket of
the existing hyperhive. A lifecycle verb is answered when the agent has reached the state, or with
an error.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.agent import Posting
from hive.wire.attach import Attach, OpenShell
from hive.wire.attention import AttentionRequest
from hive.wire.base import (
    Body,
    Cursor,
    Id,
    Lifetime,
    Lines,
    Name,
    PathText,
    Request,
    Seconds,
    Text,
    UnixTime,
)
from hive.wire.change_requests import ChangeRequest
from hive.wire.enums import EventKind, StoredState
from hive.wire.metric_rows import ShowMetrics
from hive.wire.overview_rows import ShowOverview
from hive.wire.schedules import ScheduleRequest
from hive.wire.timeline_rows import Timeline
from hive.wire.turn_rows import ChooseModel
from hive.wire.web_requests import WebRequest

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


ManifestText = Annotated[str, msgspec.Meta(max_length=1 << 16)]
"""The text of an `agent.toml`, in characters."""


class Scope(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The agents that a verb applies to; an empty scope is an error, it never means all agents.

    The flags are classes of version 1. Its clients send them as false; true is refused.
    """

    agent_names: Names = msgspec.field(default_factory=list)
    agents: bool = False
    ci: bool = False
    forge: bool = False
    gateway: bool = False
    matrix: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes whose flag is true."""
        flags = ("agents", "ci", "forge", "gateway", "matrix")
        return tuple(name for name in flags if getattr(self, name))


class ListAgents(Request, tag="list", frozen=True):
    """Return the names of `agents` and `peers`, the `projects` by agent, all `descriptions`.

    By name, `conflicts` says why hive.toml contradicts a participant, and what to do. `strays`
    names the agents whose container runs although it should not, `queued` those whose start waits.
    """


class AgentStatus(Request, tag="agent_status", frozen=True):
    """Return a `StatusRow` per participant, as `agent_statuses`.

    `trouble` says why the store takes no writes; `stopping`, while the daemon stops, how far it is;
    `daemon_version`, of which version of hyperhive it is.
    """


class SubscribeAgentStatus(Request, tag="subscribe_agent_status", frozen=True):
    """Stream status rows: an empty response, then one response per changed participant."""


class SetPaused(Request, tag="set_paused", kw_only=True, frozen=True):
    """Pause or resume an agent's mail; a paused agent runs on and receives nothing. Durable.

    The answer has `changed`, which is false, if the agent was that way before.
    """

    name: Name
    paused: bool


class Estop(Request, tag="estop", kw_only=True, frozen=True):
    """Freeze agents at once, those named or all: nothing of them runs until `thaw`. Durable.

    They get no mail and are not started, and their leases do not expire; peers go on. Returns a
    `FreezeRow` for each, as `agents`.
    """

    names: Names = msgspec.field(default_factory=list)


class Thaw(Request, tag="thaw", kw_only=True, frozen=True):
    """Let frozen agents go on, those named or all, with leases extended by the frozen time.

    Returns a `FreezeRow` for each, as `agents`; without names, for each that was frozen.
    """

    names: Names = msgspec.field(default_factory=list)


class Drain(Request, tag="drain", kw_only=True, frozen=True):
    """Pause agents, those named or all, and wait until they work on nothing, at most so long.

    Returns a `DrainRow` for each, as `agents`. They stay paused until `set_paused`.
    """

    names: Names = msgspec.field(default_factory=list)
    wait_seconds: Seconds = 0.0


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
    """Create an agent and start it.

    Its manifest is `manifest`, or a copy of that of `template`; without both, a `driver` or exactly
    one of `run` and `exec` is needed. What is given besides replaces those keys of the manifest.
    With `dry_run` nothing is created, and the `manifest` is returned.

    Attributes:
        name: Name of the new agent.
        run: Program and arguments that the command driver starts for each message.
        exec: Program and arguments of an agent without a harness.
        env: Environment variables of the agent.
        cwd: Working directory, an absolute path; None is the agent's state directory.
        driver: Name of the driver of its harness.
        time_limit: Longest time for one message, in seconds.
        description: What it is, one line for the operator and the other participants.
        manifest: The text of an `agent.toml`.
        manifest_path: Its path, which errors name and where its relative paths begin.
        template: An agent whose manifest is copied.
        dry_run: Only check, and return the manifest.
    """

    name: Name
    run: Command | None = None
    exec: Command | None = None
    env: Environment = msgspec.field(default_factory=dict)
    cwd: PathText | None = None
    driver: Name | None = None
    time_limit: Lifetime | None = None
    description: Text | None = None
    manifest: ManifestText | None = None
    manifest_path: PathText | None = None
    template: Name | None = None
    dry_run: bool = False


class CheckNames(Request, tag="check_names", kw_only=True, frozen=True):
    """Check that a verb can act on each of these names, as each would be checked; change nothing.

    The error names all that it cannot act on.

    Attributes:
        names: The names.
        orders: Whether the verb gives a control order to a harness, which must be connected then.
            Otherwise the names must be those of agents.
    """

    names: Names
    orders: bool = False


class Kill(Request, tag="kill", kw_only=True, frozen=True):
    """Stop an agent gracefully, as `kill` of the existing hyperhive does; with `force`, at once."""

    name: Name
    force: bool = False


class Rebuild(Request, tag="rebuild", kw_only=True, frozen=True):
    """Apply an agent's configuration: update its machine, stop it, start it."""

    name: Name


class Destroy(Request, tag="destroy", kw_only=True, frozen=True):
    """Remove an agent; `purge` also removes its files and its mail, dead letters too.

    With `dry_run` nothing is removed; what would be refused is refused. The answer has as `advice`
    what is to be changed in hive.toml, if that still has a table of it.
    """

    name: Name
    purge: bool = False
    dry_run: bool = False


class RegisterPeer(Request, tag="register_peer", kw_only=True, frozen=True):
    """Register a peer: create its inbox and its socket; return the path of the `socket`.

    The answer has as `advice` what is to be changed in hive.toml, if that says otherwise.
    Of a peer that exists, a setting that is left out stays, and the socket gets the group that its
    directory has now.

    Attributes:
        name: Name of the peer.
        broadcast: Whether it receives broadcasts.
        description: One line for the operator.
        observe: Systemd unit or machine whose state is observed, read-only; empty for none.
    """

    name: Name
    broadcast: bool | None = None
    description: Text | None = None
    observe: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class UnregisterPeer(Request, tag="unregister_peer", kw_only=True, frozen=True):
    """Remove a peer; refused while it has unread mail, unless `force`. `advice` as of `destroy`."""

    name: Name
    force: bool = False


class OperatorSend(Posting, tag="send", kw_only=True, frozen=True):
    """Store a message from the operator."""


class TraceMessage(Request, tag="trace", kw_only=True, frozen=True):
    """Return one `message`, all its `steps`, and what else concerns it, as `around`.

    These `TimelineRow`s are the turns that it was given to, the events about it, and those that say
    whether its recipient could get it meanwhile.
    """

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
    """Return the newest `max` dead letters, newest last, as `messages`.

    Attributes:
        before: Only those with a smaller id: that of the first one gives the page before.
    """

    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    before: Id | None = None


class Replay(DeadLetterFilter, tag="replay", kw_only=True, frozen=True):
    """Make dead letters deliverable again; return their `ids`. An empty filter is an error."""


class Discard(DeadLetterFilter, tag="discard", kw_only=True, frozen=True):
    """Discard messages for good; return their `ids`. An empty filter is an error.

    `states` and `reason` are no filter. The age of a message counts from when it was sent, that of
    a dead letter from when it became one.

    Attributes:
        states: States of the messages. None is every state if `ids` are given, else dead letters.
        reason: In the notices to the senders.
    """

    states: Annotated[list[StoredState], msgspec.Meta(min_length=1, max_length=5)] | None = None
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=400)] | None = None


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
    """Return the counts of each work queue, and the unread mail of each group's members.

    `turns` has the `limit` of turns that run at once (null without one), how many are `running`,
    and the agents that are `waiting` for one, the longest wait first.
    """


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


class Answers(Request, tag="answers", kw_only=True, frozen=True):
    """Return what became of messages that the operator sent, as `answers` and `hindrances`.

    `answers` has an `AnswerRow` for each message that has an answer, or ended without one;
    `hindrances` a `HindranceRow` for each other that is not worked on at present.

    Attributes:
        ids: Ids of the messages.
        follow: Stream it: each response has what is new, until all messages are in `answers`.
    """

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=1000)]
    follow: bool = False


class Tree(Request, tag="tree", frozen=True):
    """Return the live supervision tree, as `tree`."""


class Events(Request, tag="events", kw_only=True, frozen=True):
    """Return events, oldest first, as `events`.

    Attributes:
        max: Most events: the newest, or, with `after` or `since`, the first of those.
        after: Cursor: `seq` of the last event received. With `follow`, all later events are
            returned, more than `max`.
        since: Unix time of the earliest; as `after`, from there.
        before: Only those with a smaller `seq`: that of the first event gives the page before.
        kinds: Their kinds; absent for all.
        name: The participant that they are about.
        follow: Then stream each new event.
    """

    max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 50
    after: Cursor = 0
    since: UnixTime | None = None
    kinds: Annotated[list[EventKind], msgspec.Meta(min_length=1, max_length=100)] | None = None
    name: Name | None = None
    follow: bool = False
    before: Id | None = None

    def __post_init__(self) -> None:
        """Refuse to wait for new events among those of the past."""
        if self.before is not None and self.follow:
            raise ValueError("'before' is of the past; leave out 'follow'")


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
        before: Only those with a smaller id: that of the first one gives the page before.
    """

    text: Text | None = None
    sender: Name | None = None
    inbox: Name | None = None
    thread: Id | None = None
    since: float | None = None
    until: float | None = None
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    before: Id | None = None


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
    """Return whether the store is `writable`, and if not, its `trouble` and `since` when.

    `shortage` says why only the operator can store something: too little free space.
    """


class RuntimeState(Request, tag="runtime", frozen=True):
    """Return the `runtime` of agents, and how the daemon detects their exits."""


class Shutdown(Request, tag="shutdown", kw_only=True, frozen=True):
    """End the daemon; it stops all its agents first, at once, unless `keep_agents`.

    The response comes before the daemon has ended. Does nothing if the daemon stops already.
    """

    keep_agents: bool = False


HostRequest = (
    ListAgents
    | AgentStatus
    | SubscribeAgentStatus
    | WebRequest
    | SetPaused
    | Estop
    | Thaw
    | Drain
    | Attach
    | OpenShell
    | Restart
    | Start
    | Stop
    | Spawn
    | CheckNames
    | Kill
    | Rebuild
    | Destroy
    | ChangeRequest
    | ScheduleRequest
    | AttentionRequest
    | RegisterPeer
    | UnregisterPeer
    | OperatorSend
    | TraceMessage
    | Timeline
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
    | Answers
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
    | ChooseModel
    | ListQuestions
    | AnswerQuestion
    | ListLimits
    | ClearLimit
    | ShowMetrics
    | ShowOverview
)
"""All requests of the operator's socket."""
