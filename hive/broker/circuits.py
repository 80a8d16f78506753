"""Circuits that open when two participants only talk to each other, as loops of agents do.

A pair trips when a chain of replies is too long, or when both sides send more than so many
messages within a minute and the operator took no part. From then on its messages are parked: kept
on disk, in order, and not delivered until the operator resets the circuit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from attrs import define, field

from hive.store import Message

MINUTE = 60.0

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
class Circuits:
    """All pairs.

    Attributes:
        pair_rate: Messages within a minute, each way, that are no loop yet.
        max_hops: Replies to replies that are no loop yet.
        tripped: The circuits that are open, by pair.
    """

    pair_rate: int
    max_hops: int
    tripped: dict[Pair, Circuit] = field(factory=dict, init=False)
    _sent: dict[tuple[str, str], deque[float]] = field(factory=dict, init=False)
    _calmed: dict[str, float] = field(factory=dict, init=False)

    def why_looping(self, sender: str, to: str, hops: int, now: float) -> str | None:
        """Return why one more message of a sender makes a loop of the pair, None if it does not.

        Args:
            sender: Who sends.
            to: Whose inbox it is for.
            hops: Length of the chain of replies that the message ends.
            now: Monotonic seconds.
        """
        if hops > self.max_hops:
            return f"a chain of {hops} replies, and {self.max_hops} are allowed"
        answers = self._sent.get((to, sender))
        if answers is None or len(answers) < self.pair_rate:
            return None
        there, back = self._recent(sender, to, now), self._recent(to, sender, now)
        if min(there, back) >= self.pair_rate:
            return (
                f"{there} and {back} messages within a minute, and {self.pair_rate} each way "
                "are allowed"
            )
        return None

    def count(self, sender: str, to: str, now: float) -> None:
        """Count a message from one to the other."""
        times = self._sent.get((sender, to))
        if times is None:
            times = self._sent[sender, to] = deque()
        times.append(now)
        while times[0] <= now - MINUTE:
            times.popleft()

    def calm(self, name: str, now: float) -> None:
        """Note that the operator wrote to a participant: what it sends next is no loop."""
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

    def forget(self, message: Message) -> None:
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

    def _recent(self, sender: str, to: str, now: float) -> int:
        times = self._sent.get((sender, to))
        if times is None:
            return 0
        calmed = max(self._calmed.get(sender, now - MINUTE), self._calmed.get(to, now - MINUTE))
        while times and times[0] <= max(now - MINUTE, calmed):
            times.popleft()
        return len(times)


def pair(one: str, other: str) -> Pair:
    """Return two names in the order of the alphabet."""
    return (one, other) if one < other else (other, one)
