"""Threads and hops: what a reply inherits from the message that it answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import define, field

from hive.broker.mail import Mail
from hive.store import Kind
from hive.store.messages import LINEAGE

_PEOPLE = frozenset({Kind.OPERATOR, Kind.SYSTEM})


class Descent(NamedTuple):
    """Where a message comes from.

    Attributes:
        thread: First message of its conversation; None if it begins one.
        hops: Replies of agents since a person last had a hand in it.
    """

    thread: int | None
    hops: int


_FIRST = Descent(None, 0)
"""Of a message that answers none."""


@define(eq=False)
class Lineage:
    """Thread and hops of recent replies; a message that is not known here began its thread.

    A reply to something older than the newest `LINEAGE` replies begins a thread with that message.
    """

    _mail: Mail[Any]
    _known: dict[int, tuple[int, int]] = field(factory=dict, init=False)
    _order: deque[int] = field(factory=deque, init=False)

    def of_reply(self, answered: int | None, sender: Kind) -> Descent:
        """Return the descent of a message that answers another, or none."""
        if answered is None:
            return _FIRST
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

    def absolve(self, number: int) -> None:
        """Note that a person let a message through: it counts as if a person had sent it."""
        if number in self._known:
            self._known[number] = (self._known[number][0], 0)

    def load(self, known: Mapping[int, tuple[int, int]]) -> None:
        """Forget everything and remember these instead."""
        self._known = dict(known)
        self._order = deque(self._known)

    def _find(self, number: int) -> tuple[int, int]:
        message = self._mail.messages.get(number)
        if message is not None:
            return message.thread or number, message.hops
        return self._known.get(number, (number, 0))
