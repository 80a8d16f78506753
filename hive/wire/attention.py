"""Requests and rows about what needs the operator's attention."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from hive.wire.base import Id, Request, Seconds
from hive.wire.rows import Row, encoded_default

MarkKey = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
"""The id of an item, such as `question-12`, or the name of a participant."""


class AttentionKind(StrEnum):
    """Kind of an item, in the order in which items are shown."""

    QUESTION = "question"
    APPROVAL = "approval"
    LOGIN = "login"
    """A participant that needs a login."""
    FAILURE = "failure"
    """An agent that is parked."""
    VERDICT = "verdict"
    """An agent that runs, and does not get on."""
    DEAD_LETTER = "dead_letter"
    MAIL = "mail"
    """Unread mail of the operator."""


class ShowAttention(Request, tag="attention", frozen=True):
    """Return what needs the operator, as `items`; `working` is the number of running turns.

    Pinned items are first, then by kind, oldest first; snoozed and archived ones are last. Of each
    kind at most 200 are returned.
    """


class SetMark(Request, tag="mark", kw_only=True, frozen=True):
    """Pin, archive or snooze an item, or all items of a participant. Durable.

    A mark of an item ends with it; that of a participant holds until it is taken back. What is left
    out stays.

    Attributes:
        key: The id of an item, or the name of a participant.
        pinned: Whether it is shown before others.
        archived: Whether it is shown last and not counted.
        snooze: Seconds for which it is shown last and not counted; 0 wakes it.
    """

    key: MarkKey
    pinned: bool | None = None
    archived: bool | None = None
    snooze: Seconds | None = None


class ReadMail(Request, tag="read_mail", kw_only=True, frozen=True):
    """Mark messages of the operator's inbox as read; return their number as `count`."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=1000)]


AttentionRequest = ShowAttention | SetMark | ReadMail
"""All requests of the operator about attention."""


class AttentionRow(Row, frozen=True, kw_only=True):
    """Something that needs the operator.

    Attributes:
        id: Its id, by which it can be marked and settled: `question-12`, `failed-alice`.
        kind: "question", "approval", "login", "failure", "verdict", "dead_letter" or "mail".
        name: The participant that it is about; of a question or a mail, who sent it.
        number: Number of the question, the approval or the message.
        text: What it is, in one sentence, with the cause.
        since: When it began.
        options: Answers that can be chosen.
        multi: Whether several of them may be chosen.
        blocks: Participants that wait for it.
        expires_at: When its time is over.
        on_expiry: What happens then: "deny", "hold" or "escalate".
        project: The project that the participant works on.
        pinned: Whether the operator has pinned it, or its participant.
        archived: Whether the operator has archived it, or its participant.
        snoozed_until: When it wakes; absent unless it is snoozed.
    """

    id: str
    kind: AttentionKind
    name: str | None = None
    number: int | None = None
    text: str
    since: str | None = None
    options: Sequence[str] = encoded_default(list)
    multi: bool = encoded_default(bool)
    blocks: Sequence[str] = encoded_default(list)
    expires_at: str | None = None
    on_expiry: str | None = None
    project: str | None = None
    pinned: bool = encoded_default(bool)
    archived: bool = encoded_default(bool)
    snoozed_until: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it is to be looked at now: it is neither snoozed nor archived."""
        return not self.archived and self.snoozed_until is None
