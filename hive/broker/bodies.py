"""The newest bodies, so that mail that is fetched soon after it was sent is not read back."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from hive.store import Message

MOST_BYTES = 16 * 1024 * 1024
"""What all kept messages may take together."""

_OVERHEAD = 1024
"""Bytes of a message beside its body."""


@define(eq=False)
class Bodies:
    """Keeps the bodies of the newest messages, whatever becomes of them, up to a size.

    A message that waits longer than that loses its body in memory; who fetches it reads the disk.

    Attributes:
        most: Bytes.
    """

    most: int = MOST_BYTES
    _kept: deque[Message] = field(factory=deque, init=False)
    _size: int = field(default=0, init=False)

    def keep(self, message: Message) -> None:
        """Keep a body that is on disk now, in place of the oldest ones if need be."""
        self._kept.append(message)
        self._size += message.size + _OVERHEAD
        while self._size > self.most:
            oldest = self._kept.popleft()
            oldest.body = None
            self._size -= oldest.size + _OVERHEAD
