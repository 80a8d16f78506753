"""The socket at which browsers or a proxy reach the dashboard, and its certificate."""

from __future__ import annotations

import socket
import ssl
import weakref
from pathlib import Path
from typing import Any

from hive.base_directories import check_socket_path
from hive.config.web_schema import UNIX
from hive.errors import FailedError

BACKLOG = 100
"""Connections that may wait to be accepted."""

CONNECTIONS_MAX = 500
"""Connections at once, also those whose TLS has not begun; a further one is closed."""

PROXY_MODE = 0o660
"""Mode of a unix socket: a proxy reaches it by its group, that of our user."""


class BoundedListener(socket.socket):
    """A socket that listens and has so many connections at once.

    What is built on it sees a connection only once its TLS has begun, and a client may take a
    minute for that: by then others would have used up all descriptors.
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(fileno=listener.detach())
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and its address.

        Raises:
            BlockingIOError: There is none now.
            ConnectionAbortedError: There were too many, so it was closed.
        """
        made, address = super().accept()
        if sum(each.fileno() >= 0 for each in self._open) >= CONNECTIONS_MAX:
            made.close()
            raise ConnectionAbortedError("there are too many connections")
        self._open.add(made)
        return made, address


def listen_on(listen: str) -> BoundedListener:
    """Return a socket that listens.

    Args:
        listen: `ADDRESS:PORT`, or `unix:PATH`, as `[web]` has it.

    Raises:
        FailedError: It cannot be listened on.
    """
    if listen.startswith(UNIX):
        return BoundedListener(unix_socket(Path(listen.removeprefix(UNIX)), PROXY_MODE))
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    place = (host.strip("[]"), int(port))
    is_both = host == "[::]"  # of IPv4, too, as the kernel has it and Python has not
    try:
        made = socket.create_server(place, family=family, backlog=BACKLOG, dualstack_ipv6=is_both)
    except OSError as error:
        raise FailedError(f"cannot listen on {listen}: {error.strerror}") from error
    return BoundedListener(made)


def unix_socket(path: Path, mode: int) -> socket.socket:
    """Return a unix socket that listens, in place of that of an earlier process.

    Nobody connects before it has its mode, since it does not listen until then.

    Raises:
        FailedError: It cannot be made.
    """
    check_socket_path(path)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        found.bind(str(path))
        path.chmod(mode)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise FailedError(f"cannot listen on {path}: {error.strerror}") from error
    return found


def check_certificate(certificate: Path, key: Path) -> None:
    """Require that a server can use a certificate and its key.

    Raises:
        FailedError: It cannot.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise FailedError(
            f"TLS with {certificate} and {key} is not possible: {error.strerror}; the user of the "
            "dashboard must be able to read both, and the key must be that of the certificate"
        ) from error
