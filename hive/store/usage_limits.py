"""Limits of accounts: which credential is used up, and until when."""

from __future__ import annotations

import sqlite3

from attrs import frozen

from hive.store.unit import Op


@frozen
class Limit:
    """An account that is used up. Times are wall seconds.

    Attributes:
        account: An opaque fingerprint of the credential.
        until: When it can be used again.
        since: When that was reported.
        reason: Why, in words.
        reported_by: Whose harness met the limit.
    """

    account: str
    until: float
    since: float
    reason: str
    reported_by: str


def save(limit: Limit, *, ended: float) -> Op[None]:
    """Keep a limit, in place of what was known of its account; forget those over before `ended`."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM limits WHERE until < ?", (ended,))
        connection.execute(
            "INSERT OR REPLACE INTO limits (account, until, since, reason, reported_by) "
            "VALUES (?, ?, ?, ?, ?)",
            (limit.account, limit.until, limit.since, limit.reason, limit.reported_by),
        )

    return op


def drop(account: str) -> Op[None]:
    """Forget the limit of an account."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM limits WHERE account = ?", (account,))

    return op


def all_of_them(connection: sqlite3.Connection) -> list[Limit]:
    """Read every limit that is known, also those that are over."""
    rows = connection.execute(
        "SELECT account, until, since, reason, reported_by FROM limits ORDER BY account"
    )
    return [Limit(*row) for row in rows]
