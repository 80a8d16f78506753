"""The wait of `shutdown --wait` for the end of the daemon's process."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

from hive.base_directories import host_socket
from hive.cli import output
from hive.cli.requests import QUERY, call
from hive.client.blocking import BlockingClient
from hive.errors import FailedError, HiveError, TimedOutError

LOOK_SECONDS = 5.0
"""Seconds between two looks at how far the stop is."""


def shut_down(*, keep_agents: bool, within: float) -> None:
    """Shut down the daemon and wait until its process has ended.

    Its locks are released by then, so another daemon can start.

    Raises:
        TimedOutError: It has not ended in time; it goes on ending.
        FailedError: Its process cannot be watched from here; it ends all the same.
        HiveError: It cannot be reached.
    """
    request = {"cmd": "shutdown", "keep_agents": keep_agents}
    with BlockingClient(host_socket(), QUERY, warn=output.complain) as connection:
        pid = connection.server_pid
        process = _open(pid)  # first: afterwards the pid might be that of another process
        try:
            connection.call(request, QUERY)
            if process is None:
                raise FailedError(
                    "the shutdown has begun, but its end cannot be waited for: the daemon runs in "
                    "a PID namespace that is not visible from here"
                )
            _wait(process, pid, within)
        finally:
            if process is not None:
                os.close(process)


def _open(pid: int) -> int | None:
    """Return a descriptor of a process, which is readable once it has ended."""
    try:
        return os.pidfd_open(pid) if pid else None
    except OSError:
        return None


def _wait(process: int, pid: int, within: float) -> None:
    deadline, poll = time.monotonic() + within, select.poll()
    poll.register(process, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(1000 * min(left, LOOK_SECONDS)):
            return
        with suppress(HiveError):
            output.complain(call("agent_status").get("stopping") or "hive-c0re still ends")
    if not poll.poll(0):
        raise TimedOutError(f"hive-c0re (pid {pid}) has not ended within {within:g} s; it goes on")
