"""What responses become that are more than rows of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hive.wire.codec import value_of
from hive.wire.enums import OrderKind
from hive.wire.harness import Order
from hive.wire.rows import QuestionRow, ReminderRow, Row, encoded_default

_KINDS = frozenset(OrderKind)


class Sent(Row, frozen=True):
    """A message that is on disk.

    Attributes:
        id: Its number; for a broadcast the first one, None if there was nobody to get it.
        recipients: Whose inboxes hold it, as far as the daemon says.
        skipped: Who did not get a broadcast, because their inbox is full or they are gone.
        duplicate: Whether it was stored before, under the same key.
        parked: Why it waits for the operator instead of being delivered.
    """

    id: int | None = None
    recipients: tuple[str, ...] = encoded_default(tuple)
    skipped: tuple[str, ...] = encoded_default(tuple)
    duplicate: bool = encoded_default(bool)
    parked: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Sent:
        """Return what the answer to `send` says."""
        skipped = [row["name"] for row in fields.get("skipped", ())]
        return value_of(cls, {**fields, "skipped": skipped})


class LooseEnds(Row, frozen=True):
    """Everything of a participant that is open, oldest first."""

    asked: tuple[QuestionRow, ...] = encoded_default(tuple)
    to_answer: tuple[QuestionRow, ...] = encoded_default(tuple)
    reminders: tuple[ReminderRow, ...] = encoded_default(tuple)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> LooseEnds:
        """Return what the answer to `loose_ends` says."""
        return cls(
            value_of(tuple[QuestionRow, ...], fields["questions_asked"]),
            value_of(tuple[QuestionRow, ...], fields["questions_to_answer"]),
            value_of(tuple[ReminderRow, ...], fields["reminders"]),
        )


def orders_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Order, ...]:
    """Return the orders of a response; kinds that this version does not know are left out."""
    return value_of(tuple[Order, ...], [row for row in rows if row["order"] in _KINDS])
