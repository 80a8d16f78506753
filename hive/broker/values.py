"""Values of requests and answers: moment, token, ranks, and the requests that the wire has not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from hive.store import MessageKind
from hive.store.transaction import Op
from hive.wire.agent import Posting
from hive.wire.base import Response
from hive.wire.enums import Priority

HIGH, NORMAL, LOW = -1, 0, 1
"""Ranks of messages; the lowest rank is delivered first, and within a rank the lowest id."""

RANKS = {Priority.HIGH: HIGH, Priority.NORMAL: NORMAL, Priority.LOW: LOW}
"""Rank of each priority."""

PRIORITIES = {HIGH: "high", NORMAL: None, LOW: "low"}
"""Names of the ranks on the wire; `normal` is left out."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One instant on both clocks, in seconds.

    `loop` is monotonic and decides about leases, waits and delays; `wall` is shown to people and
    stored, and decides about times of the wall clock.
    """

    loop: float
    wall: float


Token: TypeAlias = Any
"""Identifies a request to its session; the broker passes it back with the answer."""

Value: TypeAlias = "Response | dict[str, Any] | Exception"
"""An answer: a response, the fields of one, or an error."""


@frozen
class Post:
    """A message with attributes that participants cannot set by `send`.

    Attributes:
        posting: Recipients, body and options.
        kind: The kind of message.
        label: Free text that is shown with it.
        transient: Dropped unless a receiver is waiting.
    """

    posting: Posting
    kind: MessageKind = MessageKind.MESSAGE
    label: str | None = None
    transient: bool = False


def event(to: str, name: str, detail: Mapping[str, Any], *, about: str | None = None) -> Post:
    """Return a message of kind `event`, whose body is a JSON object of `event` and the detail.

    Args:
        to: The recipient.
        name: The name of the event.
        detail: Its other fields.
        about: What it is about, if a newer one about the same replaces it while it is unread.
    """
    body = json.dumps({"event": name, **detail})
    key = None if about is None else f"{name}:{about}"
    return Post(Posting(to=to, body=body, supersede_key=key), MessageKind.EVENT)


@frozen
class Notify:
    """Send a notice of the daemon, now or later; see `hive.broker.notices`."""

    post: Post


@frozen
class PostWith:
    """Send a message of the daemon, and write something else in the same transaction.

    Attributes:
        post: The message.
        also: What else is written; it must not fail by itself.
    """

    post: Post
    also: Op[object]


@frozen
class MarkRead:
    """Ack messages that were read without a lease; answered with their number as `count`."""

    name: str
    ids: tuple[int, ...]


@frozen
class RenameInbox:
    """Rename an inbox; see `hive.broker.inbox_renaming`.

    Attributes:
        old: The name before.
        new: The name afterwards.
        also: What else is written with it: the rows of the participant. Its value is all groups.
    """

    old: str
    new: str
    also: Op[Mapping[str, frozenset[str]]]


@frozen
class RemoveInbox:
    """Remove a participant.

    If it has unread messages, they stay for its return with `force`, become dead letters with
    `purge`, and otherwise the request is refused.
    """

    name: str
    force: bool = False
    purge: bool = False
