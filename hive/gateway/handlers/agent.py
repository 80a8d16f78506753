"""Handlers of a participant's socket.

The socket of a connection decides which participant its client is; no field of a request can change
that. Requests about messages are passed to the broker.
"""

from __future__ import annotations

from typing import ClassVar

from hive.clock import rfc3339
from hive.errors import TooLargeError
from hive.gateway.dispatch import Answer, Fields, Large, serves
from hive.gateway.handlers.harness import HarnessHandlers, answer_after
from hive.gateway.handlers.services import ParticipantConnection
from hive.gateway.rows import (
    approval_row,
    inbox_row,
    question_row,
    receipt_row,
    reminder_row,
    schedule_row,
)
from hive.quantities import counted
from hive.status.hindrances import hindrance_for_sender
from hive.store import Kind, Message
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.enums import CancelKind
from hive.wire.host import HostRequest
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
        wire.Wake,
        wire.Ask,
        wire.Answer,
        wire.Remind,
    )

    @serves(wire.Cancel)
    def _cancel(self, request: wire.Cancel) -> Answer:
        if request.kind is CancelKind.APPROVAL:
            return self._withdraw(request.id)
        if request.kind is CancelKind.SCHEDULE:
            return self._end_schedule(request.id)
        self.ask_broker(request)
        return None

    async def _withdraw(self, number: int) -> Fields:
        await self.services.proposals.withdraw(number, self.participant.name, self.origin)
        return {}

    async def _end_schedule(self, number: int) -> Fields:
        name = self.participant.name
        await self.services.schedules.cancel(number, name, f"{name} took it back", self.origin)
        return {}

    @serves(wire.RequeueInflight)
    def _requeue_inflight(self, request: wire.RequeueInflight) -> None:
        self.charge_all_returns()
        self.ask_broker(request)

    @serves(wire.Receipts)
    def _receipts(self, request: wire.Receipts) -> Large:
        return Large(lambda: self._read_receipts(request))

    async def _read_receipts(self, request: wire.Receipts) -> Fields:
        rows: list[ReceiptRow] = []
        size = 0
        for number in dict.fromkeys(request.ids):
            message, steps = await self.services.mail.trace(number, self.participant.name)
            hindrance = await hindrance_for_sender(
                message, self.services.registry, self.services.snapshot
            )
            rows.append(receipt_row(message, steps, hindrance))
            size += sum(len(step.reason.encode()) for step in steps if step.reason)
            if size > RECEIPTS_BYTES:
                raise TooLargeError(
                    f"the receipts of {len(rows)} of these 'ids' have {counted(size, 'byte')} of "
                    f"reasons, an answer has at most {RECEIPTS_BYTES}; ask for fewer at a time"
                )
        return {"receipts": rows}

    @serves(wire.Verify)
    async def _verify(self, request: wire.Verify) -> Fields:
        name = self.participant.name
        return verified_fields(await self.services.mail.message(request.id, name))

    @serves(wire.Status)
    def _status(self, request: wire.Status) -> Fields:
        return {"unread": self.services.mail.unread(self.participant.name)}

    @serves(wire.Recent)
    def _recent(self, request: wire.Recent) -> Large:
        return Large(lambda: self._read_recent(request))

    async def _read_recent(self, request: wire.Recent) -> Fields:
        mail, name = self.services.mail, self.participant.name
        if request.unread:
            now = self.services.clock.now()
            found = await mail.deliverable(name, request.max, now, request.body_max)
        else:
            found = await mail.recent(name, request.max, request.body_max)
        return {"messages": [inbox_row(message, length) for message, length in found]}

    @serves(wire.Whoami)
    def _whoami(self, request: Request) -> Fields:
        kind = self.participant.record.kind
        fields = {"name": self.participant.name, "kind": kind.value, "host": self.services.host}
        if kind is Kind.MANAGER:
            return {**fields, "capabilities": list(self.services.capabilities)}
        return fields

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
        fields: dict[str, object] = {
            "questions_asked": [question_row(q, now) for q in asked if q.asker == name],
            "questions_to_answer": [question_row(q, now) for q in asked if q.target == name],
            "reminders": [reminder_row(message, now) for message in reminders],
        }
        approvals = self.services.proposals.waiting_of(name)
        schedules = self.services.schedules.asked_by(name)
        if approvals or schedules or self.participant.record.kind is Kind.MANAGER:
            fields["approvals"] = [approval_row(each, now) for each in approvals]
            fields["schedules"] = [schedule_row(each) for each in schedules]
        return fields


class AgentConnection(AgentHandlers, HarnessHandlers):
    """A connection to the socket of an agent or a peer."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(
        wire.AgentRequest, {"the operator": HostRequest, "the manager": wire.ManagerRequest}
    )

    def opened(self) -> None:
        """Record that the participant is connected."""
        self.services.registry.touch(self.participant)

    def closed(self) -> None:
        """Remove the state that a harness has reported on this connection."""
        self.services.registry.touch(self.participant)
        self.unregister_harness()

    @serves(wire.Hello)
    def _hello(self, request: wire.Hello) -> Answer:
        written = self.register_harness(request.version) if request.role == "harness" else ()
        self.driver = request.driver
        return answer_after(written, self._whoami(request))


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
