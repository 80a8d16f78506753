"""Messages that the model of an interactive session has taken and is not done with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from attrs import define, field

from hive.client.agent import AgentClient, Delivery
from hive.errors import HiveError, NotFoundError
from hive.harness.leases import BATCH_BYTES, Leases
from hive.wire.enums import NackMode

HOLD = 3600.0
"""Seconds for which a message stays with a model that does nothing about it."""


@define(eq=False)
class SessionMail:
    """The `LeasedMail` of an interactive session: what the model is done with is acked at once.

    Nothing is acked that the model did not name, and it can only name what it saw. What it holds
    keeps its lease, however long the user thinks, but no longer than `hold`: a model that has
    forgotten a message gets it again.

    Attributes:
        hold: Seconds for which a message stays here.
    """

    client: AgentClient
    hold: float = HOLD
    _leases: Leases = field(init=False)
    _since: dict[int, float] = field(factory=dict, init=False)
    _tasks: tuple[asyncio.Task[None], ...] = field(default=(), init=False)

    def __attrs_post_init__(self) -> None:
        self._leases = Leases(self.client)

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with, oldest first."""
        return self._leases.held()

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Lease messages, as many as fit into one result; if cancelled, they go back.

        Raises:
            HiveError: The request failed.
        """
        self._keep_leases()
        taken = await self._leases.recv(most, wait=wait, max_bytes=BATCH_BYTES)
        try:
            await self._leases.flush()
        except asyncio.CancelledError:
            await self._leases.put_back(taken, "the tool call was cancelled")
            raise
        self._since.update(dict.fromkeys((message.id for message in taken), _now()))
        return taken

    async def done(self, ids: Sequence[int]) -> None:
        """Ack messages; one whose lease was lost meanwhile is acked when it is delivered again.

        Raises:
            NotFoundError: One of them is not held; the others are not acked either.
        """
        held = [message.id for message in self.held()]
        if missing := [number for number in ids if number not in held]:
            raise NotFoundError(_not_held(missing, held))
        self._leases.finish(ids)
        for number in ids:
            self._since.pop(number, None)
        if not await self._leases.flush():
            with suppress(HiveError):
                await self._leases.ack_returned()

    async def close(self) -> None:
        """Put back what is held, without burning an attempt, because the session ends."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._leases.close("the session has ended")

    def _keep_leases(self) -> None:
        if not self._tasks:
            self._tasks = (
                asyncio.create_task(self._leases.beat(in_turn=False), name="heartbeats"),
                asyncio.create_task(self._put_back_forgotten(), name="forgotten messages"),
            )

    async def _put_back_forgotten(self) -> None:
        """Fail messages that are held too long, until cancelled."""
        while True:
            oldest = min(self._since.values(), default=_now())
            await asyncio.sleep(max(0.0, oldest + self.hold - _now()))
            reason = f"shown to the model {self.hold:g} s ago, neither replied to nor acked"
            for message in filter(self._is_late, self.held()):
                self._leases.give_back(message, NackMode.FAIL, reason)
                del self._since[message.id]
            await self._leases.flush()

    def _is_late(self, message: Delivery) -> bool:
        return message.id in self._since and self._since[message.id] + self.hold <= _now()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _not_held(missing: Sequence[int], held: Iterable[int]) -> str:
    yours = ", ".join(map(str, held)) or "nothing"
    return (
        f"you do not hold {', '.join(map(str, missing))} (you hold {yours}): it was done before, "
        "or it went back to your inbox; if so, recv gives it to you again"
    )
