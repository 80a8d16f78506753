"""Bytes to lines, without I/O.

A line that does not end in a newline is never handed out, however the connection ended. A line over
the limit is reported once and skipped to its end, so that the connection lives on.
"""

from __future__ import annotations

from attrs import frozen

from hive.wire.base import LINE_MAX


@frozen
class TooLong:
    """Stands in place of a line that was over the limit; its bytes were dropped."""

    limit: int


class LineBuffer:
    """Cuts a stream of bytes into lines.

    Args:
        limit: Bytes of the longest line, without its newline.
    """

    def __init__(self, limit: int = LINE_MAX) -> None:
        self.limit = limit
        self._pending = bytearray()
        self._skipping = False

    @property
    def pending(self) -> int:
        """Bytes of an unfinished line that are held."""
        return len(self._pending)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held, and nothing is being skipped."""
        return not self._pending and not self._skipping

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        """Take bytes and return the lines that they complete, in order, without newlines."""
        is_one_line = 0 <= data.find(b"\n") == len(data) - 1
        if is_one_line and not self._pending and not self._skipping:
            return [data[:-1] if len(data) <= self.limit + 1 else TooLong(self.limit)]
        *complete, rest = data.split(b"\n")
        lines: list[bytes | TooLong] = []
        for piece in complete:
            line = self._finish(piece)
            if line is not None:
                lines.append(line)
        if self._hold(rest):
            lines.append(TooLong(self.limit))
        return lines

    def _finish(self, piece: bytes) -> bytes | TooLong | None:
        if self._skipping:
            self._skipping = False
            return None
        if len(self._pending) + len(piece) > self.limit:
            self._pending.clear()
            return TooLong(self.limit)
        line = bytes(self._pending) + piece
        self._pending.clear()
        return line

    def _hold(self, rest: bytes) -> bool:
        """Keep an unfinished line; return whether it has just become too long."""
        if self._skipping:
            return False
        self._pending += rest
        if len(self._pending) <= self.limit:
            return False
        self._pending.clear()
        self._skipping = True
        return True
