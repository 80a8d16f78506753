"""Output of agents: a log file per agent, of limited size, to which the agent itself appends.

The agent has the file open, not the daemon, so the agent can print while no daemon runs. A file
that another process has open cannot be replaced. So a log above the limit is copied to `<name>.1`,
replacing the one older file, and truncated; output between these two steps is lost (as with
logrotate's `copytruncate`). Where there is no room for the copy, only the end of the log is kept:
a full disk must not keep the logs that fill it.

Everything here reads or writes files: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from attrs import evolve, frozen

from hive.machines.agent_files import open_regular, read_regular
from hive.paths import STATE_DIR_MODE, make_directory
from hive.quantities import counted

DEFAULT_LIMIT = 10 * 1024 * 1024
"""Bytes after which a log is rotated."""

TAIL_BYTES = 64 * 1024
"""Bytes of the end of a log that are read for its last lines."""

CHUNK_BYTES = 64 * 1024
"""Bytes that a follower reads at once; also the longest line that it assembles."""

_MODE = 0o640
"""Permissions of a log file."""

_SKIPPED = b"\n[hive] output was skipped: its log was rotated before it was read\n"

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # control sequences: colours, cursor moves
    # Strings: window titles, links. No escape is within one, so that each begin is read once.
    r"|\x1b[\]PX^_][^\x07\x1b]*+(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*+[0-~]"
)
"""Sequences for a terminal. No part is matched twice: agents choose what it is applied to."""


@frozen
class Position:
    """A position in a log.

    Attributes:
        rotation: Number of rotations before it.
        offset: Bytes from the beginning of the file.
        drops: Number of times before it that output was dropped.
    """

    rotation: int
    offset: int
    drops: int = 0


class OutputLog:
    """One agent's log file.

    All users of one file in a program share one object, whose lock excludes readers from a
    rotation in progress.
    """

    def __init__(self, path: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._copy = path.with_name(path.name + ".1.new")
        self._limit = limit
        self._rotation = 0
        self._skipped = 0  # bytes at the beginning of the rotated file that were not kept
        self._drops = 0
        self._kept = 0
        self._lock = threading.Lock()

    def open(self) -> int:
        """Return a file descriptor for appending; the caller closes it."""
        make_directory(self.path.parent, STATE_DIR_MODE)
        descriptor = open_regular(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
        if not os.fstat(descriptor).st_mode & stat.S_IRUSR:  # a umask of 0777
            with suppress(PermissionError):
                os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
        return descriptor

    def note(self, sentence: str) -> None:
        """Append a line of the hive's own to the agent's output."""
        fd = self.open()
        try:
            os.write(fd, f"[hive] {sentence}\n".encode())
        finally:
            os.close(fd)

    def size(self) -> int:
        """Return the size of the file in bytes; 0 if there is no regular file."""
        found = self._found()
        return 0 if found is None else found.st_size

    def file(self) -> tuple[int, int] | None:
        """Return device and inode of the file; None if there is none that only this name has."""
        found = self._found()
        return (found.st_dev, found.st_ino) if found and found.st_nlink == 1 else None

    def _found(self) -> os.stat_result | None:
        try:
            found = self.path.lstat()
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def rotate(self) -> bool:
        """Rotate the file if it is above the limit; return whether it was.

        Of a file above twice the limit, the newest bytes up to the limit are kept. If the copy
        fails, for want of room or otherwise, the last `TAIL_BYTES` stay in the file and the rest
        is dropped: that needs no room.
        """
        with self._lock:
            self._copy.unlink(missing_ok=True)  # left by a daemon that was killed
            size = self.size()
            if size <= self._limit:
                return False
            skipped = size - self._limit if size > 2 * self._limit else 0
            try:
                self._move(skipped)
            except OSError as error:
                why = error.strerror or str(error)
                self._drop_after(
                    0, lambda count: f"{counted(count, 'byte')} dropped: no copy, {why}", 0
                )
                return True
            self._rotation += 1
            self._skipped = skipped
            return True

    def _move(self, skipped: int) -> None:
        """Copy the file to the older one, apart from its first bytes, and truncate it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(open_regular(self.path, os.O_RDWR), "rb+", 0) as old:  # noqa: PTH123
            try:
                with open(os.open(self._copy, flags, _MODE), "wb", 0) as new:  # noqa: PTH123
                    old.seek(skipped)
                    _copy(old, new, 2 * self._limit)
                    self._copy.replace(self.older)
                    _copy(old, new, self._limit)  # what came meanwhile
            except OSError:
                self._copy.unlink(missing_ok=True)
                raise
            old.truncate(0)

    def drop_after(self, offset: int, describe: Callable[[int], str], *, note: int = 0) -> int:
        """Drop the output after an offset, apart from the last `TAIL_BYTES`, and note that.

        Args:
            offset: Bytes from the beginning of the file that are kept.
            describe: Returns the note; its argument is the number of bytes dropped.
            note: Bytes of an earlier note at the offset, which the new one replaces.

        Returns:
            The bytes of the note.
        """
        with self._lock:
            return self._drop_after(offset, describe, note)

    def _drop_after(self, offset: int, describe: Callable[[int], str], note: int) -> int:
        with open(open_regular(self.path, os.O_RDWR), "rb+", 0) as file:  # noqa: PTH123
            tail, size = _tail(self.path, offset + note)
            text = f"[hive] {describe(size - offset - note - len(tail))}\n".encode()
            if offset and not _ends_line(file, offset):
                text = b"\n" + text
            tail = tail[max(0, offset + len(text + tail) - size) :]  # it only moves ahead
            self._drops, self._kept = self._drops + 1, offset
            _move_end(file.fileno(), text + tail, offset, size)
            return len(text)

    def last_lines(self, lines: int) -> tuple[str, ...]:
        """Return the last lines, at most so many, oldest first, clean and without blank ones."""
        with self._lock:
            return _last(lines, self._fill(lines, clean_lines(_tail(self.path)[0])))

    def last_lines_of_run(self, lines: int, begin: int, begun_at: int) -> tuple[str, ...]:
        """Return the last lines of the run of an agent, as `last_lines`.

        If the log was rotated in the run, and it printed fewer, some of an earlier run come first.

        Args:
            lines: Maximal number.
            begin: Size of the file before the run; output before it is left out. If the file is
                smaller now it was cut, and all of it is newer.
            begun_at: Time in nanoseconds of the begin, by the file system: an older file that was
                written later has output of this run, perhaps all of it.
        """
        with self._lock:
            if self._was_rotated_since(begun_at):
                return _last(lines, self._fill(lines, clean_lines(_tail(self.path)[0])))
            return _last(lines, clean_lines(_tail(self.path, begin)[0]))

    def _was_rotated_since(self, at: int) -> bool:
        try:
            return self.older.stat().st_mtime_ns > at
        except OSError:
            return False

    def newest(self, lines: int) -> tuple[tuple[str, ...], Position]:
        """Return the last complete lines and the position after them."""
        with self._lock:
            output, end = _tail(self.path)
            whole, _, partial = output.rpartition(b"\n")
            position = Position(self._rotation, end - len(partial), self._drops)
            return _last(lines, self._fill(lines, clean_lines(whole))), position

    def _fill(self, lines: int, newest: list[str]) -> list[str]:
        if len(newest) >= lines:
            return newest
        return clean_lines(_tail(self.older)[0]) + newest

    def read(self, position: Position) -> tuple[bytes, Position]:
        """Return the output from a position on, at most `CHUNK_BYTES`, and the next position.

        The rest of a file that was rotated meanwhile is included. What was not kept of it, or all
        of it if it was rotated twice, is lost; a line says so, and the output of the older file
        follows. After a drop it continues with the note about it.
        """
        with self._lock:
            older = self._rotation - 1
            if position.rotation < older or (
                position.rotation == older and position.offset < self._skipped
            ):
                return _SKIPPED, evolve(position, rotation=older, offset=self._skipped)
            if position.rotation == older:
                rest = _read(self.older, position.offset - self._skipped)
                if rest:
                    return rest, evolve(position, offset=position.offset + len(rest))
            offset = position.offset
            if position.drops != self._drops:
                offset = min(offset, self._kept)
            if position.rotation != self._rotation or offset > self.size():
                offset = 0
            chunk = _read(self.path, offset)
            return chunk, Position(self._rotation, offset + len(chunk), self._drops)


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
    lines. Of a line overwritten by carriage returns, the last version; of one that is longer than
    `CHUNK_BYTES`, its end. The time is linear in the length.
    """
    cleaned = (clean_line(line) for line in output.decode(errors="replace").split("\n"))
    return [line for line in cleaned if line]


def clean_line(line: str) -> str:
    """Return one line as `clean_lines` does; empty if nothing is left of it."""
    line = _ESCAPES.sub("", line[-CHUNK_BYTES:]).rstrip("\r").rpartition("\r")[2]
    if not line.isprintable():
        line = "".join(c for c in line.replace("\t", "    ") if c.isprintable())
    return line.rstrip()


def _last(lines: int, of: list[str]) -> tuple[str, ...]:
    return tuple(of[-lines:]) if lines > 0 else ()


def _ends_line(file: RawIOBase, offset: int) -> bool:
    file.seek(offset - 1)
    return file.read(1) == b"\n"


def _move_end(file: int, output: bytes, to: int, end: int) -> None:
    """Write the end of a file further ahead in it, with all that is appended meanwhile.

    It stays in order behind what is before, so the last line is always that of the program, which
    says why it ended. Lost is only what is appended between the last two system calls.

    Args:
        file: Descriptor of the file, not for appending.
        output: What to write.
        to: Where.
        end: The end of the file that `output` is about.
    """
    most = end + 2 * DEFAULT_LIMIT  # who prints as fast as it is copied does not hold up others
    while output and end < most:
        to += os.pwrite(file, output, to)
        output = os.pread(file, CHUNK_BYTES, max(to, end))
        end += len(output)
    os.ftruncate(file, to)


def _copy(old: BinaryIO, new: BinaryIO, most: int) -> None:
    """Copy at most so many bytes, unbuffered: the file may grow meanwhile."""
    while most > 0 and (chunk := old.read(min(CHUNK_BYTES, most))):
        most -= len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[new.write(rest) :]


def _tail(path: Path, since: int = 0) -> tuple[bytes, int]:
    """Return the end of a file in complete lines, and the size of the file.

    Of a file that cannot be read, the only line says so.
    """
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:  # noqa: PTH123 - an open file
            size = file.seek(0, os.SEEK_END)
            start = since if since <= size else 0
            file.seek(max(start, size - TAIL_BYTES))
            begins_within = file.tell() > start
            output = file.read(min(size - file.tell(), TAIL_BYTES))
    except FileNotFoundError:
        return b"", 0
    except OSError as error:
        return f"[hive] {path} cannot be read: {error.strerror}\n".encode(), 0
    if begins_within:  # the first line is incomplete
        output = output.partition(b"\n")[2] or output
    return output, size


def _read(path: Path, offset: int) -> bytes:
    try:
        return read_regular(path, CHUNK_BYTES, offset)
    except OSError:
        return b""
