"""Values of requests and answers: moment, token, ranks, and the requests that the wire has not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from hive.store import MessageKind
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

    `loop` is monotonic and decides about leases and waits; `wall` is shown to people, stored, and
    decides when a deferred message is due.
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


def event(to: str, name: str, detail: Mapping[str, Any]) -> Post:
    """Return a message of kind `event`, whose body is a JSON object of `event` and the detail."""
    body = json.dumps({"event": name, **detail})
    return Post(Posting(to=to, body=body), MessageKind.EVENT)


@frozen
class MarkRead:
    """Ack messages that were read without a lease; answered with their number as `count`."""

    name: str
    ids: tuple[int, ...]


@frozen
class RemoveInbox:
    """Remove a participant.

    If it has unread messages, they stay for its return with `force`, become dead letters with
    `purge`, and otherwise the request is refused.
    """

    name: str
    force: bool = False
    purge: bool = False
