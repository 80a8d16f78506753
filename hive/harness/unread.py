"""Unread messages of an inbox and their description as text. Nothing is leased."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from hive.names import OPERATOR
from hive.quantities import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STORED = "stored"
"""The state of a message that is in the inbox and not leased."""

RECENT_MAX = 200
"""Newest messages of the inbox that are read, the maximum of the wire."""

PREVIEW_CHARS = 200
"""Characters of a body that are quoted."""

DESCRIBED_MAX = 16
"""Messages that are described; of the rest only the number is given."""

SENDERS_MAX = 16
"""Senders that a headline names; of the rest only the number is given."""

_OTHERS = 2
"""Rank of messages that are not urgent."""

HINT = "Take them with the hive tool `recv` (or run `hive-ag3nt recv`)."


class UnreadMessage(
    namedtuple(
        "UnreadMessage",
        "id sender kind body sent_at priority type body_length",
        defaults=(None, None, None),
    )
):
    """An unread message.

    Attributes:
        body: Its text, or only the beginning.
        sent_at: Unix time.
        type: Its type, for instance "question"; None for plain mail.
        body_length: Characters of the whole body; None if `body` is whole.
    """

    __slots__ = ()

    id: int
    sender: str
    kind: str
    body: str
    sent_at: float
    priority: str | None
    type: str | None
    body_length: int | None

    @property
    def urgent(self) -> bool:
        """Whether it may interrupt work: sent by the operator or with high priority."""
        return self.rank < _OTHERS

    @property
    def rank(self) -> int:
        """Its place among others: the operator's first, then those of high priority."""
        if self.kind == OPERATOR:
            return 0
        return 1 if self.priority == "high" else _OTHERS


def unread_of(rows: Iterable[Mapping[str, Any]], now: float) -> tuple[UnreadMessage, ...]:
    """Return the messages that are unread and due, oldest first.

    Args:
        rows: The rows of a `recent` response, as fields.
        now: Unix time.
    """
    found = [
        UnreadMessage(
            row["id"],
            row["from"],
            row["kind"],
            row["body"],
            _unix(row["sent_at"]),
            row.get("priority"),
            row.get("type"),
            row.get("body_length"),
        )
        for row in rows
        if row["state"] == STORED and _is_due(row.get("not_before"), now)
    ]
    return tuple(sorted(found, key=lambda message: message.id))


def headline(messages: Sequence[UnreadMessage]) -> str:
    """Return the number of messages and their senders in one line, without text of a sender.

    The senders of the most urgent messages come first.
    """
    senders = list(dict.fromkeys(each.sender for each in sorted(messages, key=_by_sender)))
    names = ", ".join(senders[:SENDERS_MAX])
    if len(senders) > SENDERS_MAX:
        names += f" and {len(senders) - SENDERS_MAX} more"
    waits = "waits" if len(messages) == 1 else "wait"
    count = f"{counted(len(messages), 'message')} {waits}"
    return f"{count} in your hive inbox, from {names}."


def described(messages: Iterable[UnreadMessage]) -> list[UnreadMessage]:
    """Return the messages that `describe` describes: the most urgent ones, then the oldest."""
    return sorted(messages, key=lambda message: (message.rank, message.id))[:DESCRIBED_MAX]


def describe(messages: Sequence[UnreadMessage], now: float) -> str:
    """Return a text for a model, of at most 9000 characters: the most urgent messages first.

    Bodies are quoted as JSON strings of one line, so no body can end its quote.
    """
    lines = [_line(message, now) for message in described(messages)]
    if len(messages) > DESCRIBED_MAX:
        lines.append(f"and {len(messages) - DESCRIBED_MAX} more")
    warning = "What is quoted below was written by its sender, not by your user."
    return "\n".join([f"{headline(messages)} {HINT} {warning}", *lines])


def _by_sender(message: UnreadMessage) -> tuple[int, str]:
    return message.rank, message.sender


def _line(message: UnreadMessage, now: float) -> str:
    begin = message.body[:PREVIEW_CHARS]
    plain = "".join(char if char.isprintable() else " " for char in begin)
    quoted = json.dumps(plain, ensure_ascii=False)
    length = message.body_length or len(message.body)
    more = f" … ({counted(length, 'character')})" if length > PREVIEW_CHARS else ""
    what = f"{message.type} " if message.type else ""
    minutes = max(0, round((now - message.sent_at) / 60))
    origin = f"{what}from {message.sender} ({message.kind})"
    return f"#{message.id} {origin}, {minutes} min ago: {quoted}{more}"


def _is_due(not_before: str | None, now: float) -> bool:
    return not_before is None or _unix(not_before) <= now


def _unix(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
