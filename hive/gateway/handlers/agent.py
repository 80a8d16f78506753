"""Handlers of a participant's socket.

The socket of a connection decides which participant its client is; no field of a request can change
that. Requests about messages are passed to the broker.
"""

from __future__ import annotations

from typing import ClassVar

from hive.broker.sessions import queue_holder
from hive.clock import rfc3339
from hive.errors import NotFoundError, TooLargeError
from hive.gateway.dispatch import Fields, Large, serves
from hive.gateway.handlers.harness import HarnessHandlers
from hive.gateway.handlers.services import ParticipantConnection
from hive.gateway.rows import inbox_row, question_row, receipt_row, reminder_row
from hive.store import Kind, Message
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.rows import ReceiptRow

RECEIPTS_BYTES = 1 << 20
"""Bytes of the reasons in one answer to `receipts`; those of one message are always fewer."""


class AgentHandlers(ParticipantConnection):
    """The verbs about the participant itself, its messages and its open items."""

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
        wire.Ask,
        wire.Answer,
        wire.Remind,
        wire.Cancel,
    )

    @serves(wire.Receipts)
    def _receipts(self, request: wire.Receipts) -> Large:
        return Large(lambda: self._read_receipts(request))

    async def _read_receipts(self, request: wire.Receipts) -> Fields:
        rows: list[ReceiptRow] = []
        size = 0
        for number in dict.fromkeys(request.ids):
            message, steps = await self.services.mail.trace(number)
            if message.sender != self.participant.name:
                raise NotFoundError(f"{self.participant.name!r} sent no message {message.id}")
            rows.append(receipt_row(message, steps))
            size += sum(len(step.reason.encode()) for step in steps if step.reason)
            if size > RECEIPTS_BYTES:
                raise TooLargeError(
                    f"the receipts of {len(rows)} of these 'ids' have {size} bytes of reasons, "
                    f"an answer has at most {RECEIPTS_BYTES}; ask for fewer at a time"
                )
        return {"receipts": rows}

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
    def _recent(self, request: wire.Recent) -> Large:
        return Large(lambda: self._read_recent(request))

    async def _read_recent(self, request: wire.Recent) -> Fields:
        mail, name = self.services.mail, self.participant.name
        if request.unread:
            found = await mail.deliverable(name, request.max, self.services.clock.now())
        else:
            found = await mail.inbox(name, request.max)
        return {"messages": [inbox_row(each, request.body_max) for each in found]}

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

    @serves(wire.ListOpenItems)
    def _loose_ends(self, request: wire.ListOpenItems) -> Large:
        return Large(self._read_open_items)

    async def _read_open_items(self) -> Fields:
        name, now = self.participant.name, self.services.clock.now()
        asked, reminders = await self.services.mail.open_questions_of(name)
        return {
            "questions_asked": [question_row(q, now) for q in asked if q.asker == name],
            "questions_to_answer": [question_row(q, now) for q in asked if q.target == name],
            "reminders": [reminder_row(message, now) for message in reminders],
        }


class AgentConnection(AgentHandlers, HarnessHandlers):
    """A connection to the socket of an agent or a peer."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(wire.AgentRequest)

    def opened(self) -> None:
        """Record that the participant is connected."""
        self.services.registry.touch(self.participant)

    def closed(self) -> None:
        """Remove the state that a harness has reported on this connection."""
        self.unregister_harness()

    @serves(wire.Hello)
    def _hello(self, request: wire.Hello) -> Fields:
        if request.role == "harness":
            self.register_harness()
        return self._whoami(request)


def verified_fields(message: Message) -> Fields:
    """Return the origin of a message as the hive has recorded it."""
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
