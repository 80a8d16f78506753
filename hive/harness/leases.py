"""Messages that are leased to this connection: in progress, or finished with their ack pending.

After a connection was lost, the daemon redelivers the messages that this harness still holds. The
table recognizes them: a message in progress gets its new lease, a finished one is acked. Neither
is worked on twice.

Decisions are synchronous, requests follow: `finish` and `give_back` record an ack or a nack,
`flush` sends them. A task that is cancelled between the two loses nothing: the next `flush` sends
what is pending, at the latest that of `close`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from attrs import define, field, frozen

from hive.client.agent import AgentClient, Delivery
from hive.errors import HiveError, StaleLeaseError, TimedOutError, UnavailableError
from hive.wire.agent import RECV_MAX
from hive.wire.enums import NackMode

logger = logging.getLogger(__name__)

BATCH = 16
"""Messages in one turn or tool result, at most."""

BATCH_BYTES = 24_000
"""Bytes of their bodies, unless the first alone has more. MCP clients cut long tool results."""

BEATS_PER_LEASE = 3
"""Heartbeats within the duration of a lease, so that one may be lost."""

RETRY_PAUSE = 5.0
"""Seconds before a failed background request, such as a heartbeat, is repeated."""

LAST_REQUEST = 1.0
"""Seconds for the last requests of a harness, such as putting messages back, while it ends."""


class LeasedMail(Protocol):
    """Messages that a model takes with `recv` and finishes with `reply` or `ack`.

    The implementation decides when they are acked: an interactive session at once, a turn at its
    end.
    """

    def held(self) -> tuple[Delivery, ...]:
        """Return the messages that the model took and has not finished, oldest first."""
        ...

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Lease up to `most` messages, waiting up to `wait` seconds for the first."""
        ...

    async def done(self, ids: Sequence[int]) -> None:
        """Record that the model has finished these messages.

        Raises:
            NotFoundError: One of them is not held; then none is finished.
        """
        ...


@frozen
class _Return:
    """A pending nack."""

    lease: str
    mode: NackMode
    reason: str
    delay: float | None


@define(eq=False)
class Leases:
    """The lease table of one connection. Several workers may share it.

    A message goes through these states:

        in progress    `recv` has returned it; heartbeats extend its lease
        finished       the work is done, its ack is pending or in flight
        in doubt       finished; one of the acks in its request was refused, and it is not known
                       which: its ack is repeated in a request of its own
        refused        finished, but its lease ended before the ack: it will be redelivered and
                       is acked then
        returned       its nack is pending

    An ack or a nack that failed without a connection stays pending. Repeating it is safe: a
    repeated ack is no error, and a nack names its lease.
    """

    client: AgentClient
    _in_progress: dict[int, Delivery] = field(factory=dict, init=False)
    _finished: set[int] = field(factory=set, init=False)
    _acks: dict[int, None] = field(factory=dict, init=False)
    _in_doubt: dict[int, None] = field(factory=dict, init=False)
    _returns: dict[int, _Return] = field(factory=dict, init=False)
    _arrived: asyncio.Event = field(factory=asyncio.Event, init=False)

    def held(self) -> tuple[Delivery, ...]:
        """Return the messages in progress, oldest first."""
        return tuple(self._in_progress.values())

    async def recv(
        self,
        most: int = 1,
        *,
        wait: float = 0.0,
        max_bytes: int | None = None,
        urgent: bool = False,
    ) -> tuple[Delivery, ...]:
        """Lease messages that are not in the table; pending acks are sent with the request.

        The arguments are those of the client's `recv`. Redelivered messages are not returned; the
        wait then begins again. When cancelled, messages that still arrive are put back.

        Raises:
            HiveError: The request failed; the acks stay pending.
        """
        while True:
            try:
                with self._sending_acks() as acks:
                    messages = await self.client.recv(
                        max=most, wait=wait, ack=acks, urgent=urgent, max_bytes=max_bytes
                    )
            except StaleLeaseError as error:
                logger.info("%s; it is acked when it is redelivered", error)
                await self._repeat_acks()
                continue
            fresh = self._add(messages)
            if fresh or not messages:
                return fresh

    def finish(self, ids: Iterable[int]) -> None:
        """Record that the work for these messages is done: their acks become pending."""
        for number in ids:
            self._in_progress.pop(number, None)
            self._finished.add(number)
            self._acks[number] = None

    def give_back(
        self, message: Delivery, mode: NackMode, reason: str, delay: float | None = None
    ) -> None:
        """Record that a message in progress goes back: its nack becomes pending.

        Args:
            message: A message in progress; any other is ignored.
            mode: Whether this counts as an attempt, or is final.
            reason: Why, at most 4096 characters.
            delay: Seconds before it is redelivered.
        """
        held = self._in_progress.pop(message.id, None)
        if held is not None:
            self._returns[message.id] = _Return(held.lease, mode, reason, delay)

    async def flush(self) -> bool:
        """Send the acks and nacks that are pending.

        Returns:
            False if an ack was refused because the lease of its message had ended.
        """
        nacks = [self._send_nack(number) for number in tuple(self._returns)]
        if not (nacks or self._acks or self._in_doubt):
            return True
        accepted, _ = await asyncio.gather(self._send_acks(), asyncio.gather(*nacks))
        await self._repeat_acks()
        return accepted

    async def ack_returned(self) -> None:
        """Lease and ack finished messages whose acks were refused; they are first in the inbox.

        If urgent messages precede them there, they are acked when they are redelivered.

        Raises:
            HiveError: The request failed.
        """
        refused = len(self._finished - self._acks.keys() - self._in_doubt.keys())
        if refused:
            messages = await self.client.recv(max=min(refused, RECV_MAX))
            for message in self._add(messages):
                self.give_back(message, NackMode.DEFER, "only looked at")
        await self.flush()

    async def beat(self, *, in_turn: bool = True) -> None:
        """Extend the leases and retry failed acks and nacks, until cancelled.

        Args:
            in_turn: Whether the heartbeat marks the messages as in a turn.
        """
        while True:
            while not (self._in_progress or self._acks or self._in_doubt or self._returns):
                await self._arrived.wait()
                self._arrived.clear()
            self._arrived.clear()
            pause = await self._beat(in_turn=in_turn)
            await self.flush()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._arrived.wait()

    async def close(self, reason: str) -> None:
        """Send pending acks and nacks and put back messages in progress; the harness ends."""
        await self.put_back(self.held(), reason)

    async def put_back(self, messages: Iterable[Delivery], reason: str) -> None:
        """Put messages back now, without counting an attempt, and send all that is pending.

        Takes at most `LAST_REQUEST` seconds: without a daemon, the end of the connection ends all
        leases.
        """
        for message in messages:
            self.give_back(message, NackMode.DEFER, reason)
        try:
            async with asyncio.timeout(LAST_REQUEST):
                await self.flush()
        except TimeoutError:
            logger.info("messages go back when the connection ends")

    def _add(self, messages: Iterable[Delivery]) -> tuple[Delivery, ...]:
        """Add deliveries to the table; return those that are new."""
        return tuple(message for message in messages if self._is_new(message))

    def _is_new(self, message: Delivery) -> bool:
        self._returns.pop(message.id, None)  # its lease had ended, so the nack is obsolete
        if message.id in self._finished:
            self._in_doubt.pop(message.id, None)
            self._acks[message.id] = None
            return False
        is_new = message.id not in self._in_progress
        self._in_progress[message.id] = message
        self._arrived.set()
        return is_new

    @contextmanager
    def _sending_acks(self) -> Iterator[tuple[int, ...]]:
        """Pass the pending acks to one request; without an answer they stay pending."""
        acks = tuple(self._acks)
        self._acks.clear()
        try:
            yield acks
        except StaleLeaseError:
            # Those that were leased are acked, the others are redelivered.
            if len(acks) > 1:
                self._in_doubt.update(dict.fromkeys(acks))
            raise
        except BaseException:
            self._acks = dict.fromkeys((*acks, *self._acks))
            raise
        self._finished.difference_update(acks)

    async def _send_acks(self) -> bool:
        try:
            with self._sending_acks() as acks:
                if acks:
                    await self.client.ack(acks)
        except HiveError as error:
            logger.info("%s; it is acked later, or when it is redelivered", error)
            return not isinstance(error, StaleLeaseError)
        return True

    async def _repeat_acks(self) -> None:
        """Repeat the acks in doubt, each alone: what is acked already is no error."""
        while self._in_doubt:
            number = next(iter(self._in_doubt))
            try:
                await self.client.ack((number,))
            except StaleLeaseError as error:
                logger.info("%s; it is acked when it is redelivered", error)
            except HiveError as error:
                logger.info("%s; it is acked later", error)
                return
            else:
                if number in self._in_doubt:
                    self._finished.discard(number)
            self._in_doubt.pop(number, None)

    async def _send_nack(self, number: int) -> None:
        """Send a pending nack; a refusal means that its lease has already ended."""
        nack = self._returns.pop(number, None)
        if nack is None:
            return
        try:
            await self.client.nack(
                number, mode=nack.mode, delay=nack.delay, reason=nack.reason, lease=nack.lease
            )
        except (UnavailableError, TimedOutError, asyncio.CancelledError) as error:
            if number not in self._in_progress:
                self._returns[number] = nack
            if isinstance(error, asyncio.CancelledError):
                raise
            logger.info("message %d was not given back yet: %s", number, error)
        except HiveError as refusal:
            logger.info("message %d was not given back: %s", number, refusal)

    async def _beat(self, *, in_turn: bool) -> float:
        """Send a heartbeat; return the seconds until the next."""
        ids = list(self._in_progress) if in_turn else []
        try:
            return await self.client.heartbeat(ids) / BEATS_PER_LEASE
        except HiveError as error:
            logger.info("no heartbeat: %s", error)
            return RETRY_PAUSE
