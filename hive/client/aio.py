"""The asyncio client of a participant's socket: one connection, many requests at once."""

# ruff: noqa: A002 - parameters are called what the wire calls them

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import msgspec

from actors import Backoff
from hive.client.caller import ANSWER_TIMEOUT, Caller
from hive.client.calls import Repeat
from hive.client.responses import Fields
from hive.client.values import LooseEnds, Sent, orders_of
from hive.wire.codec import value_of
from hive.wire.enums import CancelKind, LiveKind, NackMode, OnExpiry, Priority, Role
from hive.wire.harness import LIVE_MAX, Activity, Order, TurnRecord
from hive.wire.rows import Delivery, Identity, InboxRow, Verified, WhoRow

RECONNECT = Backoff(base=0.1, factor=2.0, cap=15.0, jitter=0.2)
"""Delays between attempts to reach the daemon."""

CARE_TIMEOUT = 180.0
"""Seconds within which an agent has started or stopped."""


class SocketClient:
    """A participant's connection to its hive; implements `hive.client.api.ManagerClient`.

    The connection is made again whenever it is lost. What was asked meanwhile waits for it. A
    request that was on its way when the connection was lost fails with UnavailableError, since
    nobody knows what became of it, unless asking twice does no harm: then it is asked again.

    Args:
        path: The socket.
        patience: Seconds that a request waits for a connection before it fails.
        backoff: Delays between attempts to connect.
        random: Where jitter comes from.

    Use it as an async context manager, or call `open` and `close`.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: float = 60.0,
        backoff: Backoff = RECONNECT,
        random: Random | None = None,
    ) -> None:
        self._caller = Caller(
            path,
            patience=patience,
            backoff=backoff,
            random=random or Random(),  # noqa: S311 - jitter
            unclaimed=_give_back,
        )

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._caller.connected

    def open(self) -> None:
        """Begin to connect; requests may be made at once. Idempotent."""
        self._caller.open()

    async def close(self) -> None:
        """End the connection; requests without an answer fail with UnavailableError."""
        await self._caller.close()

    async def hello(self, role: Role, driver: str | None = None) -> None:
        """Say what speaks here, now and on every later connection."""
        greeting = {"cmd": "hello", "role": role.value, "driver": driver}
        await self._caller.request(greeting, Repeat.ALWAYS)
        self._caller.greet_with(greeting)

    async def send(
        self,
        to: str,
        body: str,
        *,
        in_reply_to: int | None = None,
        priority: Priority | None = None,
        ttl: float | None = None,
        delay: float | None = None,
        dedupe_key: str | None = None,
    ) -> Sent:
        """Store a message for a participant; returns once it is on disk.

        With a `dedupe_key` the request is repeated if the connection was lost on its way.
        """
        ask = self._once if dedupe_key is None else self._call
        answer = await ask(
            "send",
            to=to,
            body=body,
            in_reply_to=in_reply_to,
            priority=priority,
            ttl_seconds=ttl,
            delay_seconds=delay,
            dedupe_key=dedupe_key,
        )
        return Sent.of(answer)

    async def recv(
        self,
        *,
        max: int = 1,
        wait: float = 0.0,
        ack: Sequence[int] = (),
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> tuple[Delivery, ...]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        Cancelling gives back what still arrives.
        """
        request = {
            "cmd": "recv",
            "max": max,
            "wait_seconds": wait,
            "ack": list(ack) or None,
            "urgent": urgent or None,
            "max_bytes": max_bytes,
        }
        future = self._caller.request(request, Repeat.ALWAYS, wait + ANSWER_TIMEOUT)
        try:
            fields = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._caller.unclaimed(future.result())
            raise
        return value_of(tuple[Delivery, ...], fields["messages"])

    async def ack(self, ids: Sequence[int], *, lease: str | None = None) -> None:
        """Say that the work for these messages is done."""
        await self._once("ack", ids=list(ids), lease=lease)

    async def nack(
        self,
        id: int,
        *,
        mode: NackMode = NackMode.FAIL,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> None:
        """Give a leased message back, to be delivered again after `delay` seconds."""
        await self._once(
            "nack", id=id, mode=mode.value, delay_seconds=delay, reason=reason, lease=lease
        )

    async def heartbeat(self, ids: Sequence[int] = ()) -> float:
        """Say that this client is alive and works on these messages; return a lease's seconds."""
        return float((await self._call("heartbeat", ids=list(ids)))["lease_seconds"])

    async def ack_turn(self) -> None:
        """Ack everything that this connection has leased."""
        await self._once("ack_turn")

    async def requeue_inflight(self) -> None:
        """Give back everything that any connection of this participant has leased."""
        await self._call("requeue_inflight")

    async def status(self) -> int:
        """Return how many messages wait."""
        return int((await self._call("status"))["unread"])

    async def recent(self, max: int = 20) -> tuple[InboxRow, ...]:
        """Return the newest messages of the own inbox without leasing them."""
        return value_of(tuple[InboxRow, ...], (await self._call("recent", max=max))["messages"])

    async def whoami(self) -> Identity:
        """Return who the daemon takes this client for."""
        return value_of(Identity, await self._call("whoami"))

    async def who(self) -> tuple[WhoRow, ...]:
        """Return all participants with their presence."""
        return value_of(tuple[WhoRow, ...], (await self._call("who"))["participants"])

    async def set_status(self, text: str) -> None:
        """Set the line that the operator's view shows; empty clears it."""
        await self._call("set_status", text=text)

    async def wake(self, label: str, body: str, *, transient: bool = False) -> None:
        """Put a message into the own inbox under a free label."""
        request = {"cmd": "wake", "from": label, "body": body, "transient": transient}
        await self._caller.request(request, Repeat.UNWRITTEN)

    async def verify(self, id: int) -> Verified:
        """Return who sent a message of the own inbox, or one that this participant sent."""
        return value_of(Verified, await self._call("verify", id=id))

    # Questions, reminders, loose ends

    async def ask(
        self,
        question: str,
        *,
        options: Sequence[str] = (),
        multi: bool = False,
        to: str | None = None,
        ttl: float | None = None,
        on_expiry: OnExpiry = OnExpiry.DENY,
    ) -> int:
        """Put a question to somebody, by default the operator, and return its id at once."""
        answer = await self._once(
            "ask",
            question=question,
            options=list(options),
            multi=multi,
            to=to,
            ttl_seconds=ttl,
            on_expiry=on_expiry,
        )
        return int(answer["id"])

    async def answer(self, id: int, text: str) -> None:
        """Answer a question that was put to this participant; its asker gets a message."""
        await self._once("answer", id=id, answer=text)

    async def remind(
        self, message: str, *, delay: float | None = None, at: float | None = None
    ) -> int:
        """Leave a message for oneself, in `delay` seconds or at a Unix time; return its id."""
        answer = await self._once(
            "remind", message=message, delay_seconds=delay, at_unix_timestamp=at
        )
        return int(answer["id"])

    async def loose_ends(self) -> LooseEnds:
        """Return the questions that are open, in both directions, and the reminders to come."""
        return LooseEnds.of(await self._call("loose_ends"))

    async def cancel(self, kind: CancelKind, id: int) -> None:
        """Take back one's own reminder, question or message."""
        await self._once("cancel", kind=kind, id=id)

    # What a harness tells, and is told

    async def report(self, activity: Activity) -> None:
        """Say what the agent does now; said again by itself on every later connection."""
        request = msgspec.to_builtins(activity)
        await self._caller.request(request, Repeat.ALWAYS)
        self._caller.greet_with(request)

    async def turn(self, record: TurnRecord) -> None:
        """Record a finished turn."""
        await self._caller.request(msgspec.to_builtins(record), Repeat.ALWAYS)

    async def live(self, kind: LiveKind, text: str) -> None:
        """Show whoever watches what happens; without a connection there is nobody."""
        if self.connected:
            await self._once("live", kind=kind, text=text[:LIVE_MAX])

    async def limited(self, account: str, until: float, reason: str) -> None:
        """Say that the reported account is used up until a Unix time."""
        await self._call("limited", account=account, until=until, reason=reason)

    async def unlimited(self, account: str) -> None:
        """Say that the reported account can be used again."""
        await self._call("unlimited", account=account)

    async def orders(self, *, wait: float, after: int) -> tuple[Order, ...]:
        """Return the orders behind `after`, waiting up to `wait` seconds for the first."""
        request = {"cmd": "orders", "wait_seconds": wait, "after": after}
        future = self._caller.request(request, Repeat.ALWAYS, wait + ANSWER_TIMEOUT)
        return orders_of((await future)["orders"])

    # The manager's care of the other agents

    async def kill(self, name: str) -> None:
        """Stop an agent gracefully; returns when it has ended."""
        await self._care("kill", name=name)

    async def start(self, name: str) -> None:
        """Start a stopped or failed agent; returns when it runs."""
        await self._care("start", name=name)

    async def restart(self, name: str) -> None:
        """Stop an agent gracefully and start it again."""
        await self._care("restart", name=name)

    async def update(self, name: str) -> None:
        """Apply an agent's configuration anew."""
        await self._care("update", name=name)

    async def get_logs(self, name: str, lines: int = 100) -> tuple[str, ...]:
        """Return the last lines that an agent printed."""
        return tuple((await self._call("get_logs", name=name, lines=lines))["lines"])

    def _care(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        return self._caller.request({"cmd": cmd, **fields}, Repeat.UNWRITTEN, CARE_TIMEOUT)

    def _call(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        return self._caller.request({"cmd": cmd, **fields}, Repeat.ALWAYS)

    def _once(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        return self._caller.request({"cmd": cmd, **fields}, Repeat.UNWRITTEN)


def _give_back(fields: Fields) -> list[Fields]:
    """Return the requests that defer the messages of a `recv` that nobody waits for any more."""
    return [
        {
            "cmd": "nack",
            "id": row["id"],
            "mode": NackMode.DEFER.value,
            "lease": row["lease"],
            "reason": "the receiver went away",
        }
        for row in fields.get("messages", ())
        if isinstance(row, dict) and "lease" in row
    ]
