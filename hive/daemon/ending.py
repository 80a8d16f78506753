"""The end of a daemon in the foreground or as a service: its signals, and what it says meanwhile.

| signal | effect |
|---|---|
| SIGINT, SIGTERM | the orderly end; a second one kills the agents that have not ended |
| SIGHUP, with a terminal | the terminal was closed: the orderly end |
| SIGHUP, without | hive.toml is reloaded |
| SIGHUP that was ignored at the start | is ignored, as nohup(1) wants |
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from collections.abc import Callable, Iterator

from hive.daemon.hive import Hive
from hive.daemon.sd_notify import SystemdNotifier
from hive.errors import HiveError
from hive.quantities import counted
from hive.signal_dispositions import is_ignored

logger = logging.getLogger(__name__)

Say = Callable[[str], object]
"""Prints a line for the person at the terminal, or for the journal."""

FIRST_SECONDS = 0.5
"""Seconds after which the first report is printed; agents that end at once need none."""

PROGRESS_SECONDS = 1.0
"""Seconds between two reports to systemd while agents are stopped."""

EXTEND_SECONDS = 30.0
"""Seconds for which each report asks systemd to wait: agents may have a long `stop_timeout`."""

SAY_EVERY = 5
"""Of these reports, the first one and then every so many is printed."""


class EndSignals:
    """The handlers of SIGINT and SIGTERM.

    Args:
        hive: What they end.
        keep_agents: Leave the agents running.
        say: Prints what a signal does.
        abandon: Called by a second signal while the hive still opens.
    """

    def __init__(
        self, hive: Hive, keep_agents: bool, say: Say, abandon: Callable[[], object]
    ) -> None:
        self._hive = hive
        self._keep_agents = keep_agents
        self._say = say
        self._abandon = abandon
        self._count = 0

    def received(self, number: int) -> None:
        """Begin the orderly end, or, the second time, kill what has not ended."""
        self._count += 1
        name = signal.Signals(number).name
        if self._count == 1:
            self._hive.shutdown(self._keep_agents)
        elif not self._hive.is_open:
            self._abandon()
        elif names := self._hive.kill_agents():
            self._say(f"{name} again: killing {', '.join(names)}")

    def closed(self) -> None:
        """Begin the orderly end, because the terminal was closed; it may be said several times."""
        self._hive.shutdown(self._keep_agents)


@contextlib.contextmanager
def handled_signals(hive: Hive, keep_agents: bool, say: Say) -> Iterator[None]:
    """Handle the signals of a daemon."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    ends = EndSignals(hive, keep_agents, say, task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ends.received, number)
    try:
        with _handled_hangup(hive, ends):
            yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _handled_hangup(hive: Hive, ends: EndSignals) -> Iterator[None]:
    """Handle SIGHUP, unless it is ignored.

    Whether there is a controlling terminal is looked at now: a closed one is none any more.
    """
    if is_ignored(signal.SIGHUP):
        yield
        return
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(_reload(hive))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, ends.closed if _has_terminal() else reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in reloads:
            task.cancel()


def _has_terminal() -> bool:
    """Return whether this program has a controlling terminal; a service has none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def _reload(hive: Hive) -> None:
    """Reload hive.toml; its problems are logged, and change nothing."""
    try:
        plan = await hive.parts.reloader.reload()
    except HiveError as error:
        logger.error("hive.toml was not reloaded: %s", error)  # noqa: TRY400
        return
    logger.warning("hive.toml was reloaded: %s", counted(len(plan.changes), "change"))


async def stop_agents(hive: Hive, notifier: SystemdNotifier, say: Say) -> None:
    """Stop the agents, and say how far that is; all sockets answer meanwhile."""
    reports = asyncio.create_task(_report(hive, notifier, say), name="progress of the stop")
    try:
        await hive.stop_agents()
    finally:
        reports.cancel()


async def _report(hive: Hive, notifier: SystemdNotifier, say: Say) -> None:
    await asyncio.sleep(FIRST_SECONDS)
    for count in itertools.count():
        progress = hive.stopping
        if progress is not None:
            notifier.still_stopping(progress, EXTEND_SECONDS)
            if count % SAY_EVERY == 0:
                say(f"{progress}; Ctrl-C or SIGTERM again kills what is left")
        await asyncio.sleep(PROGRESS_SECONDS)
