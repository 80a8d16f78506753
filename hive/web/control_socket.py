"""The socket by which `hive-c0re web-login` and `web-sessions` speak to the dashboard.

It is a unix socket of the host, so neither a browser nor an agent in a container reaches it. Who
may use host.sock may use it: root, the user of the dashboard, members of `hive-admin`. It speaks
the lines of the wire: one request, one answer.
"""

from __future__ import annotations

import asyncio
import grp
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hive.clock import rfc3339
from hive.errors import HiveError
from hive.names import ADMIN_GROUP
from hive.web.login_sessions import LoginSession, SessionBook
from hive.web.web_listener import unix_socket
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder, encode_error, encode_ok
from hive.wire.web_rows import WebSessionRow

LINE_MAX = 4096
"""Bytes of a request."""

PATIENCE = 10.0
"""Seconds within which a request has to come."""

OWN_MODE, GROUP_MODE = 0o600, 0o660
"""Modes of the socket: without the group, and once it belongs to `hive-admin`."""


class NewLink(Request, tag="login_link", frozen=True):
    """Ask for a link that logs in once."""


class ListSessions(Request, tag="sessions", frozen=True):
    """Ask for the browsers that are logged in."""


class RevokeSessions(Request, tag="revoke", frozen=True):
    """End a session.

    Attributes:
        id: Its number; None for all of them, and all links that are not used yet.
    """

    id: int | None = None


ControlRequest = NewLink | ListSessions | RevokeSessions


class ControlSocket:
    """Answers the verbs.

    Args:
        book: The sessions.
        url: The address of the dashboard, without a path.
        now: Returns wall seconds.
        save: Saves the sessions if they have changed.
    """

    def __init__(
        self,
        book: SessionBook,
        url: str,
        now: Callable[[], float],
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self._book = book
        self._url = url
        self._now = now
        self._save = save
        self._decoder = RequestDecoder[ControlRequest](ControlRequest)
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        """Listen.

        Raises:
            FailedError: The socket cannot be made.
        """
        found = await asyncio.to_thread(operators_socket, path)
        self._server = await asyncio.start_unix_server(self._serve, sock=found, limit=LINE_MAX)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError):  # the client has closed its end
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
            if line.endswith(b"\n"):
                writer.write(await self._answer(line))
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> bytes:
        try:
            fields = self._do(self._decoder.decode(line))
            await self._save()
        except HiveError as error:
            return encode_error(error)
        return encode_ok(**fields)

    def _do(self, request: ControlRequest) -> Mapping[str, Any]:
        now = self._now()
        match request:
            case NewLink():
                return {"url": link_url(self._url, self._book.new_link(now))}
            case ListSessions():
                return {"sessions": [row_of(each) for each in self._book.all(now)]}
            case RevokeSessions():
                return {"revoked": self._revoke(request.id)}

    def _revoke(self, number: int | None) -> int:
        """End one session or all of them; return how many."""
        if number is None:
            return self._book.revoke_all()
        self._book.revoke(number)
        return 1


def operators_socket(path: Path) -> socket.socket:
    """Return a socket that listens, for this user and for members of `hive-admin`. Blocks.

    Raises:
        FailedError: It cannot be made.
    """
    found = unix_socket(path, OWN_MODE)
    with suppress(KeyError, OSError):  # there is no such group, or we are not in it
        os.chown(path, -1, grp.getgrnam(ADMIN_GROUP).gr_gid)
        path.chmod(GROUP_MODE)
    return found


def link_url(address: str, token: str) -> str:
    """Return the address of the page that a link leads to."""
    return f"{address}/login?token={token}"


def row_of(session: LoginSession) -> WebSessionRow:
    """Return a session as it is listed; nothing in it lets anybody in."""
    return WebSessionRow(
        id=session.id,
        browser=session.browser,
        address=session.address,
        began=rfc3339(session.began),
        seen=rfc3339(session.seen),
        ends=rfc3339(session.ends),
    )
