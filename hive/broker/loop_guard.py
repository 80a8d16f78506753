"""The loop guard: circuits that open when two participants only talk to each other.

A pair trips when a chain of replies is too long, or when both sides send so many messages within a
minute and the operator took no part. From then on its messages are parked: kept on disk, in order,
and not delivered until the operator resets the circuit.

Of each side the times of its newest messages are kept, as many as are allowed within a minute: if
the oldest of those is older than a minute, the pair does not loop. Where more than `TIMES` are
allowed, only the time of every nth message is kept, and a loop is found up to n messages late. So
the guard costs a pair a few bytes, however many messages pass and however many are allowed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import define, field

from hive.clock import MINUTE
from hive.store import Kind, Message
from hive.store.messages import LINEAGE

FEW_PAIRS = 1024
"""Directions between two whose times are kept, however old they are."""

TIMES = 1024
"""Times kept of a direction at the most: 32 KiB."""

Pair = tuple[str, str]
"""Two participants, in the order of the alphabet."""


@define(eq=False)
class Circuit:
    """A pair whose messages are parked.

    Attributes:
        why: What tripped it.
        since: When, in wall seconds.
        parked: Its messages by id, in the order in which they were sent.
    """

    pair: Pair
    why: str
    since: float
    parked: dict[int, Message] = field(factory=dict)


@define(eq=False)
class Direction:
    """What one participant sent another.

    Attributes:
        times: When the newest messages were sent of which the time is kept, in monotonic seconds.
        skip: Messages that pass now without a look at the time.
    """

    times: deque[float]
    skip: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it holds as many times as make a loop if the oldest is recent."""
        return len(self.times) == self.times.maxlen


@define(eq=False)
class LoopGuard:
    """All pairs.

    Attributes:
        pair_rate: Messages within a minute, each way, that are no loop yet.
        max_hops: Replies to replies that are no loop yet.
        tripped: The circuits that are open, by pair.
    """

    pair_rate: int
    max_hops: int
    tripped: dict[Pair, Circuit] = field(factory=dict, init=False)
    _sent: dict[tuple[str, str], Direction] = field(factory=dict, init=False)
    _calmed: dict[str, float] = field(factory=dict, init=False)
    _room: int = field(default=FEW_PAIRS, init=False)
    _every: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._every = max(1, math.ceil(self.pair_rate / TIMES))

    def passes(self, sender: str, to: str, now: float) -> bool:
        """Count a message from one to the other, unless it would make a loop; return whether not.

        Args:
            sender: Who sends.
            to: Whose inbox it is for.
            now: Monotonic seconds.
        """
        sent = self._sent.get((sender, to))
        if sent is None:
            sent = self._begin(sender, to, now)
        elif sent.skip:
            sent.skip -= 1
            return True
        elif sent.is_full and self._is_looping(sender, to, now):
            return False
        sent.times.append(now)
        sent.skip = self._every - 1
        return True

    def why_parked(self, sender: str, to: str, hops: int, now: float) -> str | None:
        """Return why a message makes a loop; None if it does not, and is counted then.

        Args:
            sender: Who sends.
            to: Whose inbox it is for.
            hops: Length of the chain of replies that the message ends.
            now: Monotonic seconds.
        """
        if hops > self.max_hops:
            return f"a chain of {hops} replies, and {self.max_hops} are allowed"
        if self.passes(sender, to, now):
            return None
        return f"each has sent the other {self.pair_rate} messages within a minute"

    def note_operator(self, name: str, now: float) -> None:
        """Begin the count anew of a participant that the operator wrote to; `now` is monotonic."""
        self._calmed[name] = now

    def trip(self, sender: str, to: str, why: str, now: float) -> Circuit:
        """Open the circuit of a pair; `now` is wall seconds."""
        circuit = self.tripped[pair(sender, to)] = Circuit(pair(sender, to), why, now)
        return circuit

    def find(self, sender: str, to: str) -> Circuit | None:
        """Return the open circuit of a pair, None while the pair may talk."""
        return self.tripped.get(pair(sender, to)) if self.tripped else None

    def reset(self, one: str, other: str) -> Circuit | None:
        """Close the circuit of a pair and return it with what it parked, None if it is closed."""
        self._sent.pop((one, other), None)
        self._sent.pop((other, one), None)
        return self.tripped.pop(pair(one, other), None)

    def discard(self, message: Message) -> None:
        """Let go of a parked message that came to its end."""
        circuit = self.find(message.sender, message.inbox)
        if circuit is not None:
            circuit.parked.pop(message.id, None)

    def load(self, parked: Iterable[Message]) -> None:
        """Open the circuits again whose messages are parked on disk."""
        self.tripped.clear()
        for message in parked:
            circuit = self.find(message.sender, message.inbox) or self.trip(
                message.sender, message.inbox, message.reason or "", message.sent_at
            )
            circuit.parked[message.id] = message

    def _begin(self, sender: str, to: str, now: float) -> Direction:
        """Begin to count a direction; what nobody used for a minute makes room for it."""
        if len(self._sent) >= self._room:
            since = now - MINUTE
            self._sent = {key: sent for key, sent in self._sent.items() if sent.times[-1] > since}
            self._room = max(FEW_PAIRS, 2 * len(self._sent))
        kept = max(1, math.ceil(self.pair_rate / self._every))
        sent = self._sent[sender, to] = Direction(deque(maxlen=kept))
        return sent

    def _is_looping(self, sender: str, to: str, now: float) -> bool:
        there, back = self._sent[sender, to], self._sent.get((to, sender))
        if back is None or not back.is_full:
            return False
        since = now - MINUTE
        since = max(self._calmed.get(sender, since), self._calmed.get(to, since), since)
        return min(there.times[0], back.times[0]) > since


def pair(one: str, other: str) -> Pair:
    """Return two names in the order of the alphabet."""
    return (one, other) if one < other else (other, one)


class Descent(NamedTuple):
    """Where a message comes from.

    Attributes:
        thread: First message of its conversation; None if it begins one.
        hops: Replies of agents since a person last had a hand in it.
    """

    thread: int | None
    hops: int


FIRST = Descent(None, 0)
"""Of a message that answers none."""

_PEOPLE = frozenset({Kind.OPERATOR, Kind.SYSTEM})


@define(eq=False)
class Threads:
    """Thread and hops of recent replies; a message that is not known here began its thread.

    A reply to something older than the newest `LINEAGE` replies begins a thread with that message.

    Attributes:
        messages: Those at hand, by id.
    """

    messages: Mapping[int, Message]
    _known: dict[int, tuple[int, int]] = field(factory=dict, init=False)
    _order: deque[int] = field(factory=deque, init=False)

    def of_reply(self, answered: int | None, sender: Kind) -> Descent:
        """Return the descent of a message that answers another, or none."""
        if answered is None:
            return FIRST
        thread, hops = self._find(answered)
        return Descent(thread, 0 if sender in _PEOPLE else hops + 1)

    def note(self, number: int, descent: Descent) -> None:
        """Remember a reply that was stored."""
        if descent.thread is None:
            return
        self._known[number] = (descent.thread, descent.hops)
        self._order.append(number)
        if len(self._order) > LINEAGE:
            self._known.pop(self._order.popleft(), None)

    def reset_hops(self, number: int) -> None:
        """Note that a person let a message through: it counts as if a person had sent it."""
        if number in self._known:
            self._known[number] = (self._known[number][0], 0)

    def load(self, known: Mapping[int, tuple[int, int]]) -> None:
        """Forget everything and remember these instead."""
        self._known = dict(known)
        self._order = deque(self._known)

    def _find(self, number: int) -> tuple[int, int]:
        message = self.messages.get(number)
        if message is not None:
            return message.thread or number, message.hops
        return self._known.get(number, (number, 0))
