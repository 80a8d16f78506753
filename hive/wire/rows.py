"""What responses carry: status rows, messages, events.

Field order is the order on the wire. `None` means absent: such fields are left out. That is done
while msgspec encodes, which leaves out whatever equals its default; so the only plain default of a
row is None, and any other is made by `shown`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from hive.wire.base import Response

T = TypeVar("T")


def shown(empty: Callable[[], T]) -> T:
    """Return the default `empty()` for a field that is on the wire even if it has that value.

    msgspec leaves out what the factories `list` and `dict` have made, but not what others have.
    """
    made: T = msgspec.field(default_factory=partial(empty))
    return made


class Row(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A group of response fields; readers ignore fields that they do not know."""


class StatusRow(Row, frozen=True, kw_only=True):
    """One participant as `agent_status` shows it.

    The first thirteen fields, in this order, are those of the existing host socket; the flags are
    independent of each other. The rest is ours. Times are RFC 3339 in UTC.
    """

    name: str
    running: bool
    failed: bool
    needs_update: bool
    needs_login: bool
    deployed_sha: str | None = None
    pending_reminders: int = shown(int)
    paused: bool = shown(bool)
    parent: str | None = None
    active_model: str | None = None
    status_text: str | None = None
    status_set_at: str | None = None
    url: str | None = None
    kind: str
    state: str
    since: str | None = None
    restarts: int | None = None
    unread: int = shown(int)
    last_seen: str | None = None
    connected: bool = shown(bool)
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


class Delivery(Row, frozen=True, rename={"sender": "from"}):
    """A message that is leased to whoever asked for it.

    Attributes:
        attempt: 1 for the first delivery; deferring does not count.
        redelivered: Whether some client may have had it before.
        lease: Fences acks: after the lease was lost, an ack that names it is refused.
        kind: What its sender is ("agent", "peer", "operator", "system", …).
        label: What rang, for a message that a script put in by `wake`.
        thread: The first message of the conversation; None if it is that itself.
        priority: "low" or "high"; None for the usual one.
        type: What the message is, beside plain mail: "question", "answer", "reminder",
            "broadcast", "event" or "wake"; None for plain mail. A question is answered by its id.
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
    """The answer to `recv`."""

    ok: bool
    messages: list[Delivery]


class SkippedRow(Row, frozen=True, kw_only=True):
    """An inbox that a broadcast could not reach."""

    name: str
    reason: str


class Stored(Response):
    """The answer to `send`."""

    ok: bool
    id: int | msgspec.UnsetType
    recipients: Sequence[str]
    duplicate: bool = False
    parked: str | None = None
    skipped: list[SkippedRow] = msgspec.field(default_factory=list)


class InboxRow(Row, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message as `inbox` and `recent` show it: nothing is leased by looking."""

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


class Verified(Row, frozen=True, kw_only=True, rename={"sender": "from"}):
    """What the hive itself knows of a message's origin.

    Attributes:
        socket: The socket that it came in through; None for the daemon's own messages.
        uid: The user at the other end, as the kernel told it.
        pid: The process at the other end, at the time it connected.
        operator_verified: Whether it came in through the operator's socket.
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
        id: Its number, which is that of the message that carries it.
        asker: Who asked.
        to: Whom it was put to.
        options: Proposals; free text is always allowed.
        multi: Whether several options may be chosen.
        state: "open", "held", "escalated", "answered", "expired" or "cancelled".
        age_seconds: How long ago it was asked.
        on_expiry: What happens when nobody answers in time.
        expires_at: When that is; None for never.
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
    """A reminder that is still to come.

    Attributes:
        id: Its number, which is that of the message that it will be.
        age_seconds: How long ago it was set.
        due_at: When it will be delivered.
    """

    id: int
    message: str
    set_at: str
    age_seconds: float
    due_at: str


class TurnRow(Row, frozen=True, kw_only=True):
    """A finished turn of an agent."""

    id: int
    name: str
    started_at: str
    ended_at: str
    seconds: float
    wake: str
    outcome: str
    model: str | None = None
    messages: list[int]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float | None = None
    tools: dict[str, int]
    note: str | None = None


class LiveRow(Row, frozen=True, kw_only=True):
    """Something that just happened in a turn."""

    at: str
    kind: str
    text: str


class LimitRow(Row, frozen=True, kw_only=True):
    """An account that is used up until a time."""

    account: str
    until: str
    since: str
    reason: str
    reported_by: str
    names: list[str]


class StepRow(Row, frozen=True, kw_only=True):
    """One step of a message's life."""

    step: str
    at: str
    attempt: int | None = None
    session: str | None = None
    reason: str | None = None


class ReceiptRow(Row, frozen=True, kw_only=True):
    """What became of a message, for its sender."""

    id: int
    to: str
    state: str
    steps: list[StepRow]


class Identity(Row, frozen=True):
    """Who the daemon takes a client for."""

    name: str
    kind: str
    host: str | None = None


class WhoRow(Row, frozen=True, kw_only=True):
    """A participant as other participants see it."""

    name: str
    kind: str
    connected: bool
    last_seen: str | None = None
    status_text: str | None = None
    activity: str | None = None


class EventRow(Row, frozen=True, kw_only=True):
    """Something that happened, in the order of `seq`."""

    seq: int
    at: str
    event: str
    name: str | None = None
    detail: dict[str, Any] = shown(dict)


class TreeRow(Row, frozen=True, kw_only=True):
    """A node of the supervision tree with everything below it."""

    path: str
    kind: str
    state: str
    restarts: int = shown(int)
    mailbox: int = shown(int)
    current: str | None = None
    current_seconds: float | None = None
    last_exit: str | None = None
    children: list[TreeRow] = shown(list)
