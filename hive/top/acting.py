"""Carries out what keys lead to: requests, verbs, completions. Blocks; runs on worker threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hive.client.blocking import call
from hive.errors import HiveError
from hive.top.actions import DaemonRequest, RunVerb

OUTPUT_LINES = 5000
"""Lines of a verb's output that are shown, the last ones."""

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


class VerbRun:
    """A verb of the command line as a program of its own, which can be ended.

    It has no terminal: it asks nothing, draws nothing, and cannot disturb the picture.

    Args:
        action: The verb.
        path: The socket of the daemon that it key_requests.
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
