"""Loads over lanes: pairs, senders alone, ping-pong, questions.

All are closed loops: a sender sends its next message when the last one is confirmed, or answered.
A load is a list of flows, one for each lane, which time what happens into one meter.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence

from attrs import define, field

from benchmarks.delivery.systems.base import Lane

now = time.perf_counter


@define(eq=False)
class Meter:
    """Records the durations of messages while it is open, in seconds."""

    is_open: bool = False
    samples: list[float] = field(factory=list)

    def note(self, began: float) -> None:
        """Record the duration since a start."""
        if self.is_open:
            self.samples.append(now() - began)


@define(eq=False)
class Flow:
    """The messages of one lane."""

    lane: Lane
    meter: Meter
    running: bool = field(default=True, init=False)
    _sent: deque[float] = field(factory=deque, init=False)
    _unconfirmed: int = field(default=0, init=False)
    _drained: asyncio.Event = field(factory=asyncio.Event, init=False)

    @abstractmethod
    def start(self) -> None:
        """Begin to send."""

    def send(self) -> None:
        """Send one message."""
        self._sent.append(now())
        self._unconfirmed += 1
        self.lane.send(self._confirmed)

    def listen(self) -> None:
        """Receive from now on."""
        self.lane.listen(self._delivered)

    async def drain(self) -> None:
        """Send nothing more, and wait until all messages are confirmed and have arrived."""
        self.running = False
        self._look()
        await self._drained.wait()

    def stored(self, began: float) -> None:
        """React to a confirmation."""

    def arrived(self, began: float) -> None:
        """React to a message that has arrived."""

    def _confirmed(self) -> None:
        self._unconfirmed -= 1
        # It may have arrived before it was confirmed.
        self.stored(self._sent[-1] if self._sent else now())
        self._look()

    def _delivered(self, count: int) -> None:
        for _ in range(count):
            self.arrived(self._sent.popleft())
        self._look()

    def _look(self) -> None:
        if not self.running and not self._sent and not self._unconfirmed:
            self._drained.set()


class Pair(Flow):
    """Sends the next message when the last is stored; times each from sending to arrival."""

    def start(self) -> None:
        """Begin to receive and to send."""
        self.listen()
        self.send()

    def stored(self, began: float) -> None:
        """Send the next one."""
        del began
        if self.running:
            self.send()

    def arrived(self, began: float) -> None:
        """Time the message."""
        self.meter.note(began)


class Sender(Flow):
    """Sends the next message when the last is stored; times each until then.

    Messages are received only at the end, when all of them must arrive.
    """

    def start(self) -> None:
        """Begin to send."""
        self.send()

    def stored(self, began: float) -> None:
        """Time the message and send the next one."""
        self.meter.note(began)
        if self.running:
            self.send()

    async def drain(self) -> None:
        """Send nothing more and receive everything."""
        self.listen()
        await super().drain()


class Asker(Flow):
    """Asks again when it is answered; times each question until then."""

    def start(self) -> None:
        """Begin to ask."""
        self.send()

    def stored(self, began: float) -> None:
        """Time the question and ask the next one."""
        self._sent.popleft()
        self.meter.note(began)
        if self.running:
            self.send()


@define(eq=False)
class Player(Flow):
    """Plays ping-pong: sends when the other's message has arrived; times each until it arrives."""

    other: Player | None = None
    serves: bool = False

    def start(self) -> None:
        """Begin to receive; one of the two sends the first message."""
        self.listen()
        if self.serves:
            self.send()

    def arrived(self, began: float) -> None:
        """Time the message and let the other send the next."""
        assert self.other is not None
        self.meter.note(began)
        if self.running:
            self.other.send()


def pairs(lanes: Sequence[Lane], meter: Meter) -> list[Flow]:
    """Return senders and receivers at work together."""
    return [Pair(lane, meter) for lane in lanes]


def senders(lanes: Sequence[Lane], meter: Meter) -> list[Flow]:
    """Return senders alone."""
    return [Sender(lane, meter) for lane in lanes]


def askers(lanes: Sequence[Lane], meter: Meter) -> list[Flow]:
    """Return a load of questions on every lane."""
    return [Asker(lane, meter) for lane in lanes]


def ping_pong(lanes: Sequence[Lane], meter: Meter) -> list[Flow]:
    """Return two participants that answer each other, over a lane each way."""
    there, back = lanes
    first, second = Player(there, meter, serves=True), Player(back, meter)
    first.other, second.other = second, first
    return [first, second]
