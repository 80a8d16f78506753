"""What the broker has to tell beside its answers: to the event log, and to senders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from hive.broker.loop_guard import Circuit
from hive.broker.values import Post
from hive.clock import rfc3339
from hive.store import Kind, Message, MessageKind
from hive.wire.agent import Posting
from hive.wire.enums import EventKind

NOTIFIED_SENDERS = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Senders who get a notice. The operator has `dead-letters`; notices of the system get none."""


@frozen
class Notice:
    """Something that happened to mail.

    Attributes:
        name: Whom it is about.
        detail: What else there is to say, as JSON values.
    """

    kind: EventKind
    name: str
    detail: Mapping[str, Any]

    @classmethod
    def of_expired(cls, message: Message) -> Notice:
        """Return what there is to say about a message whose time is over."""
        detail = {"id": message.id, "to": message.inbox, "sent_at": rfc3339(message.sent_at)}
        return cls(EventKind.EXPIRED, message.inbox, detail)

    @classmethod
    def of_loop(cls, circuit: Circuit) -> Notice:
        """Return what there is to say about a circuit that has just opened."""
        detail = {"pair": list(circuit.pair), "reason": circuit.why}
        return cls(EventKind.LOOP_TRIPPED, circuit.pair[0], detail)

    @classmethod
    def of_dead_letter(cls, message: Message) -> Notice:
        """Return what there is to say about a message that was just given up."""
        detail = {
            "id": message.id,
            "from": message.sender,
            "to": message.inbox,
            "attempts": message.attempts,
            "reason": message.reason,
        }
        return cls(EventKind.DEAD_LETTER, message.inbox, detail)

    def post(self, to: str) -> Post:
        """Return the message by which `system` tells a participant."""
        return event(to, self.kind.value, self.detail)


def event(to: str, name: str, detail: Mapping[str, Any]) -> Post:
    """Return an event of the daemon's own as JSON: the detail's fields and `event`."""
    body = json.dumps({"event": name, **detail})
    return Post(Posting(to=to, body=body), MessageKind.EVENT)


Tell = Callable[[Notice], None]
"""Takes a notice to the event log."""


def ignore(notice: Notice) -> None:
    """Keep no log."""
