"""What an authenticator signs, so that no answer of it counts twice. Pure.

A challenge carries when and for what it was made, and a digest of both that only this process can
make. Nothing is kept of one that is not answered, so asking for many costs nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from attrs import define, field

from hive.clock import MINUTE
from hive.errors import NotAllowedError

CHALLENGE_SECONDS = 5 * MINUTE
"""Seconds for which a challenge may be answered."""

NONCE_BYTES = 16
"""Random bytes of a challenge."""

_TIME = struct.Struct(">d")
_HEAD = NONCE_BYTES + _TIME.size


@define
class Challenges:
    """Makes challenges, and knows its own.

    Attributes:
        key: Random bytes, new in each process.
    """

    key: bytes
    _used: dict[bytes, float] = field(factory=dict, init=False)

    def new(self, purpose: str, nonce: bytes, now: float) -> bytes:
        """Return a challenge.

        Args:
            purpose: What an answer to it allows.
            nonce: Random bytes.
            now: Wall seconds.
        """
        head = nonce + _TIME.pack(now)
        return head + self._digest(purpose, head)

    def check(self, challenge: bytes, purpose: str, now: float) -> None:
        """Require a challenge that was made here for a purpose, lately, and was not used.

        Raises:
            NotAllowedError: It is another one.
        """
        head, found = challenge[:_HEAD], challenge[_HEAD:]
        is_own = len(head) == _HEAD and hmac.compare_digest(found, self._digest(purpose, head))
        if (
            not is_own
            or challenge in self._used
            or not 0 <= now - _time_of(head) < CHALLENGE_SECONDS
        ):
            raise NotAllowedError("this took longer than 5 minutes, or was done before; try again")

    def use(self, challenge: bytes, now: float) -> None:
        """Take note that a challenge was answered rightly."""
        limit = now - CHALLENGE_SECONDS
        self._used = {each: at for each, at in self._used.items() if at > limit}
        self._used[challenge] = now

    def _digest(self, purpose: str, head: bytes) -> bytes:
        return hmac.new(self.key, head + purpose.encode(), hashlib.sha256).digest()


def _time_of(head: bytes) -> float:
    found: float = _TIME.unpack(head[NONCE_BYTES:])[0]
    return found
