"""The asyncio client of a participant's socket: one connection, many requests at once."""

# ruff: noqa: A002 - parameters are called what the wire calls them

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from actors import Backoff
from hive.client.api import (
    Delivery,
    Identity,
    NackMode,
    Presence,
    Role,
    Sent,
    StoredMessage,
    from_row,
    from_rows,
)
from hive.client.caller import ANSWER_TIMEOUT, Caller
from hive.client.calls import Repeat
from hive.client.responses import Fields

RECONNECT = Backoff(base=0.1, factor=2.0, cap=15.0, jitter=0.2)
"""Delays between attempts to reach the daemon."""


class SocketClient:
    """A participant's connection to its hive; implements `hive.client.api.AgentClient`.

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

    async def send(self, to: str, body: str, *, in_reply_to: int | None = None) -> Sent:
        """Store a message for a participant; returns once it is on disk."""
        answer = await self._once("send", to=to, body=body, in_reply_to=in_reply_to)
        return Sent(
            answer.get("id"),
            tuple(answer.get("recipients", ())),
            tuple(row["name"] for row in answer.get("skipped", ())),
            bool(answer.get("duplicate")),
            answer.get("parked"),
        )

    async def recv(
        self, *, max: int = 1, wait: float = 0.0, ack: Sequence[int] = ()
    ) -> tuple[Delivery, ...]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        Cancelling gives back what still arrives.
        """
        request = {"cmd": "recv", "max": max, "wait_seconds": wait, "ack": list(ack) or None}
        future = self._caller.request(request, Repeat.ALWAYS, wait + ANSWER_TIMEOUT)
        return from_rows(Delivery, (await future)["messages"])

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

    async def recent(self, max: int = 20) -> tuple[StoredMessage, ...]:
        """Return the newest messages of the own inbox without leasing them."""
        return from_rows(StoredMessage, (await self._call("recent", max=max))["messages"])

    async def whoami(self) -> Identity:
        """Return who the daemon takes this client for."""
        return from_row(Identity, await self._call("whoami"))

    async def who(self) -> tuple[Presence, ...]:
        """Return all participants with their presence."""
        return from_rows(Presence, (await self._call("who"))["participants"])

    async def set_status(self, text: str) -> None:
        """Set the line that the operator's view shows; empty clears it."""
        await self._call("set_status", text=text)

    async def wake(self, label: str, body: str, *, transient: bool = False) -> None:
        """Put a message into the own inbox under a free label."""
        request = {"cmd": "wake", "from": label, "body": body, "transient": transient}
        await self._caller.request(request, Repeat.UNWRITTEN)

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
