"""Timelines: what happened to a participant, from its events, mail, turns and the audit, in order.

Each source gives its newest entries, so that the newest of all of them together are known.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from hive.store import events
from hive.store.events import EventFilter
from hive.store.records import EventRecord, Message
from hive.store.schema import SENT_BY
from hive.store.transaction import Query
from hive.wire.enums import EventKind

BODY_MAX = 200
"""Characters of a body that an entry has."""

_BEGINNING = f"substr(CAST(body AS BLOB), 1, {4 * (BODY_MAX + 1)})"
"""The beginning of a body in bytes, because `substr` of a text ends at a NUL. A character has at
most four, and the last one may be cut."""

EVENT, MESSAGE, TURN, AUDIT = "event", "message", "turn", "audit"


_LIFE = tuple(
    map(
        str,
        (
            *(EventKind.STARTED, EventKind.ENDED, EventKind.STOPPED, EventKind.RESTARTING),
            *(EventKind.FAILED, EventKind.ADOPTED, EventKind.PAUSED, EventKind.RESUMED),
            *(EventKind.FROZEN, EventKind.THAWED, EventKind.ATTACHED, EventKind.DETACHED),
            *(EventKind.LIMITED, EventKind.UNLIMITED, EventKind.NEEDS_LOGIN, EventKind.LOGGED_IN),
            *(EventKind.LOOP_TRIPPED, EventKind.LOOP_RESET),
        ),
    )
)
"""Events of a recipient that decide whether it gets its mail."""

_ABOUT_MAIL = tuple(
    map(
        str,
        (
            *(EventKind.DEAD_LETTER, EventKind.EXPIRED, EventKind.DISCARDED),
            *(EventKind.QUESTION_EXPIRED, EventKind.QUESTION_HELD, EventKind.QUESTION_ESCALATED),
        ),
    )
)
"""Events with the number of a message."""

_LOOK = 1000
"""Events about mail that are searched for a number."""


@frozen
class TimelineEntry:
    """Something that happened to a participant.

    Attributes:
        at: Wall time in seconds.
        source: EVENT, MESSAGE, TURN or AUDIT; others than the store have sources of their own.
        number: Its number in its source; None if it has none.
        what: A word: the kind of the event, "sent" or "received", the outcome, the verb.
        detail: Further facts, by the source.
    """

    at: float
    source: str
    number: int | None
    what: str
    detail: Mapping[str, Any] = field(factory=dict)


@frozen
class Period:
    """A period of wall time in seconds; None is no limit.

    Attributes:
        since: Its begin.
        until: Its end, which is not part of it.
    """

    since: float | None = None
    until: float | None = None

    def where(self, column: str) -> tuple[str, list[float]]:
        """Return the condition that a column is within, after another condition."""
        parts = ((f" AND {column} >= ?", self.since), (f" AND {column} < ?", self.until))
        given = [(part, value) for part, value in parts if value is not None]
        return "".join(part for part, _ in given), [value for _, value in given]


def timeline(name: str, period: Period, count: int) -> Query[list[TimelineEntry]]:
    """Read the newest `count` entries about a participant within a period, oldest first."""

    def query(connection: sqlite3.Connection) -> list[TimelineEntry]:
        sources = (_events, _messages, _turns, _audit)
        found = [each for read in sources for each in read(connection, name, period, count)]
        found.sort(key=lambda each: (each.at, each.source != MESSAGE, each.number or 0))
        return found[-count:]

    return query


def about_message(message: Message, count: int) -> Query[list[TimelineEntry]]:
    """Read what happened about a message besides its own steps, oldest first.

    That is: the turns that it was given to, the events with its number, and what its recipient went
    through from when it was sent until it ended.
    """
    period = Period(message.sent_at, message.ended_at)

    def query(connection: sqlite3.Connection) -> list[TimelineEntry]:
        found = [
            each
            for each in _turns(connection, message.inbox, Period(message.sent_at), count)
            if message.id in each.detail["messages"]
        ]
        only = EventFilter(_LIFE, message.inbox, period.since, period.until)
        rows = [*events.newest(0, count, only)(connection), *_with_number(connection, message)]
        unique = {each.seq: each for each in rows}
        found += [TimelineEntry(e.at, EVENT, e.seq, e.event, e.detail) for e in unique.values()]
        return sorted(found, key=lambda each: (each.at, each.number or 0))[-count:]

    return query


def _with_number(connection: sqlite3.Connection, message: Message) -> Iterable[EventRecord]:
    """Yield the events whose details have the number of a message."""
    only = EventFilter(_ABOUT_MAIL, since=message.sent_at)
    for each in events.newest(0, _LOOK, only)(connection):
        if message.id in (each.detail.get("id"), *each.detail.get("ids", ())):
            yield each


def _events(
    connection: sqlite3.Connection, name: str, period: Period, count: int
) -> Iterable[TimelineEntry]:
    only = EventFilter(name=name, since=period.since, until=period.until)
    for each in events.newest(0, count, only)(connection):
        yield TimelineEntry(each.at, EVENT, each.seq, each.event, each.detail)


def _messages(
    connection: sqlite3.Connection, name: str, period: Period, count: int
) -> Iterable[TimelineEntry]:
    where, values = period.where("sent_at")
    of = f"(inbox = (SELECT id FROM inboxes WHERE name = ?) OR {SENT_BY})"  # noqa: S608
    rows = connection.execute(
        "SELECT id, sent_at, sender, inbox, kind, state, in_reply_to, reason, "  # noqa: S608
        f"{_BEGINNING} FROM messages WHERE id IN "
        f"(SELECT id FROM mail WHERE {of}{where} ORDER BY id DESC LIMIT ?)",
        (name, *[name] * SENT_BY.count("?"), *values, count),
    )
    for number, at, sender, inbox, kind, state, in_reply_to, reason, body in rows:
        detail = {
            "from": sender,
            "to": inbox,
            "type": kind,
            "state": state,
            "in_reply_to": in_reply_to,
            "reason": reason,
            "body": cut_text(body.decode(errors="ignore")),
        }
        what = "received" if inbox == name else "sent"
        yield TimelineEntry(at, MESSAGE, number, what, _known(detail))


def _turns(
    connection: sqlite3.Connection, name: str, period: Period, count: int
) -> Iterable[TimelineEntry]:
    where, values = period.where("started_at")
    rows = connection.execute(
        "SELECT id, started_at, ended_at - frozen_seconds, wake, outcome, messages, input_tokens, "  # noqa: S608
        f"output_tokens, cost_usd, note FROM turns WHERE name = ?{where} "
        "ORDER BY started_at DESC LIMIT ?",
        (name, *values, count),
    )
    for number, begun, ended, wake, outcome, messages, tokens_in, tokens_out, cost, note in rows:
        detail = {
            "seconds": round(ended - begun, 3),
            "wake": wake,
            "messages": json.loads(messages),
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "cost_usd": cost,
            "note": note,
        }
        yield TimelineEntry(begun, TURN, number, outcome, _known(detail))


def _audit(
    connection: sqlite3.Connection, name: str, period: Period, count: int
) -> Iterable[TimelineEntry]:
    where, values = period.where("at")
    rows = connection.execute(
        "SELECT seq, at, verb, outcome, actor, approval, sha, reason, via FROM audit "  # noqa: S608
        f"WHERE subject = ?{where} ORDER BY seq DESC LIMIT ?",
        (name, *values, count),
    )
    for number, at, verb, outcome, actor, approval, sha, reason, via in rows:
        detail = {
            "outcome": outcome,
            "actor": actor,
            "approval": approval,
            "sha": sha,
            "reason": reason,
            "via": via,
        }
        yield TimelineEntry(at, AUDIT, number, verb, _known(detail))


def _known(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in detail.items() if value is not None}


def cut_text(body: str) -> str:
    """Return the beginning of a body or a line, at most `BODY_MAX` characters."""
    return body if len(body) <= BODY_MAX else body[:BODY_MAX] + "..."
