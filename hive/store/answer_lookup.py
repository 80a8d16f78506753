"""The answers to messages of the operator, and the state of these messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from attrs import frozen

from hive.names import OPERATOR
from hive.store.messages import FindParties, by_id, highest_id, one
from hive.store.records import Message


@frozen
class FoundAnswers:
    """What became of some messages at one moment.

    Attributes:
        messages: The messages by id, without their bodies; one that was deleted is missing.
        answers: The first answer to each message that has one, by the id of the message.
        cursor: The cursor of the next read, which need not look at earlier mail again.
    """

    messages: Mapping[int, Message]
    answers: Mapping[int, Message]
    cursor: int


@frozen
class FindAnswers:
    """Reads messages, and the answers to them in the inbox of the operator after a cursor.

    An answer is a reply of the recipient, or of one who took the message from a work queue.

    Attributes:
        ids: The ids of the messages.
        cursor: The id of a message before all answers, such as the first of these messages.
    """

    ids: Collection[int]
    cursor: int

    def __call__(self, connection: sqlite3.Connection) -> FoundAnswers:
        """Read them; both states are of the same moment."""
        answers: dict[int, Message] = {}
        for number, answered in self._replies(connection):
            if answered in answers:
                continue
            reply, parties = one(number)(connection), FindParties(answered)(connection)
            if reply is not None and parties is not None and reply.sender in parties.receivers:
                answers[answered] = reply
        return FoundAnswers(by_id([*self.ids])(connection), answers, highest_id(connection))

    def _replies(self, connection: sqlite3.Connection) -> list[tuple[int, int]]:
        """Return the ids of replies of anybody, each with the id of what it replies to."""
        wanted = frozenset(self.ids)
        rows = connection.execute(
            "SELECT id, in_reply_to FROM mail WHERE id > ? AND in_reply_to IS NOT NULL "
            "AND inbox = (SELECT id FROM inboxes WHERE name = ?) ORDER BY id",
            (self.cursor, OPERATOR),
        )
        return [(number, answered) for number, answered in rows if answered in wanted]
