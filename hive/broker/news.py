"""What the broker has to tell beside its answers: to the operator's diary, and to senders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from hive.broker.circuits import Circuit
from hive.broker.values import Draft
from hive.clock import rfc3339
from hive.store import Kind, Message

TOLD_OF_DEATH = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Senders who get a notice. The operator has `dead-letters`; notices of the system get none."""


class NewsKind(StrEnum):
    """Everything that the broker tells of itself."""

    DEAD_LETTER = "dead_letter"
    EXPIRED = "expired"
    LOOP_TRIPPED = "loop_tripped"
    LOOP_RESET = "loop_reset"
    QUESTION_EXPIRED = "question_expired"
    QUESTION_HELD = "question_held"
    QUESTION_ESCALATED = "question_escalated"
    QUESTION_CANCELLED = "question_cancelled"


@frozen
class News:
    """Something that happened to mail.

    Attributes:
        name: Whom it is about.
        detail: What else there is to say, as JSON values.
    """

    kind: NewsKind
    name: str
    detail: Mapping[str, Any]

    @classmethod
    def of_expired(cls, message: Message) -> News:
        """Return what there is to say about a message whose time is over."""
        detail = {"id": message.id, "to": message.inbox, "sent_at": rfc3339(message.sent_at)}
        return cls(NewsKind.EXPIRED, message.inbox, detail)

    @classmethod
    def of_loop(cls, circuit: Circuit) -> News:
        """Return what there is to say about a circuit that has just opened."""
        detail = {"pair": list(circuit.pair), "reason": circuit.why}
        return cls(NewsKind.LOOP_TRIPPED, circuit.pair[0], detail)

    @classmethod
    def of_dead_letter(cls, message: Message) -> News:
        """Return what there is to say about a message that was just given up."""
        detail = {
            "id": message.id,
            "from": message.sender,
            "to": message.inbox,
            "attempts": message.attempts,
            "reason": message.reason,
        }
        return cls(NewsKind.DEAD_LETTER, message.inbox, detail)

    def notice(self, to: str) -> Draft:
        """Return the message by which `system` tells a participant."""
        return Draft.event(to, json.dumps({"event": self.kind.value, **self.detail}))


Tell = Callable[[News], None]
"""Takes news to the diary."""


def ignore(news: News) -> None:
    """Keep no diary."""
