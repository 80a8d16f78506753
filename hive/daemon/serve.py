"""The long-running daemon: `hive-c0re serve`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop
from attrs import frozen

from actors import RootFailed
from hive import descriptors
from hive.config import HiveConfig, load
from hive.daemon.ending import handled_signals, stop_agents
from hive.daemon.hive import Hive
from hive.daemon.init_process import is_init, run_as_init
from hive.daemon.sd_notify import SystemdNotifier
from hive.daemon.view_process import ViewProcess, can_be_shown
from hive.errors import INTERRUPTED, ExitStatus, FailedError
from hive.paths import Paths
from hive.quantities import counted
from hive.queued_output import QueuedOutput, descriptor_stream, log_to_stderr
from hive.signal_dispositions import keep_from_children
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

    As the first process of a container, it does so in a child, and reaps orphans itself.

    Raises:
        HiveError: When the hive cannot be started, or gave up, with a remedy.
    """
    return run_as_init(lambda: _run(options)) if is_init() else _run(options)


def _run(options: ServeOptions) -> int:
    config = HiveConfig() if options.config is None else load(options.config)
    log_to_stderr(logging.WARNING, "%(levelname)s %(name)s: %(message)s")
    descriptors.raise_limit()
    keep_from_children()
    _forbid_others_to_write()
    notifier = SystemdNotifier.from_environ(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(config, options, notifier))
        except asyncio.CancelledError:  # by a second signal, before it could serve
            return INTERRUPTED
        finally:
            gc.freeze()  # the end of the interpreter need not search all objects for garbage


def _forbid_others_to_write() -> None:
    """Take the right of others to write from all files that this process and its agents make."""
    os.umask(os.umask(0o077) | stat.S_IWOTH)


async def _serve(
    config: HiveConfig, options: ServeOptions, notifier: SystemdNotifier | None = None
) -> int:
    notifier = notifier or SystemdNotifier()
    path = options.config
    screen = _screen(options)
    # Imported now: the package may be replaced while the daemon runs.
    from hive.view.lines import event_line

    hive = Hive(
        options.paths.state_dir,
        run_dir=options.paths.run_dir,
        config=config,
        read_config=None if path is None else lambda: load(path),
        config_file=path,
        on_event=lambda row: screen.show(event_line(_fields(row))),
    )
    try:
        with handled_signals(hive, options.keep_agents, screen.show):
            failure = await _serve_until_ended(hive, options.paths, notifier, screen)
    finally:  # also of a hive that could not be started: what it printed until then
        await asyncio.to_thread(screen.close)
    if failure is None:
        return ExitStatus.OK
    raise FailedError(
        f"gave up: {failure.reason}; the agents were left running, "
        "and the next 'hive-c0re serve' adopts them"
    )


async def _serve_until_ended(
    hive: Hive, paths: Paths, notifier: SystemdNotifier, screen: Screen
) -> RootFailed | None:
    """Start a hive, and close it when it has ended; return why it gave up, if it did."""
    async with hive:
        screen.open(paths)
        try:
            with (
                _notify_systemd(hive, notifier),
                _relax_gc(),
                hive.parts.metrics.loop_lag.measure(),
            ):
                failure = await hive.wait_ended()
                notifier.stopping("stops")
                if failure is None:
                    await stop_agents(hive, notifier, screen.show)
        finally:
            # While host.sock still answers: so the last picture is of now.
            await asyncio.to_thread(screen.end_status)
        outcome = _outcome(hive)
        await hive.close(keep_agents=True if failure is not None else None)
    screen.conclude(outcome)
    return failure


@contextlib.contextmanager
def _notify_systemd(hive: Hive, notifier: SystemdNotifier) -> Iterator[None]:
    """Report to systemd that the hive is ready, its status after each event, and the watchdog."""
    notifier.ready(_summary(hive))
    watchdog = asyncio.create_task(notifier.keep_alive(), name="watchdog")
    with contextlib.ExitStack() as stack:
        stack.callback(watchdog.cancel)
        if notifier.address is not None:
            events = hive.parts.events
            stack.callback(events.subscribe(lambda row: notifier.status(_summary(hive))))
        yield


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
    peers = len(hive.parts.registry.peers)
    return f"running: {running} of {counted(len(agents), 'agent')}; {counted(peers, 'peer')}"


def _outcome(hive: Hive) -> str:
    """Return what became of the agents, as they are once the stop is over: the last line."""
    agents = hive.parts.registry.agents
    running = sum(agent.running is not None for agent in agents)
    if running:
        return f"hive-c0re ended; {counted(running, 'agent')} left running"
    failed = sum(agent.record.failed is not None for agent in agents)
    words = f"hive-c0re ended; {counted(len(agents) - failed, 'agent')} stopped"
    return f"{words}, {failed} had failed" if failed else words


@frozen
class Screen:
    """What the person at the terminal sees: events, and on a terminal the status below them.

    Attributes:
        show: Prints a line.
        close: Waits until all lines are printed.
        start: Starts the status.
        end_status: Ends the status; its last picture stays, if it is a picture.
        conclude: Prints the last line, where no last picture says the same.
    """

    show: Callable[[str], None]
    close: Callable[[], None]
    start: Callable[[], None] = lambda: None
    end_status: Callable[[], None] = lambda: None
    conclude: Callable[[str], None] = lambda line: None

    def open(self, paths: Paths) -> None:
        """Say that requests are answered, and start the status."""
        self.show(f"hive-c0re serves {paths.host_socket}; state in {paths.state_dir}")
        self.start()


def _screen(options: ServeOptions) -> Screen:
    """Return the screen for this terminal: the interactive view, a live status, or only lines."""
    if not options.view:
        return _plain_screen()
    return _view_screen(options.paths) if can_be_shown() else _live_screen(options.paths)


def _view_screen(paths: Paths) -> Screen:
    """Return a screen with the interactive view, which is a process of its own."""
    view = ViewProcess(paths, QueuedOutput.of(sys.stdout))
    return Screen(view.show, view.close, view.start, view.end, view.show)


def _live_screen(paths: Paths) -> Screen:
    """Return a screen whose view is on its own thread, a client of the daemon like any other."""
    from rich.console import Console

    from hive.client.blocking import call
    from hive.view.live import LiveView
    from hive.view.terminal import hide_control_echo

    notices: list[str | None] = [None]
    restored = contextlib.ExitStack()

    def rows() -> list[dict[str, object]]:
        answer = call(paths.host_socket, {"cmd": "agent_status"}, 5)
        notices[0] = answer.get("stopping")
        found: list[dict[str, object]] = answer["agent_statuses"]
        return found

    console = Console(file=descriptor_stream(sys.stdout), highlight=False)
    view = LiveView(rows, console=console, notice=lambda: notices[0])

    def start() -> None:
        restored.enter_context(hide_control_echo(sys.stdin))
        view.start(REPAINT)

    def end_status() -> None:
        view.stop()
        restored.close()

    return Screen(view.print, view.stop, start, end_status)


def _plain_screen() -> Screen:
    """Return a screen without a status."""
    output = QueuedOutput.of(sys.stdout)
    return Screen(output.put_line, output.close, conclude=output.put_line)


def _fields(row: EventRow) -> dict[str, object]:
    return {
        "seq": row.seq,
        "at": row.at,
        "event": row.event,
        "name": row.name,
        "detail": row.detail,
    }
