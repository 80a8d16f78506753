"""Output of agents: a log file per agent, of limited size, to which the agent itself appends.

The agent has the file open, not the daemon, so the agent can print while no daemon runs. A file
that another process has open cannot be replaced. So a log above the limit is copied to `<name>.1`,
replacing the one older file, and truncated; output between these two steps is lost (as with
logrotate's `copytruncate`).

Everything here reads or writes files: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

from attrs import frozen

from hive.paths import STATE_DIR_MODE, make_directory

DEFAULT_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log is rotated."""

TAIL_BYTES = 64 * 1024
"""Bytes of the end of a log that are read for its last lines."""

CHUNK_BYTES = 64 * 1024
"""Bytes that a follower reads at once; also the longest line that it assembles."""

_MODE = 0o640
"""Permissions of a log file."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # strings: window titles, links
    r"|\x1b[ -/]*[0-~]"
)


@frozen
class Position:
    """A position in a log.

    Attributes:
        rotation: Number of rotations before it.
        offset: Bytes from the beginning of the file.
    """

    rotation: int
    offset: int


class OutputLog:
    """One agent's log file.

    All users of one file in a program share one object, whose lock excludes readers from a
    rotation in progress.
    """

    def __init__(self, path: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._limit = limit
        self._rotation = 0
        self._lock = threading.Lock()

    def open(self) -> int:
        """Return a file descriptor for appending; the caller closes it."""
        make_directory(self.path.parent, STATE_DIR_MODE)
        # Not through a symbolic link: the daemon may be root, and the agent may not.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        return os.open(self.path, flags, _MODE)

    def note(self, sentence: str) -> None:
        """Append a line of the hive's own to the agent's output."""
        fd = self.open()
        try:
            os.write(fd, f"[hive] {sentence}\n".encode())
        finally:
            os.close(fd)

    def size(self) -> int:
        """Return the size of the file in bytes; 0 if there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rotate(self) -> bool:
        """Rotate the file if it is above the limit; return whether it was."""
        with self._lock:
            if self.size() <= self._limit:
                return False
            copy = self.older.with_name(self.older.name + ".new")
            copy.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with self.path.open("rb") as old, os.fdopen(os.open(copy, flags, _MODE), "wb") as new:
                shutil.copyfileobj(old, new)
            os.truncate(self.path, 0)
            copy.replace(self.older)
            self._rotation += 1
            return True

    def last_lines(self, lines: int, *, since: int | None = None) -> tuple[str, ...]:
        """Return the last lines, oldest first, clean and without blank ones.

        Args:
            lines: Maximal number.
            since: Size of the file before this run; output before it is left out. If the file is
                smaller now it was rotated, and all of it is newer.
        """
        with self._lock:
            newest = clean_lines(_tail(self.path, since or 0)[0])
            return _last(lines, newest if since is not None else self._fill(lines, newest))

    def newest(self, lines: int) -> tuple[tuple[str, ...], Position]:
        """Return the last complete lines and the position after them."""
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
        """Return the output from a position on, at most `CHUNK_BYTES`, and the next position.

        The rest of a file that was rotated meanwhile is included, unless it was rotated twice.
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
    """Splits chunks into clean lines; an incomplete line waits for the next chunk."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that this chunk completes."""
        whole, newline, self._partial = (self._partial + chunk).rpartition(b"\n")
        if len(self._partial) >= CHUNK_BYTES:  # an endless line is split
            whole, self._partial = whole + newline + self._partial, b""
        return clean_lines(whole)


def clean_lines(output: bytes) -> list[str]:
    """Return the lines of some output, safe to show on a terminal.

    Decoded with replacement characters; without terminal escapes, control characters and blank
    lines. Of a line overwritten by carriage returns, the last version.
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
    """Return the end of a file in complete lines, and the size of the file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = since if since <= size else 0
            file.seek(max(start, size - TAIL_BYTES))
            begins_within = file.tell() > start
            output = file.read(size - file.tell())
    except FileNotFoundError:
        return b"", 0
    if begins_within:  # the first line is incomplete
        output = output.partition(b"\n")[2] or output
    return output, size


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)
    except FileNotFoundError:
        return b""
