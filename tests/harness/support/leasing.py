"""Leases of the hive in memory; a request takes effect between two awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

from attrs import define, field

from hive.client.agent import Delivery
from hive.errors import HiveError, StaleLeaseError
from hive.wire.enums import NackMode


def mail(number: int, body: str = "hi") -> Delivery:
    return Delivery(
        number, "bob", body, "2026-11-22T14:00:00.000Z", 1, False, f"{number}.0", "agent"
    )


@define(eq=False)
class LeasingClient:
    """A client whose every request can be cancelled before it takes effect, and before its answer.

    Attributes:
        queued: Messages in the inbox.
        leased: Leases by message id.
        acked: Ids of acked messages, in order.
        nacked: Id, mode and reason of nacked messages; none for a `recv` that was cancelled.
        failures: Errors that the next requests of a verb raise.
        requests: The verbs, in order.
        hang: Verbs that are not answered.
        limits: The bytes that each `recv` was limited to.
        beats: Time and ids of each heartbeat.
    """

    queued: list[Delivery] = field(factory=list)
    leased: dict[int, str] = field(factory=dict)
    acked: list[int] = field(factory=list)
    nacked: list[tuple[int, NackMode, str]] = field(factory=list)
    failures: dict[str, list[HiveError]] = field(factory=dict)
    requests: list[str] = field(factory=list)
    hang: set[str] = field(factory=set)
    limits: list[int | None] = field(factory=list)
    beats: list[tuple[float, list[int]]] = field(factory=list)
    _leases: count[int] = field(factory=lambda: count(1))
    _came: asyncio.Event = field(factory=asyncio.Event)

    def post(self, *numbers: int) -> None:
        self.queued.extend(mail(number) for number in numbers)
        self._came.set()

    def lose(self, number: int) -> None:
        """Put a message back, as at the end of a lease."""
        del self.leased[number]
        self.post(number)

    async def recv(
        self,
        *,
        max: int = 1,  # noqa: A002
        wait: float = 0.0,
        ack: Sequence[int] = (),
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> tuple[Delivery, ...]:
        await self._begin("recv")
        self.limits.append(max_bytes)
        self._ack(ack)
        while wait and (urgent or not self.queued):
            self._came.clear()
            await self._came.wait()
        given = [self._lease(self.queued.pop(0)) for _ in range(min(max, len(self.queued)))]
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            for message in given:  # as the real client does
                del self.leased[message.id]
                self.queued.append(message)
            raise
        return tuple(given)

    async def ack(self, ids: Sequence[int], *, lease: str | None = None) -> None:
        await self._begin("ack")
        self._ack(ids)
        await asyncio.sleep(0)

    async def nack(
        self,
        id: int,  # noqa: A002
        *,
        mode: NackMode,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> None:
        await self._begin("nack")
        if self.leased.get(id) != lease:
            raise StaleLeaseError(f"message {id} is not held")
        del self.leased[id]
        self.nacked.append((id, mode, reason or ""))
        await asyncio.sleep(0)

    async def heartbeat(self, ids: Sequence[int] = ()) -> float:
        await self._begin("heartbeat")
        self.beats.append((asyncio.get_running_loop().time(), list(ids)))
        await asyncio.sleep(0)
        return 90.0

    async def status(self) -> int:
        await self._begin("status")
        return len(self.queued) + len(self.leased)

    async def loose_ends(self) -> object:
        await self._begin("loose_ends")
        raise HiveError("not known")

    async def turn(self, record: object) -> None:
        """Record a turn."""

    async def limited(self, account: str, until: float, reason: str) -> None:
        """Record a limit."""

    async def _begin(self, verb: str) -> None:
        self.requests.append(verb)
        await (asyncio.Event().wait() if verb in self.hang else asyncio.sleep(0))
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)

    def _lease(self, message: Delivery) -> Delivery:
        lease = f"{message.id}.{next(self._leases)}"
        self.leased[message.id] = lease
        return Delivery(
            message.id, message.sender, message.body, message.sent_at, 1, False, lease, "agent"
        )

    def _ack(self, ids: Sequence[int]) -> None:
        """Ack leased messages; a repeated ack is no error."""
        stale = []
        for number in ids:
            if self.leased.pop(number, None) is not None:
                self.acked.append(number)
            elif number not in self.acked:
                stale.append(number)
        if stale:
            raise StaleLeaseError(f"messages {stale} are not held; the others are acked")
