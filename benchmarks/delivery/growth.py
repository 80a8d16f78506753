"""Time of a `recv` with few and with many delivered messages in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.delivery.blocking import BlockingConnection
from benchmarks.delivery.stats import MICRO, percentile
from benchmarks.delivery.systems.base import BODY, TAKE
from benchmarks.delivery.systems.hyperhive import Hyperhive, paths_in
from hive.store.database import prepare
from hive.store.messages import Epoch
from hive.store.records import numbered

INBOXES = 100
CHUNK = 100_000
"""Rows in one transaction."""

RECEIVER = "r0"

_NUMBERS = """
WITH RECURSIVE number(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?2)
"""

_INBOXES = f"""
{_NUMBERS}
INSERT INTO inboxes (id, name) SELECT n, 'p' || (n - 1) FROM number
"""

_SESSIONS = f"""
{_NUMBERS}
INSERT INTO sessions (id, name, kind) SELECT ?3 + n, 'p' || (n - 1), 'peer' FROM number
"""

_MAIL = f"""
{_NUMBERS}
INSERT INTO mail (id, inbox, sender, size, sent_at, state, attempts, deliveries, lease, session,
                  leased_at, ended_at, body)
SELECT n, n % ?3 + 1, ?4 + (n + 1) % ?3 + 1, ?5, n, 3, 1, 1, ?4 + n, ?4 + n % ?3 + 1, n, n, ?6
FROM number
"""
"""Message `n` was sent to inbox `n % INBOXES` by its neighbour, leased once, and acked."""


@frozen
class Receiving:
    """Medians in microseconds: `recv` of 16 messages, and of an empty inbox."""

    full: float
    empty: float


@frozen
class Growth:
    """Receiving with few and with many delivered rows in the database."""

    few: Receiving
    many: Receiving


def build(directory: Path, rows: int) -> None:
    """Make a hive's database with that many delivered messages."""
    path = paths_in(directory).database
    path.parent.mkdir(parents=True)
    prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    epoch = Epoch(0.0)(connection)
    connection.execute(_INBOXES, (1, INBOXES + 1))
    connection.execute(_SESSIONS, (1, INBOXES + 1, numbered(epoch, 0)))
    for first in range(1, rows + 1, CHUNK):
        last = min(first + CHUNK, rows + 1)
        values = (first, last, INBOXES, numbered(epoch, 0), len(BODY), BODY)
        connection.execute(_MAIL, values)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def measure(few: Hyperhive, many: Hyperhive, count: int) -> Growth:
    """Receive `count` times from a full and from an empty inbox of each, in turns."""
    connections = (
        BlockingConnection(few.socket(RECEIVER)),
        BlockingConnection(many.socket(RECEIVER)),
    )
    full: tuple[list[float], list[float]] = ([], [])
    empty: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for which, connection in enumerate(connections):
            full[which].append(_receive(connection))
            empty[which].append(connection.timed(cmd="recv", max=TAKE)[0])
    for connection in connections:
        connection.close()
    return Growth(*(Receiving(_median(full[which]), _median(empty[which])) for which in (0, 1)))


def _receive(connection: BlockingConnection) -> float:
    for _ in range(TAKE):
        connection.ask(cmd="send", to=RECEIVER, body=BODY)
    took, answer = connection.timed(cmd="recv", max=TAKE)
    ids = [message["id"] for message in answer["messages"]]
    if len(ids) != TAKE:
        raise RuntimeError(f"recv answered {len(ids)} of {TAKE} messages")
    connection.ask(cmd="ack", ids=ids)
    return took


def _median(samples: Sequence[float]) -> float:
    return percentile(sorted(samples), 0.5) * MICRO
