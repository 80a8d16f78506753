"""What an agent's or a peer's socket answers.

Who speaks is decided when the connection is made, by the socket it came in through; no field of any
request can change it. Requests about mail go to the broker as they are.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.broker.sessions import queue_holder
from hive.clock import Clock, rfc3339
from hive.errors import NotFoundError
from hive.gateway.connection import Connection, Served
from hive.gateway.dispatch import Fields, serves
from hive.gateway.rows import inbox_row, receipt_row
from hive.participants.harness_link import Harnesses
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.status.snapshot import Snapshot
from hive.store import Kind, Message
from hive.wire import agent as wire
from hive.wire import questions
from hive.wire.base import Request


@frozen
class ParticipantServices:
    """What the verbs of a participant's socket need.

    Attributes:
        host: The name of this machine, for `whoami`.
    """

    mail: MailQueries
    registry: Registry
    snapshot: Snapshot
    clock: Clock
    harnesses: Harnesses
    host: str


class ParticipantConnection(Connection):
    """A connection to a participant's socket, before it has any verb.

    Args:
        participant: Whose socket it is.
        path: Where that is.
        served: What all connections share.
        services: What answers are made of.
    """

    __slots__ = ("participant", "services")

    def __init__(
        self, participant: Participant, path: str, served: Served, services: ParticipantServices
    ) -> None:
        super().__init__(participant.name, participant.record.kind, path, served)
        self.participant = participant
        self.services = services


class AgentHandlers(ParticipantConnection):
    """The verbs that are about the participant itself and its mail."""

    __slots__ = ()

    to_broker: ClassVar[tuple[type[Request], ...]] = (
        wire.Send,
        wire.Recv,
        wire.Ack,
        wire.Nack,
        wire.AckTurn,
        wire.Heartbeat,
        wire.RequeueInflight,
        wire.Wake,
        questions.Ask,
        questions.Answer,
        questions.Remind,
        questions.Cancel,
    )

    @serves(wire.Receipts)
    async def _receipts(self, request: wire.Receipts) -> Fields:
        traces = [await self.services.mail.trace(number) for number in request.ids]
        for message, _ in traces:
            if message.sender != self.participant.name:
                raise NotFoundError(f"{self.participant.name!r} sent no message {message.id}")
        return {"receipts": [receipt_row(message, steps) for message, steps in traces]}

    @serves(wire.Verify)
    async def _verify(self, request: wire.Verify) -> Fields:
        message = await self.services.mail.message(request.id)
        mine = {message.inbox, message.sender, queue_holder(message)}
        if self.participant.name not in mine:
            raise NotFoundError(
                f"message {request.id} is neither to {self.participant.name!r} nor from it"
            )
        return verified_fields(message)

    @serves(wire.Status)
    def _status(self, request: wire.Status) -> Fields:
        return {"unread": self.services.mail.unread(self.participant.name)}

    @serves(wire.Recent)
    async def _recent(self, request: wire.Recent) -> Fields:
        rows = await self.services.mail.inbox(self.participant.name, request.max)
        return {"messages": [inbox_row(row) for row in rows]}

    @serves(wire.Whoami)
    def _whoami(self, request: Request) -> Fields:
        return {
            "name": self.participant.name,
            "kind": self.participant.record.kind.value,
            "host": self.services.host,
        }

    @serves(wire.Who)
    def _who(self, request: wire.Who) -> Fields:
        return {"participants": self.services.snapshot.who()}

    @serves(wire.SetStatus)
    async def _set_status(self, request: wire.SetStatus) -> Fields:
        await self.services.registry.save(
            self.participant,
            status_text=request.text or None,
            status_set_at=self.services.clock.now() if request.text else None,
        )
        return {}


def verified_fields(message: Message) -> Fields:
    """Return what the hive itself knows of a message's origin."""
    return {
        "id": message.id,
        "from": message.sender,
        "kind": message.sender_kind.value,
        "sent_at": rfc3339(message.sent_at),
        "socket": message.origin.socket or None,
        "uid": message.origin.uid,
        "pid": message.origin.pid,
        "operator_verified": message.sender_kind is Kind.OPERATOR,
    }
