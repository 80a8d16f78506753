"""Entry of the run loop: from the options of `serve` to a harness that runs until a signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from random import Random

from attrs import frozen

from hive.client.agent import ManagerClient
from hive.errors import ConfigError
from hive.harness import environment
from hive.harness.driver import DriverSetup, MessageDriver, TurnDriver
from hive.harness.notifier import (
    CommandSink,
    Sink,
    TerminalNotice,
    TerminalSink,
    UnreadNotifier,
    send_to_all,
)
from hive.harness.programs import write_to_stderr
from hive.harness.run_loop import HarnessRuntime
from hive.names import BUILT_IN, GROUP, suggest
from hive.queued_output import log_to_stderr
from hive.signal_dispositions import keep_from_children

PEER_DRIVER = "peer"
"""Driver name that a peer without a hook reports to the daemon."""

HOOK_DRIVER = "hook"
"""Driver name that a peer with a hook reports to the daemon."""

DriverFactory = Callable[[DriverSetup], MessageDriver | TurnDriver]
"""The object that an entry point of the group names.

Called before the event loop runs, so it may read files. Raises ConfigError for a setup that cannot
work.
"""


@frozen
class HarnessOptions:
    """The options of `serve`.

    Attributes:
        socket: The participant's socket.
        driver: Name of the driver, an entry point of the group.
        arguments: The program, or other arguments of the driver.
        time_limit: Seconds for one message.
        concurrency: Messages that are processed at once.
        reply_to_replies: Whether messages that are replies themselves get a reply.
        peer: Announce presence only; with `hook`, pass messages to a program, without replies.
        hook: Pass each message to the program; goes with `peer`.
        bell: Shell command that is run when messages are unread; None for none.
        bell_tty: Terminal that is notified then; None for none.
        bell_notice: Value of `TerminalNotice` for that terminal.
    """

    socket: Path
    driver: str
    arguments: tuple[str, ...]
    time_limit: float
    concurrency: int = 1
    reply_to_replies: bool = False
    peer: bool = False
    hook: bool = False
    bell: str | None = None
    bell_tty: Path | None = None
    bell_notice: str = TerminalNotice.BELL.value

    @property
    def driver_name(self) -> str:
        """The driver name that the daemon gets."""
        if not self.peer:
            return self.driver
        return HOOK_DRIVER if self.hook else PEER_DRIVER

    def sinks(self) -> tuple[Sink, ...]:
        """Return the receivers of notifications about unread messages."""
        sinks: list[Sink] = []
        if self.bell is not None:
            sinks.append(CommandSink(self.bell, os.environ, write_to_stderr))
        if self.bell_tty is not None:
            sinks.append(TerminalSink(self.bell_tty, TerminalNotice(self.bell_notice)))
        return tuple(sinks)


def serve(options: HarnessOptions) -> None:
    """Serve until SIGTERM or SIGINT; current turns may finish first, within the drain time.

    Raises:
        HiveError: When the configuration is wrong or the daemon refuses this harness.
    """
    keep_from_children()
    log_to_stderr(logging.INFO, "hive-ag3nt: %(message)s")
    drain = environment.drain_time(environment.stop_timeout())
    driver = _make_driver(options)
    # The standard loop: unlike uvloop it closes inherited descriptors in the programs it starts.
    try:
        asyncio.run(_serve(options, driver, drain))
    finally:
        gc.freeze()  # the end of the interpreter need not search hundreds of modules for garbage


def load_driver(name: str) -> DriverFactory:
    """Return the factory of an installed driver.

    Raises:
        ConfigError: When there is no such driver.
    """
    installed = entry_points(group=GROUP)
    if name in installed.names:
        factory: DriverFactory = installed[name].load()
        return factory
    if name == BUILT_IN:
        from hive.harness.command import CommandDriver

        return CommandDriver
    known = sorted({BUILT_IN, *installed.names})
    ending = suggest(name, known) or f"; installed are {', '.join(known)}"
    raise ConfigError(f"there is no driver {name!r}{ending}")


def _make_driver(options: HarnessOptions) -> MessageDriver | TurnDriver | None:
    if options.peer and not options.hook:
        return None
    setup = DriverSetup(
        options.arguments,
        options.time_limit,
        Path(environment.state_dir()),
        environment.driver_settings(),
    )
    return load_driver(options.driver)(setup)


async def _serve(
    options: HarnessOptions, driver: MessageDriver | TurnDriver | None, drain: float
) -> None:
    async with ManagerClient(options.socket) as client:
        harness = HarnessRuntime(
            client,
            driver,
            options.driver_name,
            Path(environment.state_dir()),
            drain,
            Random(),  # noqa: S311 - jitter
            concurrency=options.concurrency,
            answers=not options.peer,
            to_replies=options.reply_to_replies,
        )
        serving = asyncio.create_task(harness.run())
        notifying = _start_notifier(client, options.sinks())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        await asyncio.wait([serving])
        if notifying is not None:
            notifying.cancel()
    if not serving.cancelled():
        serving.result()


def _start_notifier(client: ManagerClient, sinks: tuple[Sink, ...]) -> asyncio.Task[None] | None:
    if not sinks:
        return None
    return asyncio.create_task(UnreadNotifier(client, send_to_all(sinks)).run(), name="notifier")
