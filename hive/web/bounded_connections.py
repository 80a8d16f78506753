"""Connections of browsers, bounded in the time that they may do nothing.

uvicorn closes a connection that is idle after a response, and waits for ever for the first request,
for the rest of one that is answered already, and for a client that reads nothing. Whoever reaches
the port could use up all descriptors with connections that cost it nothing.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Seconds within which the head of a request has to come, and all of one that is answered."""

UNREAD_SECONDS = 30
"""Seconds after which the kernel closes a connection whose other end takes nothing."""


class BoundedConnection(H11Protocol):
    """A connection that is closed if its next request does not come, or its answer is not taken."""

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection."""
        super().connection_made(transport)
        with suppress(OSError):  # of a unix socket, at whose other end is a proxy
            bound_unread(transport.get_extra_info("socket"))
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        super().on_response_complete()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._forget_head()

    def _watch_head(self) -> None:
        """Close the connection later, unless the head of a request is whole by then."""
        if not self._is_awaited():
            self._forget_head()
        elif self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_SECONDS, self._close_idle)

    def _is_awaited(self) -> bool:
        """Whether there is nothing to do until the client sends more."""
        is_answered = self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE, h11.SEND_BODY}
        return self.conn.their_state is h11.IDLE or (
            self.conn.their_state is h11.SEND_BODY and is_answered
        )

    def _close_idle(self) -> None:
        self._head_due = None
        if self._is_awaited():
            self.timeout_keep_alive_handler()

    def _forget_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


def bound_unread(connection: Any) -> None:
    """Let the kernel close a connection whose other end takes nothing, see tcp(7).

    Raises:
        OSError: It is none of TCP.
    """
    milliseconds = UNREAD_SECONDS * 1000
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
