"""A small daemon with the real wire, a real socket, and one inbox in memory.

Like the real one: leases belong to a connection and end with it, acks are fenced, a parked `recv`
blocks no other request, all state except the leases survives a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import accumulate, count
from pathlib import Path
from typing import cast

from attrs import define, field

from hive.errors import HiveError, StaleLeaseError, TooLargeError
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder, encode_error, encode_ok, request_id
from hive.wire.framing import LineBuffer, TooLong
from hive.wire.rows import Delivery, QuestionRow, ReceiptRow, StepRow, WhoRow

BODY_MAX = 64 * 1024


@define(eq=False)
class Item:
    id: int
    sender: str
    body: str
    in_reply_to: int | None
    kind: str
    label: str | None = None
    priority: str | None = None
    state: str = "queued"
    attempts: int = 0
    deliveries: int = 0
    holder: Connection | None = None
    lease: str = ""
    reasons: list[tuple[str, str | None]] = field(factory=list)
    not_before: float = 0.0

    def row(self) -> Delivery:
        return Delivery(
            id=self.id,
            sender=self.sender,
            body=self.body,
            sent_at="2026-11-22T14:00:00.000Z",
            attempt=self.attempts,
            redelivered=self.deliveries > 1,
            lease=self.lease,
            kind=self.kind,
            in_reply_to=self.in_reply_to,
            label=self.label,
            priority=self.priority,
        )


@define(eq=False)
class Daemon:
    """The socket of the participant `alice`."""

    path: Path
    items: dict[int, Item] = field(factory=dict)
    sent: list[wire.Send] = field(factory=list)
    requests: list[Request] = field(factory=list)
    greeted: list[wire.Hello] = field(factory=list)
    refusals: dict[type[Request], list[HiveError]] = field(factory=dict)
    hold: set[type[Request]] = field(factory=set)
    version: int = 1
    noise: bytes = b""
    orders: list[dict[str, object]] = field(factory=list)
    open_question: QuestionRow | None = None
    _connections: list[Connection] = field(factory=list)
    _ids: count[int] = field(factory=lambda: count(1))
    _server: asyncio.Server | None = None
    _changed: asyncio.Event = field(factory=asyncio.Event)

    async def __aenter__(self) -> Daemon:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self), str(self.path))

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.end()
        await self.until(lambda: not self._connections)
        await self._server.wait_closed()
        self._server = None
        self.path.unlink(missing_ok=True)

    def post(
        self,
        body: str,
        *,
        sender: str = "bob",
        in_reply_to: int | None = None,
        kind: str = "agent",
        priority: str | None = None,
    ) -> int:
        item = Item(next(self._ids), sender, body, in_reply_to, kind, priority=priority)
        self.items[item.id] = item
        self.deliver()
        return item.id

    def state(self, message_id: int) -> str:
        return self.items[message_id].state

    def of(self, kind: type[Request]) -> list[Request]:
        return [request for request in self.requests if isinstance(request, kind)]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until a condition holds; checked after every request and end of a connection."""
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def deliver(self) -> None:
        for connection in self._connections:
            connection.serve_parked()
        self._changed.set()

    def lease(self, connection: Connection, request: wire.Recv) -> list[Delivery]:
        now = asyncio.get_running_loop().time()
        ready = [i for i in self.items.values() if i.state == "queued" and i.not_before <= now]
        if request.urgent:
            ready = [item for item in ready if item.priority == "high"]
        ready = ready[: request.max]
        if request.max_bytes is not None:
            sizes = accumulate(len(item.body.encode()) for item in ready)
            fit = sum(size <= request.max_bytes for size in sizes)
            ready = ready[: max(1, fit)]
        for item in ready:
            item.state, item.holder = "leased", connection
            item.attempts += 1
            item.deliveries += 1
            item.lease = f"{item.id}.{item.deliveries}"
        return [item.row() for item in ready]

    def order(self, kind: str, **facts: object) -> None:
        """Add a control order, which the parked or next poll returns."""
        self.orders.append({"seq": len(self.orders) + 1, "order": kind, **facts})
        for connection in self._connections:
            connection.serve_orders()

    def ack(self, connection: Connection, ids: list[int], lease: str | None) -> None:
        for message_id in ids:
            self._held(connection, message_id, lease).state = "acked"

    def nack(self, connection: Connection, request: wire.Nack) -> None:
        item = self._held(connection, request.id, request.lease)
        item.reasons.append((request.mode, request.reason))
        item.state = "dead" if request.mode == "reject" else "queued"
        if request.mode == "defer":
            item.attempts -= 1
        loop = asyncio.get_running_loop()
        item.not_before = loop.time() + (request.delay_seconds or 0.0)
        if request.delay_seconds:
            loop.call_at(item.not_before + 0.001, self.deliver)

    def joined(self, connection: Connection) -> None:
        self._connections.append(connection)

    def left(self, connection: Connection) -> None:
        self._connections.remove(connection)
        for item in self.items.values():
            if item.state == "leased" and item.holder is connection:
                item.state = "queued"
        self.deliver()

    def handle(  # noqa: PLR0911, PLR0912 - a table of answers
        self, connection: Connection, request: Request
    ) -> bytes | None:
        self.requests.append(request)
        if self.refusals.get(type(request)):
            return encode_error(self.refusals[type(request)].pop(0), request.req)
        match request:
            case wire.Send():
                return self._send(request)
            case wire.Recv():
                self.ack(connection, request.ack, None)
                return connection.park(request)
            case wire.Ack():
                self.ack(connection, request.ids, request.lease)
            case wire.Nack():
                self.nack(connection, request)
            case wire.Hello():
                self.greeted.append(request)
            case wire.Wake():
                item = Item(next(self._ids), "alice", request.body, None, "agent", request.label)
                self.items[item.id] = item
                return encode_ok(request.req, id=item.id)
            case wire.Status():
                unread = sum(item.state in {"queued", "leased"} for item in self.items.values())
                return encode_ok(request.req, unread=unread)
            case wire.Whoami():
                return encode_ok(request.req, name="alice", kind="agent", host="box", motto="new")
            case wire.Who():
                row = WhoRow(name="bob", kind="peer", connected=False)
                return encode_ok(request.req, participants=[row])
            case wire.Heartbeat():
                for message_id in request.ids:
                    self._held(connection, message_id, None)
                return encode_ok(request.req, lease_seconds=90.0)
            case wire.Verify():
                return encode_ok(request.req, **{"from": "bob"}, operator_verified=False)
            case wire.Receipts():
                step = StepRow(step="stored", at="2026-11-22T14:00:00.000Z")
                row = ReceiptRow(id=request.ids[0], to="bob", state="stored", steps=[step])
                return encode_ok(request.req, receipts=[row])
            case wire.PollOrders():
                return connection.orders(request)
            case wire.ListOpenItems():
                asked = [] if self.open_question is None else [self.open_question]
                return encode_ok(
                    request.req, questions_asked=asked, questions_to_answer=[], reminders=[]
                )
            case wire.Recent():
                return encode_ok(request.req, messages=[])
            case _:
                pass
        return encode_ok(request.req)

    def _held(self, connection: Connection, message_id: int, lease: str | None) -> Item:
        item = self.items[message_id]
        held = item.state == "leased" and item.holder is connection
        if not held or lease not in (None, item.lease):
            raise StaleLeaseError(f"message {message_id} is not held by this connection")
        return item

    def _send(self, request: wire.Send) -> bytes:
        size = len(request.body.encode())
        if size > BODY_MAX:
            raise TooLargeError(f"the body has {size} bytes, {BODY_MAX} are allowed")
        self.sent.append(request)
        return encode_ok(request.req, id=next(self._ids))


class Connection(asyncio.Protocol):
    decoder: RequestDecoder[Request] = RequestDecoder(wire.AgentRequest)

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lines = LineBuffer()
        self._parked: dict[int, tuple[wire.Recv, asyncio.TimerHandle]] = {}
        self._transport: asyncio.Transport | None = None
        self._polled = False
        self._polling: wire.PollOrders | None = None
        self._poll_end: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._daemon.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        for _, timer in self._parked.values():
            timer.cancel()
        if self._polling is not None:
            self._poll_end.cancel()
        self._transport = None
        self._daemon.left(self)

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            assert not isinstance(line, TooLong)
            self._answer(line)
        self._daemon.deliver()

    def end(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def park(self, request: wire.Recv) -> bytes | None:
        messages = self._daemon.lease(self, request)
        if messages or not request.wait_seconds:
            return encode_ok(request.req, messages=messages)
        timer = asyncio.get_running_loop().call_later(
            request.wait_seconds, self._end_wait, id(request)
        )
        self._parked[id(request)] = request, timer
        return None

    def orders(self, request: wire.PollOrders) -> bytes | None:
        """Answer the first poll at once, later ones when there is an order."""
        fresh = [row for row in self._daemon.orders if cast("int", row["seq"]) > request.after]
        if fresh or not self._polled:
            self._polled = True
            return encode_ok(request.req, orders=fresh)
        self._polling = request
        loop = asyncio.get_running_loop()
        self._poll_end = loop.call_later(request.wait_seconds, self._end_poll)
        return None

    def _end_poll(self) -> None:
        assert self._polling is not None
        request, self._polling = self._polling, None
        self.write(encode_ok(request.req, orders=[]))

    def serve_orders(self) -> None:
        if self._polling is not None:
            request, self._polling = self._polling, None
            self._poll_end.cancel()
            self.write(self.orders(request) or b"")

    def serve_parked(self) -> None:
        for key, (request, timer) in tuple(self._parked.items()):
            messages = self._daemon.lease(self, request)
            if messages:
                timer.cancel()
                del self._parked[key]
                self.write(encode_ok(request.req, messages=messages))

    def _end_wait(self, key: int) -> None:
        request, _ = self._parked.pop(key)
        self.write(encode_ok(request.req, messages=[]))

    def _answer(self, line: bytes) -> None:
        try:
            request = self.decoder.decode(line)
            if type(request) in self._daemon.hold:
                self._daemon.requests.append(request)
                return
            answer = self._daemon.handle(self, request)
        except HiveError as error:
            answer = encode_error(error, request_id(line))
        if answer is not None:
            newer = f'"version":{self._daemon.version}'.encode()
            self.write(self._daemon.noise + answer.replace(b'"version":1', newer, 1))
