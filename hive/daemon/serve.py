"""The long-running daemon: `hive-c0re serve`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop
from attrs import frozen

from hive import descriptors
from hive.config import HiveConfig, load
from hive.daemon.hive import Hive
from hive.daemon.sd_notify import SystemdNotifier
from hive.errors import ExitStatus
from hive.paths import Paths
from hive.wire.rows import EventRow

logger = logging.getLogger(__name__)

COLLECT_AFTER = (50_000, 20, 50)
"""The thresholds of the garbage collector, see `gc.set_threshold`."""

REPAINT = 1.0
"""Seconds between two frames of the live view."""


@frozen
class ServeOptions:
    """Options of the command line.

    Attributes:
        config: The hive.toml to run; None runs the agents of the store.
        paths: Where state and sockets are.
        keep_agents: Leave the agents running at the end.
        view: Show a live status beneath the events; needs a terminal.
    """

    config: Path | None
    paths: Paths
    keep_agents: bool
    view: bool


def run(options: ServeOptions) -> int:
    """Serve until the end is requested; returns the exit status.

    Raises:
        HiveError: When the hive cannot be started, with a remedy.
    """
    config = HiveConfig() if options.config is None else load(options.config)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    descriptors.raise_limit()
    notifier = SystemdNotifier.from_environ(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config, options, notifier))


async def _serve(
    config: HiveConfig, options: ServeOptions, notifier: SystemdNotifier | None = None
) -> int:
    notifier = notifier or SystemdNotifier()
    hive = Hive(options.paths.state_dir, run_dir=options.paths.run_dir, config=config)
    async with hive:
        with (
            _shutdown_on_signals(hive, options.keep_agents),
            _print_events(hive, options),
            _notify_systemd(hive, notifier),
            _relax_gc(),
        ):
            failure = await hive.wait_ended()
            notifier.stopping("stops")
            await hive.close(keep_agents=True if failure is not None else None)
    if failure is None:
        return ExitStatus.OK
    sys.stderr.write(
        f"hive-c0re: gave up: {failure.reason}; the agents were left running, "
        "and the next 'hive-c0re serve' adopts them\n"
    )
    return ExitStatus.FAILED


@contextlib.contextmanager
def _shutdown_on_signals(hive: Hive, keep_agents: bool) -> Iterator[None]:
    """Let SIGINT and SIGTERM begin the orderly end; a second one changes nothing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hive.shutdown, keep_agents)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _notify_systemd(hive: Hive, notifier: SystemdNotifier) -> Iterator[None]:
    """Report to systemd that the hive is ready, its status after each event, and the watchdog."""
    notifier.ready(_summary(hive))
    watchdog = asyncio.create_task(notifier.keep_alive(), name="watchdog")
    unsubscribe = hive.parts.events.subscribe(lambda row: notifier.status(_summary(hive)))
    try:
        yield
    finally:
        unsubscribe()
        watchdog.cancel()


@contextlib.contextmanager
def _relax_gc() -> Iterator[None]:
    """Freeze the objects made so far, and run the garbage collector less often.

    Mail and requests make no cycles: reference counts free them. With Python's own thresholds the
    collector took a quarter of the loop's time and found nothing.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _summary(hive: Hive) -> str:
    agents = hive.parts.registry.agents
    running = sum(agent.running is not None for agent in agents)
    return f"{running} of {len(agents)} agents run, {len(hive.parts.registry.peers)} peers"


@contextlib.contextmanager
def _print_events(hive: Hive, options: ServeOptions) -> Iterator[None]:
    """Print events, on a terminal above a live status view."""
    if options.view:
        show, end = _live_view(options.paths)
    else:
        show, end = _print_line, lambda: None
    show(f"hive-c0re serves {options.paths.host_socket}; state in {options.paths.state_dir}")
    unsubscribe = hive.parts.events.subscribe(lambda row: show(_event_line(row)))
    try:
        yield
    finally:
        unsubscribe()
        end()


def _live_view(paths: Paths) -> tuple[Callable[[str], None], Callable[[], None]]:
    """Start the view on its own thread; it is a client of the daemon like any other."""
    from hive.client.blocking import call
    from hive.view.live import LiveView

    def rows() -> list[dict[str, object]]:
        answer = call(paths.host_socket, {"cmd": "agent_status"}, 5)
        found: list[dict[str, object]] = answer["agent_statuses"]
        return found

    view = LiveView(rows)
    view.start(REPAINT)
    return view.print, view.stop


def _print_line(line: str) -> None:
    """Print and flush a line; a closed pipe or a full disk does not end the daemon."""
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _event_line(row: EventRow) -> str:
    from hive.view.lines import event_line

    return event_line(
        {"seq": row.seq, "at": row.at, "event": row.event, "name": row.name, "detail": row.detail}
    )
