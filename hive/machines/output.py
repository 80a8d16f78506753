"""What agents print: a log file per agent, appended to by the agent itself, of limited size.

The agent holds the file, not the daemon, so its output outlives the daemon. A file that another
process appends to cannot be exchanged under its hands. So when it is over the limit it is copied to
`<name>.1`, replacing the one older file that is kept, and then cut to nothing; what is printed in
the moment between the two is lost (as with logrotate's `copytruncate`).

Everything here reads or writes files: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

from attrs import frozen

DEFAULT_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log is rotated."""

TAIL_BYTES = 64 * 1024
"""How much of the end of a log is looked at for its newest lines."""

CHUNK_BYTES = 64 * 1024
"""How much a follower reads at once, and the longest line it waits for."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # strings: window titles, links
    r"|\x1b[ -/]*[0-~]"
)


@frozen
class Position:
    """A place in a log: how often it had been rotated, and bytes from the beginning."""

    rotation: int
    offset: int


class OutputLog:
    """One agent's log file.

    All users of one file in a program share one object; its lock keeps readers from seeing a
    rotation half done.
    """

    def __init__(self, path: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._limit = limit
        self._rotation = 0
        self._lock = threading.Lock()

    def open(self) -> int:
        """Return a file descriptor that appends; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not through a symbolic link: the daemon may be root, and the agent may not.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        return os.open(self.path, flags, 0o640)

    def note(self, sentence: str) -> None:
        """Append a line of the hive's own, so that it is read where the agent's output is."""
        fd = self.open()
        try:
            os.write(fd, f"[hive] {sentence}\n".encode())
        finally:
            os.close(fd)

    def size(self) -> int:
        """Return the bytes in the file; 0 when there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rotate(self) -> bool:
        """Rotate if the file is over the limit; return whether it was."""
        with self._lock:
            if self.size() <= self._limit:
                return False
            copy = self.older.with_name(self.older.name + ".new")
            shutil.copyfile(self.path, copy)
            os.truncate(self.path, 0)
            copy.replace(self.older)
            self._rotation += 1
            return True

    def last_lines(self, lines: int, *, since: int | None = None) -> tuple[str, ...]:
        """Return the newest lines, oldest first, clean and without blank ones.

        Args:
            lines: At most so many.
            since: Leave out what was in the file when it had this size: the output of an earlier
                run. If the file is smaller now it was rotated, and all of it is newer.
        """
        with self._lock:
            newest = clean_lines(_tail(self.path, since or 0)[0])
            return _last(lines, newest if since is not None else self._fill(lines, newest))

    def newest(self, lines: int) -> tuple[tuple[str, ...], Position]:
        """Return the newest whole lines and where to go on reading after them."""
        with self._lock:
            output, end = _tail(self.path)
            whole, _, partial = output.rpartition(b"\n")
            position = Position(self._rotation, end - len(partial))
            return _last(lines, self._fill(lines, clean_lines(whole))), position

    def _fill(self, lines: int, newest: list[str]) -> list[str]:
        if len(newest) >= lines:
            return newest
        return clean_lines(_tail(self.older)[0]) + newest

    def read(self, position: Position) -> tuple[bytes, Position]:
        """Return what was printed from there on, at most `CHUNK_BYTES`, and where to go on.

        It finds the rest of a file that was rotated meanwhile, unless that happened twice.
        """
        with self._lock:
            if position.rotation == self._rotation - 1:
                rest = _read(self.older, position.offset)
                if rest:
                    return rest, Position(position.rotation, position.offset + len(rest))
            if position.rotation != self._rotation or position.offset > self.size():
                position = Position(self._rotation, 0)
            chunk = _read(self.path, position.offset)
            return chunk, Position(position.rotation, position.offset + len(chunk))


class LineSplitter:
    """Makes clean lines of chunks; keeps what does not end in a newline for the next chunk."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that this chunk completes."""
        whole, newline, self._partial = (self._partial + chunk).rpartition(b"\n")
        if len(self._partial) >= CHUNK_BYTES:  # a line without an end is shown in pieces
            whole, self._partial = whole + newline + self._partial, b""
        return clean_lines(whole)


def clean_lines(output: bytes) -> list[str]:
    """Return the lines of some output as a person may safely read them.

    Decoded with replacement characters; without terminal escapes, control characters and blank
    lines. Of a line that a carriage return wrote over, what was visible last.
    """
    cleaned = (_clean(line) for line in output.decode(errors="replace").split("\n"))
    return [line for line in cleaned if line]


def _clean(line: str) -> str:
    line = _ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2]
    if not line.isprintable():
        line = "".join(c for c in line.replace("\t", "    ") if c.isprintable())
    return line.rstrip()


def _last(lines: int, of: list[str]) -> tuple[str, ...]:
    return tuple(of[-lines:]) if lines > 0 else ()


def _tail(path: Path, since: int = 0) -> tuple[bytes, int]:
    """Return the end of a file, and its size."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = since if since <= size else 0
            file.seek(max(start, size - TAIL_BYTES))
            begins_within = file.tell() > start
            output = file.read(size - file.tell())
    except FileNotFoundError:
        return b"", 0
    if begins_within:  # the first line is not whole
        output = output.partition(b"\n")[2] or output
    return output, size


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)
    except FileNotFoundError:
        return b""
