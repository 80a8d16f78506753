"""The mail that a model has taken and is not done with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from attrs import define, field, frozen

from hive.client.api import AgentClient, Delivery
from hive.errors import HiveError, NotFoundError, StaleLeaseError, TimedOutError, UnavailableError
from hive.harness.desk import BEATS_PER_LEASE, ENOUGH, LAST_REQUEST
from hive.wire.agent import RECV_MAX
from hive.wire.enums import NackMode

logger = logging.getLogger(__name__)

HOLD = 3600.0
"""Seconds for which a message stays with a model that does nothing about it."""

TRY_AGAIN = 30.0
"""Seconds until the next heartbeat after one that failed."""


class Tray(Protocol):
    """Where `recv` gets messages from, and where `reply` and `ack` say that they are done.

    What is done with it decides when the hive is told: an interactive session acks at once, a
    driver when its turn has succeeded.
    """

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with, oldest first."""
        ...

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Lease up to `most` messages, waiting up to `wait` seconds for the first."""
        ...

    async def done(self, ids: Sequence[int]) -> None:
        """Take note that the model is done with messages that are held."""
        ...


@frozen
class _Held:
    message: Delivery
    since: float


@define(eq=False)
class SessionTray:
    """The tray of an interactive session: what the model says is done is acked at once.

    Nothing is acked that the model did not name, and it can only name what it saw. What it holds
    keeps its lease, however long the user thinks, but no longer than `hold`: a model that has
    forgotten a message gets it again.

    Attributes:
        hold: Seconds for which a message stays here.
    """

    client: AgentClient
    hold: float = HOLD
    _held: dict[int, _Held] = field(factory=dict, init=False)
    _done: set[int] = field(factory=set, init=False)
    _keeper: asyncio.Task[None] | None = field(default=None, init=False)

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with, oldest first."""
        return tuple(each.message for each in self._held.values())

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Lease messages, until there are `most` or they are long enough together.

        If it is cancelled, nobody has seen them and they go back.
        """
        taken: list[Delivery] = []
        try:
            while len(taken) < most and sum(len(each.body) for each in taken) < ENOUGH:
                fresh = await self._next(0.0 if taken else wait)
                if fresh is None:
                    break
                taken.append(fresh)
        except asyncio.CancelledError:
            await self._give_back(taken, "the tool call was cancelled")
            raise
        except HiveError:
            if not taken:
                raise
        self._remember(taken)
        return tuple(taken)

    async def done(self, ids: Sequence[int]) -> None:
        """Ack messages; one whose lease was lost meanwhile is acked when it is delivered again.

        Raises:
            NotFoundError: When one of them is not held; the others are not acked either.
        """
        missing = [number for number in ids if number not in self._held]
        if missing:
            raise NotFoundError(_not_held(missing, self._held))
        for number in ids:
            self._held.pop(number, None)
        await self._ack(ids)

    async def close(self) -> None:
        """Give back what is held, without burning an attempt, because the session ends."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._give_back(self.held(), "the session has ended")
        self._held.clear()

    async def _next(self, wait: float) -> Delivery | None:
        """Lease one message that the model is not done with already."""
        while messages := await self.client.recv(max=1, wait=wait):
            if messages[0].id not in self._done:
                return messages[0]
            self._done.discard(messages[0].id)
            await self._ack([messages[0].id])
        return None

    async def _ack(self, ids: Sequence[int]) -> None:
        try:
            await self.client.ack(ids)
        except (UnavailableError, TimedOutError) as error:
            logger.info("%s; it is acked when it is delivered again", error)
            self._done.update(ids)
        except StaleLeaseError:
            self._done.update(ids)
            await self._make_good()

    async def _make_good(self) -> None:
        """Ack what went back to the inbox before the model was done with it: it is in front there.

        What is not, because something more urgent has come, is acked when it is delivered again.
        """
        with suppress(HiveError):
            back = await self.client.recv(max=min(len(self._done), RECV_MAX))
            done = [message.id for message in back if message.id in self._done]
            await self._give_back(
                [message for message in back if message.id not in done], "only looked at"
            )
            if done:
                await self.client.ack(done)
                self._done.difference_update(done)

    def _remember(self, taken: Iterable[Delivery]) -> None:
        for message in taken:
            self._held[message.id] = _Held(message, _now())
        if self._held and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.create_task(self._keep(), name="leases of a session")

    async def _keep(self) -> None:
        """Keep the leases while something is held, and let go of what is held too long."""
        while self._held:
            try:
                pause = await self.client.heartbeat() / BEATS_PER_LEASE
            except HiveError as error:
                logger.info("no heartbeat: %s", error)
                pause = TRY_AGAIN
            await asyncio.sleep(min(pause, self._next_end()))
            await self._let_go()

    def _next_end(self) -> float:
        oldest = min((each.since for each in self._held.values()), default=_now())
        return max(0.0, oldest + self.hold - _now())

    async def _let_go(self) -> None:
        late = [each for each in self._held.values() if each.since + self.hold <= _now()]
        for each in late:
            del self._held[each.message.id]
        reason = f"shown to the model {self.hold:g} s ago, neither replied to nor acked"
        await self._give_back([each.message for each in late], reason, NackMode.FAIL)

    async def _give_back(
        self, messages: Iterable[Delivery], reason: str, mode: NackMode = NackMode.DEFER
    ) -> None:
        """Give messages back; if the daemon is away, the end of the connection has done it."""
        nacks = [
            self.client.nack(each.id, mode=mode, reason=reason, lease=each.lease)
            for each in messages
        ]
        try:
            async with asyncio.timeout(LAST_REQUEST):
                ended = await asyncio.gather(*nacks, return_exceptions=True)
        except TimeoutError:
            logger.info("mail goes back when the connection ends")
        else:
            for error in filter(None, ended):
                logger.info("mail was not given back: %s", error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _not_held(missing: Sequence[int], held: Iterable[int]) -> str:
    yours = ", ".join(map(str, held)) or "nothing"
    return (
        f"you do not hold {', '.join(map(str, missing))} (you hold {yours}): it was done before, "
        "or it went back to your inbox; if so, recv gives it to you again"
    )
