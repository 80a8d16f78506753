"""The contents of responses: status rows, messages, questions, turns, events.

The order of fields is their order on the wire. Times are RFC 3339 in UTC. A field that is None is
omitted: msgspec omits a field that equals its default, so None is the only plain default of a row,
and any other default comes from `encoded_default`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from hive.wire.base import Response

T = TypeVar("T")


def encoded_default(empty: Callable[[], T]) -> T:
    """Return a field with the default `empty()` that is encoded even with that value.

    msgspec omits the defaults of the factories `list` and `dict`, but not those of other factories.
    """
    made: T = msgspec.field(default_factory=partial(empty))
    return made


class Row(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """An object in a response; readers ignore unknown fields."""


class StatusRow(Row, frozen=True, kw_only=True):
    """The status of one participant.

    The first thirteen fields, in this order, are those of the existing host socket; its flags are
    independent of each other.

    Attributes:
        name: Name of the participant.
        running: Whether the agent's machine runs; of a peer, whether it is connected or its
            observed unit is active.
        failed: Whether its supervisor has parked it, its restart budget spent.
        needs_update: Whether its container runs with another manifest than the present one.
        needs_login: Whether its activity is `needs_login`.
        deployed_sha: The commit that its manifest comes from.
        pending_reminders: Number of its pending reminders.
        paused: Whether the agent's mail is paused.
        frozen_since: Time since which the agent is frozen by `estop`; absent unless it is.
        parent: The manager's name, for agents of a hive with one.
        active_model: Model in use, as its harness reports it.
        status_text: Its own status line.
        status_set_at: Time of that line.
        url: Address of its page of the dashboard; absent unless `url` of [web] is set.
        kind: "manager", "agent" or "peer".
        state: "queued", "starting", "running", "stopping", "stopped", "backoff", "failed", "ended",
            "stray"; for peers "connected" or "away".
        since: Begin of the state.
        restarts: Number of its automatic restarts; of an observed peer, those by systemd.
        unread: Number of unacked messages of its inbox.
        last_seen: Time of its last sign of life: a request, a receiver that waits now, or the end
            of a connection.
        connected: Whether a harness is connected.
        reason: Reason of the state, or of a pause by the loop guard.
        source: Origin of the state: the machine's source, "hive", "socket" or "systemd".
        next_restart_at: Time of the next restart.
        restart_delays: Back-off delays in seconds, by number of the restart.
        pid: Process id of the agent's main process.
        last_lines: Last lines of output before its last exit.
        last_end: Cause of its last exit.
        last_end_at: Time of its last exit.
        last_result: Systemd's `Result=` of its last exit.
        observed: Observed state of a peer's unit or machine.
        activity: An `ActivityState` that its harness reports, or "unknown".
        activity_since: Begin of the activity.
        activity_about: Subject or reason of the activity.
        activity_until: Expected end of the activity.
        activity_at: Time of the report.
        session: Session in use, as reported.
        account: Fingerprint of the credential, as reported.
        conflict: Why hive.toml contradicts it, and the ways out.
        differs: The keys by which the manifest differs from the one that its container runs with,
            each as `key: before -> after`.
        project: The project that an agent works on.
        description: What it is, in the operator's words.
        tier: How much it concerns the operator, see `hive.status.tiers`: "waiting", "failed",
            "idle", "unknown", "running" or "stopped", in this order.
        tier_since: Time since which that is so.
        unread_since: Time at which its oldest unacked message was sent.
        turn_since: Begin of its turn, as reported; absent between turns.
        context_fill: Fill of the model's context, from 0 to 1, as reported.
        context_at: Time at which that was measured.
        active_effort: Effort of the model, as its harness reports it; "default" for its own.
        chosen_model: The model that an operator has chosen, in any state of the agent.
        chosen_effort: The effort that an operator has chosen, in any state of the agent.
        tokens_today: Tokens of the turns that ended since midnight on this host: input, output, and
            those of the cache; absent until a turn reports some.
        cost_today_usd: Cost of these turns in US dollars; absent if no cost was reported.
        memory_bytes: Memory of its container's control group, or of its processes.
        cpu_percent: Processor time that they used between the last two samples, in per cent of one
            processor.
        resources_at: Time of the last sample.
        cause: Why it has ended or failed, in words: the last meaningful line that it printed.
        verdict: "stalled", "no_outcome" or "login_loop", see `hive.participants.verdicts`.
        verdict_since: Time since which the verdict holds.
        verdict_source: What it is concluded from.
        pinned: Whether the operator has pinned it; absent unless it is.
        archived: Whether the operator has archived it; absent unless it is.
        snoozed_until: When the operator's snooze of it ends; absent without one.
        harness_version: Version of hyperhive of its connected harness, as that says.
    """

    name: str
    running: bool
    failed: bool
    needs_update: bool
    needs_login: bool
    deployed_sha: str | None = None
    pending_reminders: int = encoded_default(int)
    paused: bool = encoded_default(bool)
    parent: str | None = None
    active_model: str | None = None
    status_text: str | None = None
    status_set_at: str | None = None
    url: str | None = None
    kind: str
    state: str
    since: str | None = None
    restarts: int | None = None
    unread: int = encoded_default(int)
    last_seen: str | None = None
    connected: bool = encoded_default(bool)
    reason: str | None = None
    source: str | None = None
    next_restart_at: str | None = None
    restart_delays: list[float] | None = None
    pid: int | None = None
    last_lines: list[str] | None = None
    last_end: str | None = None
    last_end_at: str | None = None
    last_result: str | None = None
    observed: str | None = None
    activity: str | None = None
    activity_since: str | None = None
    activity_about: str | None = None
    activity_until: str | None = None
    activity_at: str | None = None
    session: str | None = None
    account: str | None = None
    differs: Sequence[str] | None = None
    conflict: str | None = None
    project: str | None = None
    description: str | None = None
    frozen_since: str | None = None
    tier: str | None = None
    tier_since: str | None = None
    unread_since: str | None = None
    turn_since: str | None = None
    context_fill: float | None = None
    context_at: str | None = None
    active_effort: str | None = None
    chosen_model: str | None = None
    chosen_effort: str | None = None
    tokens_today: int | None = None
    cost_today_usd: float | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    resources_at: str | None = None
    cause: str | None = None
    verdict: str | None = None
    verdict_since: str | None = None
    verdict_source: str | None = None
    pinned: bool | None = None
    archived: bool | None = None
    snoozed_until: str | None = None
    harness_version: str | None = None


class FreezeRow(Row, frozen=True):
    """What became of an agent by `estop` or `thaw`.

    Attributes:
        name: The agent.
        changed: Whether it was not frozen before `estop`, or was let go on by `thaw`.
        state: Why nothing of it ran; absent if it runs.
        error: Why it is not wholly frozen, or not let go on; absent if it is.
    """

    name: str
    changed: bool
    state: str | None = None
    error: str | None = None


class DrainRow(Row, frozen=True):
    """What became of an agent by `drain`.

    Attributes:
        name: The agent.
        changed: Whether it was paused by this, and not before.
        working: What it still works on; absent if it works on nothing.
    """

    name: str
    changed: bool
    working: str | None = None


class Delivery(Row, frozen=True, rename={"sender": "from"}):
    """A message that is leased to the receiver.

    Attributes:
        id: Id of the message.
        sender: Name of its sender, `from` on the wire.
        body: Its text.
        sent_at: Time at which it was stored.
        attempt: 1 for the first delivery; a `defer` does not count.
        redelivered: Whether a client may have received it before.
        lease: Fence of acks: once the lease is lost, an ack with it is refused.
        kind: Kind of the sender: "manager", "agent", "peer", "operator" or "system".
        in_reply_to: Id of the message that it answers.
        label: Label of a message from `wake`.
        thread: Id of the first message of its thread; None for that message itself.
        priority: "low" or "high"; None for normal.
        type: "question", "answer", "reminder", "broadcast", "event" or "wake"; None for plain mail.
            A question is answered by its id.
    """

    id: int
    sender: str
    body: str
    sent_at: str
    attempt: int
    redelivered: bool
    lease: str
    kind: str
    in_reply_to: int | None = None
    label: str | None = None
    thread: int | None = None
    priority: str | None = None
    type: str | None = None


class Received(Response):
    """The response to `recv`; `messages` is empty when the wait is over."""

    ok: bool
    messages: list[Delivery]


class SkippedRow(Row, frozen=True, kw_only=True):
    """An inbox that a message to several recipients skipped.

    Attributes:
        name: Name of the inbox.
        reason: Why it got no copy.
    """

    name: str
    reason: str


class Stored(Response):
    """The response to `send` and `wake`.

    Attributes:
        ok: Always True.
        id: Id of the first message stored; unset if none was. The copies for several recipients
            have the ids that follow, in the order of `recipients`.
        recipients: Names of the inboxes that store the message.
        duplicate: Whether the dedupe key was a repeat.
        parked: Reason why the loop guard parked the message.
        skipped: Inboxes of a broadcast or group without room, or not seen for long.
    """

    ok: bool
    id: int | msgspec.UnsetType
    recipients: Sequence[str]
    duplicate: bool = False
    parked: str | None = None
    skipped: list[SkippedRow] = msgspec.field(default_factory=list)


class InboxRow(Row, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message of an inbox, not leased to the reader.

    Attributes:
        id: Id of the message.
        sender: Name of its sender, `from` on the wire.
        to: Name of its inbox.
        body: Its text.
        sent_at: Time at which it was stored.
        state: "stored", "leased", "parked", "acked", "expired" or "dead".
        attempt: Number of counted deliveries.
        kind: Kind of the sender, as in `Delivery`.
        in_reply_to: Id of the message that it answers.
        label: Label of a message from `wake`.
        reason: Reason of its state.
        thread: Id of the first message of its thread; None for that message itself.
        priority: "low" or "high"; None for normal.
        not_before: Time before which it is not delivered.
        expires_at: Time at which it expires undelivered.
        ended_at: Time at which it was acked, expired or became a dead letter.
        type: Type of the message, as in `Delivery`.
        body_length: Characters of the whole body, if `body` is only its beginning.
    """

    id: int
    sender: str
    to: str
    body: str
    sent_at: str
    state: str
    attempt: int
    kind: str
    in_reply_to: int | None = None
    label: str | None = None
    reason: str | None = None
    thread: int | None = None
    priority: str | None = None
    not_before: str | None = None
    expires_at: str | None = None
    ended_at: str | None = None
    type: str | None = None
    body_length: int | None = None


class AnswerRow(Row, frozen=True, kw_only=True):
    """The end of the wait for the answer to a message.

    Attributes:
        id: Id of the message.
        to: Its recipient.
        state: "answered"; without an answer "acked", "expired", "dead", or "removed": the recipient
            is no participant any more.
        answer: The answer.
        reason: Why there is none.
    """

    id: int
    to: str
    state: str
    answer: InboxRow | None = None
    reason: str | None = None


class HindranceRow(Row, frozen=True, kw_only=True):
    """Why a message is not worked on at present, although an answer may still come.

    Attributes:
        id: Id of the message.
        to: Its recipient.
        what: The reason, with a remedy.
    """

    id: int
    to: str
    what: str


class Verified(Row, frozen=True, kw_only=True, rename={"sender": "from"}):
    """The origin of a message, as the daemon recorded it.

    Attributes:
        id: Id of the message.
        sender: Name of its sender, `from` on the wire.
        kind: Kind of the sender, as in `Delivery`.
        sent_at: Time at which it was stored.
        socket: Path of the socket that it arrived on; None for the daemon's own messages.
        uid: User id of the client, from the peer credentials.
        pid: Process id of the client when it connected, from the peer credentials.
        operator_verified: Whether it arrived on the operator's socket.
    """

    id: int
    sender: str
    kind: str
    sent_at: str
    socket: str | None = None
    uid: int | None = None
    pid: int | None = None
    operator_verified: bool


class QuestionRow(Row, frozen=True, kw_only=True):
    """A question.

    Attributes:
        id: Id of the question and of its message.
        asker: Participant that asked.
        to: Its addressee.
        question: Its text.
        options: Proposed answers; free text is always allowed.
        multi: Whether several options may be chosen.
        state: "open", "held", "escalated", "answered", "expired" or "cancelled".
        asked_at: Time of the question.
        age_seconds: Seconds since then.
        on_expiry: An `OnExpiry`, the action without an answer in time.
        expires_at: Time of that action; None for never.
        answer: The answer.
        answered_by: Participant that answered.
        ended_at: Time at which it was answered, expired or cancelled.
    """

    id: int
    asker: str
    to: str
    question: str
    options: list[str]
    multi: bool
    state: str
    asked_at: str
    age_seconds: float
    on_expiry: str
    expires_at: str | None = None
    answer: str | None = None
    answered_by: str | None = None
    ended_at: str | None = None


class ReminderRow(Row, frozen=True, kw_only=True):
    """A pending reminder.

    Attributes:
        id: Id of the reminder and of its message.
        message: Its text.
        set_at: Time at which it was set.
        age_seconds: Seconds since then.
        due_at: Time of its delivery.
    """

    id: int
    message: str
    set_at: str
    age_seconds: float
    due_at: str


class StepRow(Row, frozen=True, kw_only=True):
    """One receipt of a message.

    Attributes:
        step: "stored", "leased", "in_turn", "nacked", "returned", "parked", "released", "replayed",
            "acked", "expired", "dead", or "omitted" in place of steps that are not kept.
        at: Time of the step.
        attempt: Number of the delivery that it belongs to.
        session: Session that held the message: name of its participant, '/', and its number.
        reason: Its reason.
    """

    step: str
    at: str
    attempt: int | None = None
    session: str | None = None
    reason: str | None = None


class ReceiptRow(Row, frozen=True, kw_only=True):
    """The state and all receipts of a message, for its sender.

    Attributes:
        id: Id of the message.
        to: Its recipient.
        state: Its state, as in `InboxRow`.
        steps: Its receipts, oldest first.
        hindrance: Why its recipient works on no mail at present, as a sentence; None if it may, or
            if the message has ended.
    """

    id: int
    to: str
    state: str
    steps: list[StepRow]
    hindrance: str | None = None


class Identity(Row, frozen=True):
    """The participant of a socket.

    Attributes:
        name: Its name.
        kind: "manager", "agent" or "peer".
        host: Name of its host.
        capabilities: What the hive can carry out, see `hive.wire.enums.Capability`; only for the
            manager, and None from a daemon that does not say so.
    """

    name: str
    kind: str
    host: str | None = None
    capabilities: list[str] | None = None


class WhoRow(Row, frozen=True, kw_only=True):
    """A participant, for other participants.

    Attributes:
        name: Its name.
        kind: "manager", "agent" or "peer".
        connected: Whether a harness is connected.
        last_seen: Time of its last sign of life: a request, or the end of a connection.
        status_text: Its own status line.
        activity: An `ActivityState`, or "unknown".
        description: What it is, in the operator's words, cut.
    """

    name: str
    kind: str
    connected: bool
    last_seen: str | None = None
    status_text: str | None = None
    activity: str | None = None
    description: str | None = None


class EventRow(Row, frozen=True, kw_only=True):
    """An event of the event log.

    Attributes:
        seq: Number of the event, in their order.
        at: Time of the event.
        event: An `EventKind`.
        name: Participant that it is about.
        detail: Further facts, by the kind of event.
    """

    seq: int
    at: str
    event: str
    name: str | None = None
    detail: dict[str, Any] = encoded_default(dict)


class TreeRow(Row, frozen=True, kw_only=True):
    """A node of the supervision tree, with all nodes below it.

    Attributes:
        path: Path of names from the root.
        kind: Kind of the actor.
        state: Its phase, or the state of the child; "queued" for an agent whose start waits.
        restarts: Number of its restarts.
        mailbox: Messages in its mailbox.
        current: Type of the message that it handles now.
        current_seconds: Seconds since it began with that message.
        last_exit: Reason of its last exit.
        children: The nodes below it.
    """

    path: str
    kind: str
    state: str
    restarts: int = encoded_default(int)
    mailbox: int = encoded_default(int)
    current: str | None = None
    current_seconds: float | None = None
    last_exit: str | None = None
    children: list[TreeRow] = encoded_default(list)
