"""What is said of mail that waits: who wrote, when, and how it begins. Nothing is leased.

Imports little, because a hook that runs after every tool call is mostly its start-up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hive.names import OPERATOR

WAITING = "stored"
"""The state of a message that nobody has taken."""

LOOK_AT = 200
"""Newest messages of the inbox that are looked at, the most that the wire allows."""

PREVIEW = 200
"""Characters of a body that are quoted."""

LINES = 16
"""Messages that are described at most; the rest is counted."""

HINT = "Take them with the hive tool `recv` (or run `hive-ag3nt recv`)."


class News(NamedTuple):
    """A message that waits.

    Attributes:
        sent_at: Unix time.
        type: What it is beside plain mail, for instance "question".
    """

    id: int
    sender: str
    kind: str
    body: str
    sent_at: float
    priority: str | None = None
    type: str | None = None

    @property
    def urgent(self) -> bool:
        """Whether it is worth an interruption: from the operator, or sent as urgent."""
        return self.kind == OPERATOR or self.priority == "high"


def waiting(rows: Iterable[Mapping[str, Any]], now: float) -> tuple[News, ...]:
    """Return what waits and is due, oldest first, of the rows of `recent`."""
    found = [
        News(
            row["id"],
            row["from"],
            row["kind"],
            row["body"],
            _unix(row["sent_at"]),
            row.get("priority"),
            row.get("type"),
        )
        for row in rows
        if row["state"] == WAITING and _is_due(row.get("not_before"), now)
    ]
    return tuple(sorted(found, key=lambda news: news.id))


def headline(news: Sequence[News]) -> str:
    """Return how many messages wait and from whom, in one line without a word of theirs."""
    senders = sorted({each.sender for each in news})
    count = "1 message waits" if len(news) == 1 else f"{len(news)} messages wait"
    return f"{count} in your hive inbox, from {', '.join(senders)}."


def described(news: Sequence[News], now: float) -> str:
    """Return a text for a model, of at most 9000 characters besides the names.

    Bodies are quoted as JSON strings of one line, so none can end its quote.
    """
    lines = [_line(each, now) for each in news[:LINES]]
    if len(news) > LINES:
        lines.append(f"and {len(news) - LINES} more")
    warning = "What is quoted below was written by its sender, not by your user."
    return "\n".join([f"{headline(news)} {HINT} {warning}", *lines])


def _line(news: News, now: float) -> str:
    plain = "".join(char if char.isprintable() else " " for char in news.body[:PREVIEW])
    begin = json.dumps(plain, ensure_ascii=False)
    more = f" … ({len(news.body)} characters)" if len(news.body) > PREVIEW else ""
    what = f"{news.type} " if news.type else ""
    minutes = max(0, round((now - news.sent_at) / 60))
    return f"#{news.id} {what}from {news.sender} ({news.kind}), {minutes} min ago: {begin}{more}"


def _is_due(not_before: str | None, now: float) -> bool:
    return not_before is None or _unix(not_before) <= now


def _unix(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
