"""Runs the dashboard until a signal ends it: `hive-c0re web`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hive.base_directories import WEB_SOCKET, host_socket, web_run_dir, web_state_dir
from hive.clock import SystemClock
from hive.errors import BadRequestError, ConflictError, FailedError, TimedOutError, UnavailableError
from hive.locks import FileLock, LockHeldError
from hive.paths import RUN_DIR_MODE, make_directory
from hive.queued_output import QueuedOutput, log_to_stderr
from hive.web.app import WebSite, make_app
from hive.web.book_saver import BookSaver
from hive.web.bounded_connections import BoundedConnection
from hive.web.control_socket import ControlSocket, link_url
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SavedSessions, SessionBook
from hive.web.operator_account import open_account
from hive.web.private_file import FILE_MODE, PrivateFile
from hive.web.web_listener import check_certificate, listen_on
from hive.web.web_settings import WebSettings, require_values, settings_from

Say = Callable[[str], None]
"""Prints a line for the operator soon; never waits."""

RETRY = 1.0
"""Seconds between two attempts to reach the daemon."""

GRACE = 3
"""Seconds after which open pages are cut off, longer than they need to notice the end."""


class WebServer(uvicorn.Server):
    """A server that ends at a signal without raising it again, so that the sessions are saved.

    Args:
        config: How it serves.
        ending: Set at the signal, so that open pages end before they are cut off.
    """

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at a signal, and take no other note of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._exit, number)
        yield

    def _exit(self, number: signal.Signals) -> None:
        self._ending.set()
        self.handle_exit(number, None)


def run_dashboard(options: Mapping[str, Any], *, show_link: bool) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        options: What the command line says, see `settings_from`.
        show_link: Whether to print a link that logs in, once.

    Raises:
        HiveError: It cannot be served so.
    """
    run_dir, state_dir = Path(web_run_dir()), Path(web_state_dir())
    lock = _take_directory(run_dir)
    log_to_stderr(logging.WARNING, "%(levelname)s %(name)s: %(message)s")
    output = QueuedOutput.of(sys.stdout)
    try:
        with asyncio.Runner() as runner:
            runner.run(_serve(options, run_dir, state_dir, output.put_line, show_link=show_link))
    finally:
        output.close()
        lock.release()


def _take_directory(run_dir: Path) -> FileLock:
    """Return the lock of the run directory, which is ours alone to write to.

    Raises:
        ConflictError: Another dashboard runs there.
        FailedError: It cannot be used.
    """
    lock = FileLock(run_dir / "web.lock", FILE_MODE)
    try:
        make_directory(run_dir, RUN_DIR_MODE)
        if run_dir.stat().st_uid != os.geteuid():
            raise FailedError(f"{run_dir} belongs to another user, who could replace our sockets")
        lock.acquire()
    except LockHeldError as held:
        raise ConflictError(
            f"another dashboard (pid {held.pid}) already runs in {run_dir}; end it first"
        ) from None
    except OSError as error:
        raise FailedError(f"{run_dir} cannot be used: {error.strerror}") from error
    return lock


async def _serve(
    options: Mapping[str, Any], run_dir: Path, state_dir: Path, say: Say, *, show_link: bool
) -> None:
    client = HiveClient(host_socket())
    settings = await find_settings(client, options, say)
    clock = SystemClock()
    file = PrivateFile(state_dir / "sessions.json", SavedSessions, "all browsers log in again")
    book = SessionBook(settings.config.sessions)
    book.restore(file.read(), clock.now())
    saver = BookSaver(book, file)
    account = open_account(state_dir, settings.address, client, book, clock)
    site = WebSite(settings.hosts, settings.is_secure, saver.save, asyncio.Event())
    app = make_app(client, book, site, clock, account)
    control = ControlSocket(book, settings.address, clock.now, saver.save)
    server = WebServer(_config(app, settings), site.ending)
    listener = listen_on(settings.config.listen)
    await control.open(run_dir / WEB_SOCKET)
    say(f"the dashboard is at {settings.address}/")
    if show_link:
        link = link_url(settings.address, book.new_link(clock.now()))
        say(f"log in once, within 10 minutes: {link}")
    tasks = [
        asyncio.create_task(saver.save_often(), name="save the sessions"),
        asyncio.create_task(account.watch.run(), name="notify devices"),
    ]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await control.close()
        try:
            await saver.save()
        finally:
            await account.save()


async def find_settings(client: HiveClient, options: Mapping[str, Any], say: Say) -> WebSettings:
    """Return the settings of the daemon with the options over them.

    Waits until a daemon answers, unless the options have both addresses, so that it is not needed.

    Raises:
        BadRequestError: An option is no value of its key, or they do not go together.
    """
    require_values(options)
    if options.get("listen") and options.get("url"):
        return settings_from({}, options)
    said = ""
    while True:
        try:
            return settings_from((await client.ask("web_settings"))["web"], options)
        except (UnavailableError, TimedOutError) as error:
            if str(error) != said:
                said = str(error)
                say(f"waiting for the daemon: {said}")
            await asyncio.sleep(RETRY)
        except BadRequestError as error:
            if "unknown verb" not in str(error):
                raise
            return settings_from({}, options)  # of an older daemon


def _config(app: ASGIApp, settings: WebSettings) -> uvicorn.Config:
    web = settings.config
    if web.certificate is not None and web.key is not None:
        check_certificate(web.certificate, web.key)
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # a warning for each request that is none would fill a disk
        access_log=False,
        server_header=False,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=",".join(web.trusted_proxies),
        ssl_certfile=web.certificate,
        ssl_keyfile=web.key,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=16384,
    )
