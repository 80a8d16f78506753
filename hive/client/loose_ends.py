"""What is open between participants. Times that were are RFC 3339 strings, ages are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from hive.client.rows import from_rows


@frozen
class Question:
    """A question that is open.

    Attributes:
        id: Its number, which is that of the message that carries it.
        asker: Who asked.
        to: Whom it was put to.
        options: Proposals; free text is always allowed.
        multi: Whether several options may be chosen.
        state: "open", "held" or "escalated".
        age_seconds: How long ago it was asked.
        on_expiry: What happens when nobody answers in time.
        expires_at: When that is; None for never.
    """

    id: int
    asker: str
    to: str
    question: str
    state: str
    asked_at: str
    age_seconds: float
    on_expiry: str
    options: tuple[str, ...] = field(default=(), converter=tuple)
    multi: bool = False
    expires_at: str | None = None


@frozen
class Reminder:
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


@frozen
class LooseEnds:
    """Everything of a participant that is open, oldest first."""

    asked: tuple[Question, ...] = ()
    to_answer: tuple[Question, ...] = ()
    reminders: tuple[Reminder, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> LooseEnds:
        """Return the loose ends of a response."""
        return cls(
            from_rows(Question, fields["questions_asked"]),
            from_rows(Question, fields["questions_to_answer"]),
            from_rows(Reminder, fields["reminders"]),
        )
