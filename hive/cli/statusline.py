"""Prints one line for a status bar: what needs the operator, and what works.

A bar runs it every few seconds and shows whatever it prints, so it never fails for want of a
daemon.
"""

from __future__ import annotations

import os
import time

from hive.base_directories import host_socket
from hive.cli import output
from hive.cli.requests import call
from hive.errors import HiveError, TimedOutError, UnreachableError
from hive.view.attention_lines import is_waiting, oldest_of, statusline
from hive.view.text import ASCII, for_encoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE = 3.0
"""Seconds that the daemon may take."""


def show_statusline(*, as_json: bool) -> None:
    """Print the line, also when the daemon cannot be asked.

    Args:
        as_json: Print JSON.
    """
    found = _found()
    if as_json:
        output.item(found, "StatusLine")
    else:
        output.lines([found["text"]])


def _found() -> dict[str, Any]:
    try:
        answer = call("attention", timeout=PATIENCE)
    except HiveError as error:
        return {"running": False, "text": _why_not(error), "class": "away"}
    if "items" not in answer:
        return {"running": False, "text": "hive cannot be asked", "class": "away"}
    rows = [row for row in answer["items"] if is_waiting(row)]
    failed = sum(row["kind"] == "failure" for row in rows)
    is_ascii = for_encoding(output.encoding()) is ASCII
    return {
        "running": True,
        "text": statusline(rows, answer["working"], time.time(), ", " if is_ascii else " · "),
        "class": "failed" if failed else "needs_you" if rows else "quiet",
        "needs_you": len(rows),
        "oldest": oldest_of(rows),
        "working": answer["working"],
        "failed": failed,
    }


def _why_not(error: HiveError) -> str:
    """Return why the daemon cannot be asked, in few words."""
    if isinstance(error, TimedOutError):
        return "hive does not answer"
    socket = host_socket()
    is_barred = os.access(socket, os.F_OK) and not os.access(socket, os.R_OK | os.W_OK)
    if isinstance(error, UnreachableError) and not is_barred:
        return "hive is not running"
    return "hive cannot be asked"
