"""Splitting of bytes into lines, without I/O.

A line without a newline is never returned, even at the end of a connection. A line over the limit
is reported once and skipped to its end, so that the connection can continue.
"""

from __future__ import annotations

from attrs import frozen

from hive.wire.base import LINE_MAX


@frozen
class TooLong:
    """Placeholder of a line that was too long; its bytes were dropped.

    Attributes:
        limit: The limit in bytes.
    """

    limit: int


class LineBuffer:
    """Splits a stream of bytes into lines.

    Args:
        limit: Bytes of the longest line, without its newline.
    """

    def __init__(self, limit: int = LINE_MAX) -> None:
        self.limit = limit
        self._pending = bytearray()
        self._skipping = False

    @property
    def pending(self) -> int:
        """Bytes of the unfinished line."""
        return len(self._pending)

    @property
    def is_empty(self) -> bool:
        """Whether there is no unfinished line and none is being skipped."""
        return not self._pending and not self._skipping

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        """Add bytes and return the lines that they complete, in order, without newlines."""
        is_one_line = 0 <= data.find(b"\n") == len(data) - 1
        if is_one_line and not self._pending and not self._skipping:
            return [data[:-1] if len(data) <= self.limit + 1 else TooLong(self.limit)]
        *complete, rest = data.split(b"\n")
        lines: list[bytes | TooLong] = []
        for piece in complete:
            line = self._complete(piece)
            if line is not None:
                lines.append(line)
        if self._append(rest):
            lines.append(TooLong(self.limit))
        return lines

    def _complete(self, piece: bytes) -> bytes | TooLong | None:
        if self._skipping:
            self._skipping = False
            return None
        if len(self._pending) + len(piece) > self.limit:
            self._pending.clear()
            return TooLong(self.limit)
        line = bytes(self._pending) + piece
        self._pending.clear()
        return line

    def _append(self, rest: bytes) -> bool:
        """Append to the unfinished line; return whether it has just become too long."""
        if self._skipping:
            return False
        self._pending += rest
        if len(self._pending) <= self.limit:
            return False
        self._pending.clear()
        self._skipping = True
        return True
