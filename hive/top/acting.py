"""Carries out what keys lead to: requests, verbs, completions. Blocks; runs on worker threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from attrs import frozen

from hive.client.blocking import call
from hive.errors import HiveError
from hive.escapes import inline
from hive.quantities import counted
from hive.top.actions import DaemonRequest, RunVerb
from hive.view.lines import message_lines
from hive.view.row_fields import UNREADABLE

OUTPUT_LINES = 5000
"""Lines of a verb's output that are shown, the last ones."""

MOST_MAIL = 1000
"""Messages that are read at once."""

VERB_SECONDS = 600.0
"""Seconds after which a verb is ended: it is one that follows, or waits for too long."""


def ask(path: Path, action: DaemonRequest) -> tuple[str, bool]:
    """Send a request; return what to say about it, and whether it has failed."""
    try:
        answer = call(path, action.request, action.timeout, warn=lambda sentence: None)
    except HiveError as error:
        return f"{action.doing}: {error}", True
    notice = answer.get("notice") or answer.get("parked")
    return (f"{action.done}; {notice}" if notice else action.done), False


@frozen
class Mail:
    """Unread mail that is to be shown.

    Attributes:
        lines: Its lines; none if there is no mail, or if it cannot be shown.
        said: What to say about it.
        has_failed: Whether that is an error.
    """

    lines: tuple[str, ...]
    said: str
    has_failed: bool = False


def read_mail(path: Path, now: float) -> Mail:
    """Read all unread mail of the operator, and mark as read what can be shown of it.

    Args:
        path: The socket of the daemon.
        now: Wall time in seconds, for the age of the messages.
    """
    unread = {"cmd": "inbox", "unread": True, "max": MOST_MAIL}
    try:
        rows = call(path, unread, warn=lambda sentence: None)["messages"]
        lines = tuple(text for row in rows for text in message_lines(row, now))
        ids = [int(row["id"]) for row in rows]
    except HiveError as error:
        return Mail((), f"read mail: {error}", has_failed=True)
    except UNREADABLE as error:
        return Mail((), f"this cannot be shown: {inline(repr(error))}", has_failed=True)
    if not ids:
        return Mail((), "no unread mail")
    done = f"marked {counted(len(ids), 'message')} as read"
    marks = DaemonRequest({"cmd": "read_mail", "ids": ids}, "mark mail as read", done)
    return Mail(lines, *ask(path, marks))


class VerbRun:
    """A verb of the command line as a program of its own, which can be ended.

    It has no terminal: it asks nothing, draws nothing, and cannot disturb the picture.

    Args:
        action: The verb.
        path: The socket of the daemon that it asks.

    Raises:
        OSError: It cannot be run.
        ValueError: Its words cannot be those of a program.
    """

    def __init__(self, action: RunVerb, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hive.cli", *action.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HYPERHIVE_RUN_DIR": str(path.parent), "COLUMNS": "200"},
            start_new_session=True,
        )

    def output(self) -> tuple[str, ...]:
        """Wait for its end, and return the last lines that it printed and how it ended."""
        try:
            printed, _ = self._process.communicate(timeout=VERB_SECONDS)
        except subprocess.TimeoutExpired:
            self.end()
            printed, _ = self._process.communicate()
        lines = printed.decode(errors="replace").splitlines()
        shown = lines[-OUTPUT_LINES:]
        if len(shown) < len(lines):
            shown[:0] = [f"[{len(lines) - len(shown)} earlier lines are not shown]"]
        status = self._process.returncode
        if status:
            shown.append(f"[it ended with status {status}]")
        return tuple(shown) or ("[done]",)

    def end(self) -> None:
        """End the program, as Ctrl-C does; it may have ended."""
        if self._process.poll() is None:
            self._process.terminate()
