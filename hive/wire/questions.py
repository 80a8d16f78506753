"""The verbs by which participants ask, answer, remind themselves, and see what is open."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import Id, Lifetime, Name, Request, Seconds, UnixTime
from hive.wire.enums import LooseEnd, OnExpiry

OPTIONS_MAX = 20
"""Most options of one question."""

Option = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Ask(Request, tag="ask", kw_only=True, frozen=True):
    """Put a question into somebody's inbox and go on; the answer comes as a message.

    `options` are proposals, free text is always allowed; with `multi`, several may be chosen.
    Without `ttl_seconds` it stays open until it is answered or cancelled.
    """

    question: Annotated[str, msgspec.Meta(min_length=1)]
    options: Annotated[list[Option], msgspec.Meta(max_length=OPTIONS_MAX)] = msgspec.field(
        default_factory=list
    )
    multi: bool = False
    to: Name | None = None
    ttl_seconds: Lifetime | None = None
    on_expiry: OnExpiry = OnExpiry.DENY


class Answer(Request, tag="answer", kw_only=True, frozen=True):
    """Answer a question. Only whom it was put to may, and the operator."""

    id: Id
    answer: str


class Remind(Request, tag="remind", kw_only=True, frozen=True):
    """Leave a message for oneself, delivered after a delay or at a Unix time; one of the two."""

    message: Annotated[str, msgspec.Meta(min_length=1)]
    delay_seconds: Seconds | None = None
    at_unix_timestamp: UnixTime | None = None

    def __post_init__(self) -> None:
        """Refuse a reminder without a time, or with two."""
        if (self.delay_seconds is None) == (self.at_unix_timestamp is None):
            raise ValueError("give one of 'delay_seconds' and 'at_unix_timestamp'")


class ListLooseEnds(Request, tag="loose_ends", frozen=True):
    """Show the questions that are open, in both directions, and the reminders to come."""


class Cancel(Request, tag="cancel", kw_only=True, frozen=True):
    """Take back one's own reminder, question, or message; a message only while nobody has it."""

    kind: LooseEnd
    id: Id
