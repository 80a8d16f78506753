"""What goes into the broker and what comes out of it."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from hive.store import MessageKind
from hive.wire.agent import Posting
from hive.wire.base import Response


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One instant on both clocks, in seconds.

    `loop` is monotonic and decides about leases and waits; `wall` is shown to people, kept on disk,
    and decides when a delayed message is due.
    """

    loop: float
    wall: float


Token: TypeAlias = Any
"""What a session knows one of its requests by: the broker gives it back with the answer."""

Value: TypeAlias = "Response | dict[str, Any] | Exception"
"""An answer: the response, the fields of one, or why there is none."""


@frozen
class Post:
    """A message that is more than a participant may say of one.

    Attributes:
        posting: Whom it is for, what it says, and when.
        kind: Why it is sent.
        label: A free word that is shown with it.
        transient: It only rings: it is not kept when nobody waits for mail at that moment.
    """

    posting: Posting
    kind: MessageKind = MessageKind.MESSAGE
    label: str | None = None
    transient: bool = False


@frozen
class MarkRead:
    """End messages that were read without a lease; answers `count`."""

    name: str
    ids: tuple[int, ...]


@frozen
class RemoveInbox:
    """Take a participant out of the routing.

    Unread mail stays for its return, or is dead with `purge`; with neither that nor `force` it is a
    reason to refuse.
    """

    name: str
    force: bool = False
    purge: bool = False


@frozen
class Stale:
    """A message that could not be acked or given back.

    Attributes:
        id: Which one.
        why: What happened to it; None when it is not in memory and the disk must be asked.
    """

    id: int
    why: str | None
