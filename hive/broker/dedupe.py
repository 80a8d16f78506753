"""Dedupe keys: a repeat within the window is the message that was stored first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec
from attrs import define, field

from hive.store.messages import UsedKey
from hive.wire.rows import Stored

Owner = tuple[str, str]
"""A sender and its key."""


@define(eq=False)
class Keys:
    """What was sent under which key.

    Attributes:
        window: Seconds for which a key is remembered.
    """

    window: float
    _sent: dict[Owner, Stored] = field(factory=dict, init=False)
    _order: deque[tuple[float, Owner]] = field(factory=deque, init=False)

    def find(self, sender: str, key: str, now: float) -> Stored | None:
        """Return what was stored under a key within the window, marked as a duplicate."""
        while self._order and self._order[0][0] <= now - self.window:
            self._sent.pop(self._order.popleft()[1], None)
        found = self._sent.get((sender, key))
        return None if found is None else msgspec.structs.replace(found, duplicate=True)

    def remember(self, sender: str, key: str, sent: Stored, now: float) -> None:
        """Note what was stored under a key; `now` is wall seconds."""
        self._sent[sender, key] = sent
        self._order.append((now, (sender, key)))

    def load(self, used: Iterable[UsedKey]) -> None:
        """Forget everything and remember these instead, which are in the order of ids."""
        self._sent.clear()
        self._order.clear()
        for each in used:
            owner = each.sender, each.key
            before = self._sent.get(owner)
            if before is None:
                stored = Stored(ok=True, id=each.id, recipients=(each.inbox,))
                self.remember(*owner, stored, each.sent_at)
            else:
                before.recipients = (*before.recipients, each.inbox)
