"""The backlog: bytes that were read from a connection and whose lines are not handled yet.

Lines are split off one at a time, when they are handled: to split a long chunk at once would delay
everybody else.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field

from hive.wire.framing import LineBuffer, TooLong


@define(eq=False)
class Backlog:
    """Bytes of one connection, in order: an unfinished line, and chunks that were not split.

    Attributes:
        held: Bytes of both.
    """

    held: int = field(default=0, init=False)
    _lines: LineBuffer = field(factory=LineBuffer, init=False)
    _chunks: deque[bytes] = field(factory=deque, init=False)
    _at: int = field(default=0, init=False)

    @property
    def has_chunks(self) -> bool:
        """Whether `next_line` may return a line."""
        return bool(self._chunks)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing, not even an unfinished line."""
        return not self._chunks and self._lines.is_empty

    def add(self, data: bytes) -> None:
        """Add bytes that were read."""
        self._chunks.append(data)
        self.held += len(data)

    def next_line(self) -> bytes | TooLong | None:
        """Remove the next line and return it without its newline; None if there is no whole one."""
        while self._chunks:
            before = self._lines.pending
            piece = self._next_piece()
            lines = self._lines.feed(piece)
            self.held += self._lines.pending - before - len(piece)
            if lines:
                return lines[0]
        return None

    def _next_piece(self) -> bytes:
        """Return the bytes up to and with the next newline, or the rest of the first chunk."""
        chunk, start = self._chunks[0], self._at
        self._at = chunk.find(b"\n", start) + 1
        if self._at in {0, len(chunk)}:
            self._at = 0
            self._chunks.popleft()
            return chunk[start:]
        return chunk[start : self._at]
