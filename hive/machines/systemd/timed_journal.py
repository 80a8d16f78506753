"""Lines of containers with the times at which the journal of the host received them.

The journal is read backwards, until there are enough lines of the agent: how much else its
container printed meanwhile is unknown. The amount and the time are bounded.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

from attrs import define, evolve, field

from hive.errors import FailedError
from hive.machines.systemd.console_output import console_lines
from hive.machines.systemd.exit_cause import agent_line
from hive.machines.timed_output import LinesWanted, TimedLine, TimedLines

READ_BYTES = 8 * 1024 * 1024
"""Bytes of the journal, as `journalctl` prints it, that are read for one request."""

SEARCH_SECONDS = 5.0
"""Longest time for one request, less than a client waits: it gets what was found until then."""

_ENTRY_BYTES = 1024 * 1024
"""Bytes of the longest entry: each byte of a line that is no plain text takes up to four."""

_ERROR_BYTES = 4096
"""Bytes of an error message that are read."""

_QUERY = (
    *("journalctl", "--quiet", "--no-pager", "--reverse", "--all"),
    *("--output=json", "--output-fields=MESSAGE"),
)


@define
class BackwardSearch:
    """A search for lines in entries of the journal that come newest first.

    Attributes:
        wanted: The period, and most lines.
        agent: Whether only the agent's own lines count.
        most_bytes: Bytes of entries after which it ends.
    """

    wanted: LinesWanted
    agent: bool
    most_bytes: int = READ_BYTES
    _lines: list[TimedLine] = field(factory=list, init=False)
    _read: int = field(default=0, init=False)
    _oldest: float | None = field(default=None, init=False)
    _is_cut: bool = field(default=False, init=False)

    def read(self, entries: IO[bytes]) -> bool:
        """Search entries until enough is found or was read; return whether it came to their end."""
        while entry := entries.readline(_ENTRY_BYTES):
            self.take(entry)
            if len(self._lines) >= self.wanted.most:
                return False
            if self._read >= self.most_bytes:
                self.cut()
                return False
        return True

    def take(self, entry: bytes) -> None:
        """Search an entry, a line of JSON; one that cannot be read has no lines."""
        self._read += len(entry)
        fields = _fields(entry)
        at = _time(fields)
        if at is None:
            return
        self._oldest = at
        if self.wanted.has(at):
            for line in reversed(console_lines(_message(fields))):
                if text := agent_line(line) if self.agent else line:
                    self._lines.append(TimedLine(at, text))

    def cut(self) -> None:
        """Note that older entries were not searched.

        Raises:
            FailedError: None was searched.
        """
        if self._oldest is None:
            raise FailedError(
                f"the journal cannot be read: `journalctl` gave nothing in {SEARCH_SECONDS:g} s"
            )
        self._is_cut = True

    def found(self) -> TimedLines:
        """Return what was found, oldest first."""
        lines = tuple(reversed(self._lines[: self.wanted.most]))
        return TimedLines(lines, self._oldest if self._is_cut else None)


def newest_timed(unit: str, wanted: LinesWanted, *, since: float, agent: bool) -> TimedLines:
    """Return the newest lines of a container within a period. Blocks: call it from a thread.

    Args:
        unit: Name of the container's service.
        wanted: The period, and most lines.
        since: Wall time in seconds before which the output was of another agent.
        agent: Whether only the agent's own lines count.

    Raises:
        FailedError: The journal cannot be read, or does not answer in time.
    """
    begin = max(since, wanted.since or 0.0)
    if wanted.until is not None and wanted.until <= begin:
        return TimedLines()
    search = BackwardSearch(evolve(wanted, since=begin), agent)
    until = () if wanted.until is None else (f"--until=@{wanted.until:.6f}",)
    _run((*_QUERY, f"--unit={unit}", f"--since=@{begin:.6f}", *until), search)
    return search.found()


def _run(query: Sequence[str], search: BackwardSearch) -> None:
    """Search what a query prints, for `SEARCH_SECONDS` at most."""
    try:
        process = subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise FailedError(f"the journal cannot be read: {error}") from error
    late = threading.Timer(SEARCH_SECONDS, process.kill)
    late.start()
    with process:
        try:
            if search.read(cast("IO[bytes]", process.stdout)):
                words = cast("IO[bytes]", process.stderr).read(_ERROR_BYTES)
                _check_end(process.wait(), words, search)
        finally:
            process.kill()
            late.cancel()
            late.join()


def _check_end(status: int, words: bytes, search: BackwardSearch) -> None:
    if status < 0:
        search.cut()
    elif status:
        why = words.decode(errors="replace").strip() or f"`journalctl` exited with {status}"
        raise FailedError(f"the journal cannot be read: {why}")


def _fields(entry: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(entry)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(fields: Mapping[str, Any]) -> float | None:
    value = fields.get("__REALTIME_TIMESTAMP")
    return int(value) / 1e6 if isinstance(value, str) and value.isdecimal() else None


def _message(fields: Mapping[str, Any]) -> bytes:
    """Return the text of an entry; `journalctl` gives it as bytes unless it is plain text."""
    value = fields.get("MESSAGE")
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, list) and all(type(each) is int for each in value):
        return bytes(each & 0xFF for each in value)
    return b""
