"""The `serve` verb: from the command line's words to a harness that runs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from random import Random

from attrs import frozen

from hive.client.aio import SocketClient
from hive.harness import environment
from hive.harness.drivers import Driver, DriverSetup
from hive.harness.notifier import Bell, Notice, Ring, ShellRing, TerminalRing, all_of
from hive.harness.programs import write_to_stderr
from hive.harness.registry import load_driver
from hive.harness.runtime import Harness
from hive.harness.turn_drivers import TurnDriver

PEER_DRIVER = "peer"
"""What the daemon is told of a peer that has no hook."""

HOOK_DRIVER = "hook"
"""What the daemon is told of a peer that has one."""


@frozen
class ServeOptions:
    """What `serve` was asked for.

    Attributes:
        arguments: The program, or whatever else the driver needs.
        peer: Announce presence only; with `hook`, hand messages to a program, without answering.
        bell: Command of the shell that is run when mail waits.
        bell_tty: Terminal that is told of it.
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
    bell_notice: str = Notice.BELL.value

    def rings(self) -> tuple[Ring, ...]:
        """Return what tells somebody that mail waits."""
        rings: list[Ring] = []
        if self.bell is not None:
            rings.append(ShellRing(self.bell, os.environ, write_to_stderr))
        if self.bell_tty is not None:
            rings.append(TerminalRing(self.bell_tty, Notice(self.bell_notice)))
        return tuple(rings)


def serve(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT; both let the message in work end first.

    Raises:
        HiveError: When the configuration is wrong or the daemon refuses this harness.
    """
    logging.basicConfig(level=logging.INFO, format="hive-ag3nt: %(message)s", stream=sys.stderr)
    drain = environment.drain_time(environment.stop_timeout())
    driver = _driver(options)
    # The standard loop: unlike uvloop it closes inherited descriptors in the programs it starts.
    asyncio.run(_until_signal(options, driver, drain))


def _driver(options: ServeOptions) -> Driver | TurnDriver | None:
    if options.peer and not options.hook:
        return None
    setup = DriverSetup(
        options.arguments,
        options.time_limit,
        environment.state_dir(),
        environment.driver_settings(),
    )
    return load_driver(options.driver)(setup)


def _driver_name(options: ServeOptions) -> str:
    if not options.peer:
        return options.driver
    return HOOK_DRIVER if options.hook else PEER_DRIVER


async def _until_signal(
    options: ServeOptions, driver: Driver | TurnDriver | None, drain: float
) -> None:
    async with SocketClient(options.socket) as client:
        harness = Harness(
            client,
            driver,
            _driver_name(options),
            environment.state_dir(),
            drain,
            Random(),  # noqa: S311 - jitter
            concurrency=options.concurrency,
            answers=not options.peer,
            to_replies=options.reply_to_replies,
        )
        serving = asyncio.create_task(harness.run())
        rings = options.rings()
        bell = asyncio.create_task(Bell(client, all_of(rings)).run()) if rings else None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.cancel)
        await asyncio.wait([serving])
        if bell is not None:
            bell.cancel()
    if not serving.cancelled():
        serving.result()
