"""Messages that the model of an interactive session has taken and not finished."""

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
"""Seconds before a message that a model took and did not finish returns to the inbox."""


@define(eq=False)
class SessionMail:
    """The `LeasedMail` of an interactive session: finished messages are acked at once.

    Only messages that the model names are acked, and it can only name messages that it has seen.
    A held message keeps its lease while the user thinks, but at most for `hold` seconds: a message
    that the model has forgotten is redelivered.

    Attributes:
        client: Connection of the participant.
        hold: Seconds for which a message is held.
    """

    client: AgentClient
    hold: float = HOLD
    _leases: Leases = field(init=False)
    _since: dict[int, float] = field(factory=dict, init=False)
    _tasks: tuple[asyncio.Task[None], ...] = field(default=(), init=False)

    def __attrs_post_init__(self) -> None:
        self._leases = Leases(self.client)

    def held(self) -> tuple[Delivery, ...]:
        """Return the messages that the model took and has not finished, oldest first."""
        return self._leases.held()

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Lease as many messages as fit into one tool result; if cancelled, put them back.

        Raises:
            HiveError: The request failed.
        """
        self._start_heartbeats()
        taken = await self._leases.recv(most, wait=wait, max_bytes=BATCH_BYTES)
        try:
            await self._leases.flush()
        except asyncio.CancelledError:
            await self._leases.put_back(taken, "the tool call was cancelled")
            raise
        self._since.update(dict.fromkeys((message.id for message in taken), _now()))
        return taken

    async def done(self, ids: Sequence[int]) -> None:
        """Ack messages; one whose lease has ended is acked when it is redelivered.

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
        """Put all held messages back, without counting an attempt; the session ends."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._leases.close("the session has ended")

    def _start_heartbeats(self) -> None:
        if not self._tasks:
            self._tasks = (
                asyncio.create_task(self._leases.beat(in_turn=False), name="heartbeats"),
                asyncio.create_task(self._put_back_forgotten(), name="forgotten messages"),
            )

    async def _put_back_forgotten(self) -> None:
        """Nack messages that are held longer than `hold`, as failed; until cancelled."""
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
