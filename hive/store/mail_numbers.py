"""Numbers about stored mail for monitoring, which memory does not have."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from attrs import frozen

from hive.store.schema import STATES
from hive.store.transaction import Query

_STORED, _LEASED = STATES.index("stored"), STATES.index("leased")
_DEAD = STATES.index("dead")

_OLDEST = f"""
    SELECT inboxes.name, MIN(mail.sent_at)
    FROM mail INDEXED BY undelivered JOIN inboxes ON inboxes.id = mail.inbox
    WHERE state < 3 AND state IN ({_STORED}, {_LEASED})
        AND (not_before IS NULL OR not_before <= ?)
    GROUP BY mail.inbox
"""  # noqa: S608 - numbers of states

_DEAD_LETTERS = f"SELECT COUNT(*) FROM mail INDEXED BY dead_letters WHERE state = {_DEAD}"  # noqa: S608


@frozen
class MailNumbers:
    """Numbers about stored mail.

    Attributes:
        oldest: Wall time at which the oldest message of an inbox was sent that is not acked, not
            deferred and not held, by the name of the inbox; none without such a message.
        dead_letters: Number of dead letters.
    """

    oldest: Mapping[str, float]
    dead_letters: int


def mail_numbers(now: float) -> Query[MailNumbers]:
    """Read the numbers at a wall time, from the two indexes of unread mail and dead letters."""

    def query(connection: sqlite3.Connection) -> MailNumbers:
        [(dead,)] = connection.execute(_DEAD_LETTERS)
        return MailNumbers(dict(connection.execute(_OLDEST, (now,))), dead)

    return query
