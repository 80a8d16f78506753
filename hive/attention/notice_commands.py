"""Runs the programs of `[notices]`, without a shell, each with a time limit.

What agents wrote reaches a program only in its environment and on its standard input, never among
its arguments.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from hive.attention.notice_rules import NoticeBatch, NoticeClass
from hive.event_log import EventKind, EventLog
from hive.subprocesses import run_command


class NoticeCommands:
    """Runs the programs, and records a failure once.

    Args:
        events: The event log.
        host: The name of this machine, which the programs get.
    """

    def __init__(self, events: EventLog, host: str | None = None) -> None:
        self._events = events
        self._host = host or socket.gethostname()
        self._failing: set[NoticeClass] = set()

    async def run(self, argv: Sequence[str], batch: NoticeBatch, timeout: float) -> bool:
        """Run a program to its end; return whether it succeeded.

        Args:
            argv: The program and its arguments.
            batch: What it is about.
            timeout: Seconds until it is killed.
        """
        outcome = await run_command(
            argv,
            deadline=timeout,
            env=os.environ | batch.variables(self._host),
            given=batch.document(self._host),
        )
        if outcome.ok:
            self._failing.discard(batch.notice_class)
        elif batch.notice_class not in self._failing:
            self._failing.add(batch.notice_class)
            notice = batch.notice_class.value
            self._events.record(EventKind.NOTICE_FAILED, notice=notice, reason=str(outcome))
        return outcome.ok
