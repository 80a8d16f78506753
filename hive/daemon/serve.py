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

from hive.config import HiveConfig, load
from hive.daemon.hive import Hive
from hive.daemon.sd_notify import NOBODY, SystemdNotifier
from hive.errors import ExitStatus
from hive.paths import Paths
from hive.wire.rows import EventRow

logger = logging.getLogger(__name__)

COLLECT_AFTER = (50_000, 20, 50)
"""The thresholds of the garbage collector, see `gc.set_threshold`."""

REPAINT = 1.0
"""Seconds between two pictures of the live view."""


@frozen
class ServeOptions:
    """What the command line said.

    Attributes:
        config: The hive.toml to run; None runs what was spawned before.
        keep_agents: Leave the agents running at the end.
        view: Show a live status beneath the events; needs a terminal.
    """

    config: Path | None
    paths: Paths
    keep_agents: bool
    view: bool


def run(options: ServeOptions) -> int:
    """Serve until asked to end; returns the exit status.

    Raises:
        HiveError: When the hive cannot be started, with what to do.
    """
    config = HiveConfig() if options.config is None else load(options.config)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    notifier = SystemdNotifier.take(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config, options, notifier))


async def _serve(
    config: HiveConfig, options: ServeOptions, notifier: SystemdNotifier = NOBODY
) -> int:
    hive = Hive(options.paths.state_dir, run_dir=options.paths.run_dir, config=config)
    async with hive:
        with (
            _ended_by_signals(hive, options.keep_agents),
            _shown(hive, options),
            _told(hive, notifier),
            _garbage_looked_for_seldom(),
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
def _ended_by_signals(hive: Hive, keep_agents: bool) -> Iterator[None]:
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
def _told(hive: Hive, notifier: SystemdNotifier) -> Iterator[None]:
    """Tell systemd that the hive is up, how it is after each event, and that its loop runs."""
    notifier.ready(_summary(hive))
    alive = asyncio.create_task(notifier.keep_alive(), name="watchdog")
    unsubscribe = hive.parts.events.subscribe(lambda row: notifier.status(_summary(hive)))
    try:
        yield
    finally:
        unsubscribe()
        alive.cancel()


@contextlib.contextmanager
def _garbage_looked_for_seldom() -> Iterator[None]:
    """Spare the garbage collector what lives as long as the daemon, and let it look less often.

    Mail and requests make no cycles: they go when nobody refers to them any more. With Python's
    own thresholds a quarter of the loop's time went into looking at them in vain.
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
def _shown(hive: Hive, options: ServeOptions) -> Iterator[None]:
    """Print events, on a terminal above a live status view."""
    if options.view:
        show, end = _live_view(options.paths)
    else:
        show, end = _print_line, _nothing
    show(f"hive-c0re serves {options.paths.host_socket}; state in {options.paths.state_dir}")
    unsubscribe = hive.parts.events.subscribe(lambda row: show(_event_line(row)))
    try:
        yield
    finally:
        unsubscribe()
        end()


def _live_view(paths: Paths) -> tuple[Callable[[str], None], Callable[[], None]]:
    """Start the view on a thread of its own; it asks the daemon as any client does."""
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
    """Print a line at once; a reader that has gone, or a full disk, is no reason to end."""
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _event_line(row: EventRow) -> str:
    from hive.view.lines import event_line

    return event_line(
        {"seq": row.seq, "at": row.at, "event": row.event, "name": row.name, "detail": row.detail}
    )


def _nothing() -> None:
    """The end of what needs no end."""
