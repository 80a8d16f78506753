"""The process at the other end of a connection: its credentials, and whether it has hung up."""

from __future__ import annotations

import asyncio
import select
import socket
import struct

from hive.store import Origin

_UCRED = struct.Struct("3i")


def has_hung_up(transport: asyncio.BaseTransport) -> bool:
    """Return whether the peer has closed a connection in both directions; see poll(2)."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), 0)  # POLLHUP is always reported
    return bool(poll.poll(0))


def peer_credentials(transport: asyncio.BaseTransport, path: str) -> Origin:
    """Return the peer of a connection: pid, uid and gid from SO_PEERCRED of unix(7).

    The ids are those seen from the daemon's own namespaces; a pid of 0 is a process outside them.
    """
    sock: socket.socket = transport.get_extra_info("socket")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    return Origin(socket=path, pid=pid, uid=uid, gid=gid)
