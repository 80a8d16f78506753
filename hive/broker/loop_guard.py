"""The loop guard: circuits that stop two participants that only answer each other.

The circuit of a pair opens when a chain of replies is too long, or when both sides have sent the
allowed number of messages within a minute and the operator has sent neither any. From then on the
messages of the pair are parked: stored in order, and not delivered until the operator resets the
circuit.

For each direction, the guard keeps the times of the newest messages, as many as are allowed within
a minute: if the oldest of them is older than a minute, the pair does not loop. Where more than
`TIMES_MAX` are allowed, it keeps only the time of every nth message, and finds a loop up to n
messages late. So its memory for a pair is bounded, however many messages are allowed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import define, field

from hive.clock import MINUTE
from hive.quantities import counted
from hive.store import Kind, Message
from hive.store.messages import LINEAGE

PAIRS_KEPT = 1024
"""Directions whose times are kept, however old they are."""

TIMES_MAX = 1024
"""Most times that are kept of a direction: 32 KiB."""

Pair = tuple[str, str]
"""Two participants, in alphabetical order."""


@define(eq=False)
class Circuit:
    """The open circuit of a pair.

    Attributes:
        why: Why it opened.
        since: Time at which it opened, in wall seconds.
        parked: The parked messages of the pair by id, in the order in which they were sent.
    """

    pair: Pair
    why: str
    since: float
    parked: dict[int, Message] = field(factory=dict)


@define(eq=False)
class Direction:
    """The messages of one participant to another.

    Attributes:
        times: Times of the newest messages, in monotonic seconds.
        skip: Number of next messages whose time is not kept.
    """

    times: deque[float]
    skip: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it has as many times as make a loop if the oldest is recent."""
        return len(self.times) == self.times.maxlen


@define(eq=False)
class LoopGuard:
    """The circuits of all pairs.

    Attributes:
        pair_rate: Messages of each direction that are allowed within a minute.
        max_hops: Allowed length of a chain of replies.
        tripped: The open circuits, by pair.
    """

    pair_rate: int
    max_hops: int
    tripped: dict[Pair, Circuit] = field(factory=dict, init=False)
    _sent: dict[tuple[str, str], Direction] = field(factory=dict, init=False)
    _operator_at: dict[str, float] = field(factory=dict, init=False)
    _room: int = field(default=PAIRS_KEPT, init=False)
    _every: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._every = max(1, math.ceil(self.pair_rate / TIMES_MAX))

    def set_limits(self, pair_rate: int, max_hops: int) -> None:
        """Change the limits; with another rate, counts begin anew. Open circuits stay open."""
        self.max_hops = max_hops
        if pair_rate != self.pair_rate:
            self.pair_rate = pair_rate
            self._every = max(1, math.ceil(pair_rate / TIMES_MAX))
            self._sent.clear()
            self._room = PAIRS_KEPT

    def passes(self, sender: str, to: str, now: float) -> bool:
        """Count a message of a pair, unless it makes a loop; return whether it was counted.

        Args:
            sender: The sender.
            to: The recipient.
            now: Monotonic seconds.
        """
        sent = self._sent.get((sender, to))
        if sent is None:
            sent = self._add_direction(sender, to, now)
        elif sent.skip:
            sent.skip -= 1
            return True
        elif sent.is_full and self._is_looping(sender, to, now):
            return False
        sent.times.append(now)
        sent.skip = self._every - 1
        return True

    def why_parked(self, sender: str, to: str, hops: int, now: float) -> str | None:
        """Return why a message makes a loop; None if it does not, in which case it is counted.

        Args:
            sender: The sender.
            to: The recipient.
            hops: Length of the chain of replies that ends with the message.
            now: Monotonic seconds.
        """
        if hops > self.max_hops:
            return f"a chain of {counted(hops, 'reply')}, the limit is {self.max_hops}"
        if self.passes(sender, to, now):
            return None
        return f"each has sent the other {counted(self.pair_rate, 'message')} within a minute"

    def record_operator(self, name: str, now: float) -> None:
        """Restart the counts of a participant that the operator wrote to; `now` is monotonic."""
        self._operator_at[name] = now

    def trip(self, sender: str, to: str, why: str, now: float) -> Circuit:
        """Open the circuit of a pair; `now` is wall seconds."""
        circuit = self.tripped[pair(sender, to)] = Circuit(pair(sender, to), why, now)
        return circuit

    def find(self, sender: str, to: str) -> Circuit | None:
        """Return the circuit of a pair if it is open, else None."""
        return self.tripped.get(pair(sender, to)) if self.tripped else None

    def reset(self, one: str, other: str) -> Circuit | None:
        """Close the circuit of a pair and return it with its messages; None if it was not open."""
        self._sent.pop((one, other), None)
        self._sent.pop((other, one), None)
        return self.tripped.pop(pair(one, other), None)

    def discard(self, message: Message) -> None:
        """Remove a parked message that has ended."""
        circuit = self.find(message.sender, message.inbox)
        if circuit is not None:
            circuit.parked.pop(message.id, None)

    def load(self, parked: Iterable[Message]) -> None:
        """Replace the circuits by those whose messages are parked on disk."""
        self.tripped.clear()
        for message in parked:
            circuit = self.find(message.sender, message.inbox) or self.trip(
                message.sender, message.inbox, message.reason or "", message.sent_at
            )
            circuit.parked[message.id] = message

    def _add_direction(self, sender: str, to: str, now: float) -> Direction:
        """Add a direction; if there are many, remove those without a message for a minute."""
        if len(self._sent) >= self._room:
            since = now - MINUTE
            self._sent = {key: sent for key, sent in self._sent.items() if sent.times[-1] > since}
            self._room = max(PAIRS_KEPT, 2 * len(self._sent))
        kept = max(1, math.ceil(self.pair_rate / self._every))
        sent = self._sent[sender, to] = Direction(deque(maxlen=kept))
        return sent

    def _is_looping(self, sender: str, to: str, now: float) -> bool:
        there, back = self._sent[sender, to], self._sent.get((to, sender))
        if back is None or not back.is_full:
            return False
        since = now - MINUTE
        since = max(self._operator_at.get(sender, since), self._operator_at.get(to, since), since)
        return min(there.times[0], back.times[0]) > since


def pair(one: str, other: str) -> Pair:
    """Return two names in alphabetical order."""
    return (one, other) if one < other else (other, one)


class ThreadPosition(NamedTuple):
    """The place of a message in its thread.

    Attributes:
        thread: Id of the first message of the thread; None if this is the first.
        hops: Replies of agents since the last message of a person.
    """

    thread: int | None
    hops: int


NEW_THREAD = ThreadPosition(None, 0)
"""The position of a message that is not a reply."""

_RESETS_HOPS = frozenset({Kind.OPERATOR, Kind.SYSTEM})


@define(eq=False)
class Threads:
    """Thread and hops of recent replies; any other message counts as the first of a thread.

    A reply to a message older than the newest `LINEAGE` replies begins a thread with that message.

    Attributes:
        messages: The messages in memory, by id.
    """

    messages: Mapping[int, Message]
    _known: dict[int, tuple[int, int]] = field(factory=dict, init=False)
    _order: deque[int] = field(factory=deque, init=False)

    def of_reply(self, answered: int | None, sender: Kind) -> ThreadPosition:
        """Return the position of a message; `answered` is the message that it replies to."""
        if answered is None:
            return NEW_THREAD
        thread, hops = self._find(answered)
        return ThreadPosition(thread, 0 if sender in _RESETS_HOPS else hops + 1)

    def record(self, number: int, position: ThreadPosition) -> None:
        """Record the position of a stored reply."""
        if position.thread is None:
            return
        self._known[number] = (position.thread, position.hops)
        self._order.append(number)
        if len(self._order) > LINEAGE:
            self._known.pop(self._order.popleft(), None)

    def reset_hops(self, number: int) -> None:
        """Count a message as sent by a person, because a person released it."""
        if number in self._known:
            self._known[number] = (self._known[number][0], 0)

    def load(self, known: Mapping[int, tuple[int, int]]) -> None:
        """Replace all positions by these."""
        self._known = dict(known)
        self._order = deque(self._known)

    def _find(self, number: int) -> tuple[int, int]:
        message = self.messages.get(number)
        if message is not None:
            return message.thread or number, message.hops
        return self._known.get(number, (number, 0))
