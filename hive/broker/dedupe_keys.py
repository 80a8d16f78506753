"""Dedupe keys: the answers to earlier messages, for the repeats of a sender."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec
from attrs import define, field

from hive.broker.values import Moment
from hive.errors import RateLimitedError
from hive.store.messages import UsedKey
from hive.wire.rows import Stored


@define(eq=False)
class SenderKeys:
    """The keys of one sender.

    Attributes:
        sent: The answers by key.
        times: When each key was used, in seconds of the loop, oldest first.
    """

    sent: dict[str, Stored] = field(factory=dict)
    times: deque[float] = field(factory=deque)


@define(eq=False)
class DedupeKeys:
    """The answers to messages with a dedupe key, for as long as the window lasts.

    Times are seconds of the loop: a wall clock that jumps must not let a repeat pass.

    Every operation takes constant time, apart from the keys whose window is over.

    Attributes:
        window: Seconds for which a key counts.
        most: Most keys of one sender.
        senders: The keys by sender; none without any.
    """

    window: float
    most: int
    senders: dict[str, SenderKeys] = field(factory=dict, init=False)
    _order: deque[tuple[float, str, str]] = field(factory=deque, init=False)

    def find(self, sender: str, key: str, now: float) -> Stored | None:
        """Return the answer to the first message with a key, marked as a duplicate; else None."""
        while self._order and self._order[0][0] <= now - self.window:
            self._forget_oldest()
        keys = self.senders.get(sender)
        found = None if keys is None else keys.sent.get(key)
        return None if found is None else msgspec.structs.replace(found, duplicate=True)

    def require_room(self, sender: str, now: float) -> None:
        """Require room for one more key of a sender.

        Raises:
            RateLimitedError: It has as many as are allowed; the error says when the oldest is over.
        """
        keys = self.senders.get(sender)
        if keys is not None and len(keys.sent) >= self.most:
            wait = max(0.0, keys.times[0] + self.window - now)
            raise RateLimitedError(
                f"{sender!r} has used {len(keys.sent)} dedupe keys within {self.window:.0f} s and "
                f"{self.most} are allowed; nothing was stored: the oldest is over in {wait:.0f} s, "
                "and a message without a key can be sent now"
            )

    def record(self, sender: str, key: str, sent: Stored, now: float) -> None:
        """Record the answer to a message with a new key."""
        keys = self.senders.get(sender)
        if keys is None:
            keys = self.senders[sender] = SenderKeys()
        keys.sent[key] = sent
        keys.times.append(now)
        self._order.append((now, sender, key))

    def load(self, used: Iterable[UsedKey], now: Moment) -> None:
        """Replace all keys by these, which are in the order of message ids."""
        self.senders.clear()
        self._order.clear()
        for each in used:
            keys = self.senders.get(each.sender)
            before = None if keys is None else keys.sent.get(each.key)
            if before is None:
                stored = Stored(ok=True, id=each.id, recipients=(each.inbox,))
                age = max(0.0, now.wall - each.sent_at)
                self.record(each.sender, each.key, stored, now.loop - age)
            else:
                before.recipients = (*before.recipients, each.inbox)

    def _forget_oldest(self) -> None:
        _, sender, key = self._order.popleft()
        keys = self.senders[sender]
        del keys.sent[key]
        keys.times.popleft()
        if not keys.sent:
            del self.senders[sender]
