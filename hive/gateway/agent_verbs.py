"""What an agent's or a peer's socket answers.

One object per connection. Who speaks is decided when the connection is made, by the socket it came
in through; no field of any request can change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen
from msgspec import UNSET

import actors
from hive.broker import requests
from hive.broker.router import Router
from hive.broker.sessions import queue_holder
from hive.broker.values import Delivery, Draft, Sent
from hive.clock import Clock, rfc3339
from hive.config import Limits
from hive.core.harnesses import Harnesses
from hive.core.snapshot import Snapshot
from hive.errors import NotFoundError
from hive.gateway.answers import Answer, Asked, Fields, later
from hive.gateway.harness_verbs import HarnessVerbs
from hive.gateway.loose_end_verbs import LooseEndVerbs
from hive.gateway.rows import inbox_row, message_row, receipt_row
from hive.participants.members import Member
from hive.participants.roster import Roster
from hive.store import Kind, Message, MessageKind, Origin, Priority
from hive.wire import agent as wire
from hive.wire import words
from hive.wire.base import Request, Response
from hive.wire.rows import Received, SkippedRow, Stored


@frozen
class AgentServices:
    """What the verbs of a participant's socket need.

    Attributes:
        host: The name of this machine, for `whoami`.
        lease_seconds: How long a lease lasts, for those who extend theirs.
    """

    router: Router
    roster: Roster
    snapshot: Snapshot
    clock: Clock
    harnesses: Harnesses
    host: str
    lease_seconds: float = Limits().lease_seconds


class AgentVerbs:
    """The verbs of one connection to a participant's socket."""

    def __init__(self, member: Member, origin: Origin, services: AgentServices) -> None:
        self._member = member
        self._origin = origin
        self._services = services
        self._router = services.router
        self._session = self._router.open_session(member.name, origin)
        services.roster.seen(member)
        self._harness = HarnessVerbs(member, services.harnesses)
        self._table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.Send: self._send,
            wire.Recv: self._recv,
            wire.Ack: self._ack,
            wire.Nack: self._nack,
            wire.AckTurn: self._ack_turn,
            wire.Heartbeat: self._heartbeat,
            wire.Receipts: self._receipts,
            wire.Verify: self._verify,
            wire.RequeueInflight: self._requeue_inflight,
            wire.Status: self._status,
            wire.Recent: self._recent,
            wire.Whoami: self._whoami,
            wire.Who: self._who,
            wire.SetStatus: self._set_status,
            wire.Wake: self._wake,
            wire.Hello: self._hello,
            **LooseEndVerbs(member, origin, services.router, services.clock).table,
            **self._harness.table,
        }

    def handle(self, request: Request) -> Answer:
        """Answer one request; whatever it asks, the session is alive."""
        if type(request) not in _ALIVE_BY_THEMSELVES:
            self._router.heartbeat(self._session)
        return self._table[type(request)](request)

    def close(self) -> None:
        """Give back what this connection had leased and say good-bye."""
        self._router.close_session(self._session)
        self._harness.leave()

    def _send(self, request: wire.Send) -> Answer:
        draft = draft_of(request, self._member.name, self._member.record.kind, self._origin)
        return self._asked(requests.Send(draft, self._session), stored)

    def _recv(self, request: wire.Recv) -> Answer:
        wait = request.wait_seconds
        recv = requests.Recv(
            self._session, request.max, wait, tuple(request.ack), request.queue, request.urgent
        )
        return self._asked(recv, _received, ordered=wait == 0)

    def _asked(
        self,
        request: actors.Request[Any],
        fields: Callable[[Any], Fields | Response],
        *,
        ordered: bool = True,
    ) -> Asked:
        """Ask the broker without a future, for the verbs of which there are many."""
        return Asked(partial(self._router.send_request, request), fields, ordered=ordered)

    def _ack(self, request: wire.Ack) -> Answer:
        return self._asked(requests.Ack(self._session, tuple(request.ids), request.lease), _nothing)

    def _nack(self, request: wire.Nack) -> Answer:
        nacked = self._router.nack(
            self._session,
            request.id,
            request.mode,
            delay=request.delay_seconds,
            reason=request.reason,
            lease=request.lease,
        )
        return later(nacked, _nothing)

    def _ack_turn(self, request: wire.AckTurn) -> Answer:
        return later(self._router.ack_turn(self._session), _nothing)

    def _heartbeat(self, request: wire.Heartbeat) -> Answer:
        lasting = {"lease_seconds": self._services.lease_seconds}
        if not request.ids:
            self._router.heartbeat(self._session)
            return lasting
        return later(self._router.begin(self._session, request.ids), lambda _: lasting)

    async def _receipts(self, request: wire.Receipts) -> Fields:
        traces = [await self._router.trace(number) for number in request.ids]
        for message, _ in traces:
            if message.sender != self._member.name:
                raise NotFoundError(f"{self._member.name!r} sent no message {message.id}")
        return {"receipts": [receipt_row(message, steps) for message, steps in traces]}

    async def _verify(self, request: wire.Verify) -> Fields:
        message = await self._router.message(request.id)
        mine = {message.inbox, message.sender, queue_holder(message)}
        if self._member.name not in mine:
            raise NotFoundError(
                f"message {request.id} is neither to {self._member.name!r} nor from it"
            )
        return verified_fields(message)

    def _requeue_inflight(self, request: wire.RequeueInflight) -> Answer:
        requeued = self._router.requeue_inflight(self._session)
        return later(requeued, lambda count: {"requeued": count})

    def _status(self, request: wire.Status) -> Fields:
        return {"unread": self._router.unread(self._member.name)}

    async def _recent(self, request: wire.Recent) -> Fields:
        rows = await self._router.inbox(self._member.name, request.max)
        return {"messages": [inbox_row(row) for row in rows]}

    def _whoami(self, request: wire.Whoami) -> Fields:
        return {
            "name": self._member.name,
            "kind": self._member.record.kind.value,
            "host": self._services.host,
        }

    def _who(self, request: wire.Who) -> Fields:
        return {"participants": self._services.snapshot.who()}

    async def _set_status(self, request: wire.SetStatus) -> Fields:
        await self._services.roster.save(
            self._member,
            status_text=request.text or None,
            status_set_at=self._services.clock.now() if request.text else None,
        )
        return {}

    def _wake(self, request: wire.Wake) -> Answer:
        draft = Draft(
            sender=self._member.name,
            sender_kind=self._member.record.kind,
            to=self._member.name,
            body=request.body,
            label=request.label,
            kind=MessageKind.WAKE,
            transient=request.transient,
            origin=self._origin,
        )
        return later(self._router.send(draft), stored)

    def _hello(self, request: wire.Hello) -> Fields:
        if request.role == "harness":
            self._harness.arrive()
        return dict(self._whoami(wire.Whoami()))


_ALIVE_BY_THEMSELVES = frozenset(
    {wire.Send, wire.Recv, wire.Ack, wire.Nack, wire.AckTurn, wire.Heartbeat}
)
"""Requests by which the broker sees by itself that the session is alive."""


_PRIORITIES = {word: Priority[word.name] for word in words.Priority}


def draft_of(request: wire.Posting, sender: str, kind: Kind, origin: Origin) -> Draft:
    """Return the message that a request asks to send; who sends it is not in the request."""
    return Draft(
        sender=sender,
        sender_kind=kind,
        to=request.to,
        body=request.body,
        in_reply_to=request.in_reply_to,
        origin=origin,
        priority=_PRIORITIES[request.priority],
        ttl=request.ttl_seconds,
        not_before=request.not_before,
        delay=request.delay_seconds,
        dedupe_key=request.dedupe_key,
        supersede_key=request.supersede_key,
    )


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


def stored(sent: Sent) -> Stored:
    """Return the answer to a send: the first id, who has it, and whom it could not reach.

    A transient message that nobody heard has no id.
    """
    return Stored(
        ok=True,
        id=UNSET if sent.id is None else sent.id,
        recipients=sent.recipients,
        duplicate=sent.duplicate,
        parked=sent.parked,
        skipped=[SkippedRow(name=each.name, reason=each.why) for each in sent.skipped],
    )


def _received(deliveries: Sequence[Delivery]) -> Received:
    return Received(ok=True, messages=[message_row(delivery) for delivery in deliveries])


def _nothing(done: object) -> Fields:
    return {}
