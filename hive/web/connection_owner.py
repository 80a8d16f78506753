"""Which user of this machine is at the other end of a connection.

A browser sends a cookie to each port of a name (RFC 6265, section 8.5), so a server that an agent
runs at another port of `localhost` is given the cookie of the dashboard. The agent is another user
of the machine, though, unless it is the operator's equal anyway.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TypeAlias

from starlette.types import Scope

UNKNOWN_USER = -1
"""The user of a connection of this machine whose other end was closed already."""

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_WORD = 4
"""Bytes of a number in which the kernel prints addresses, in the order of the machine."""


def user_of_connection(scope: Scope) -> int | None:
    """Return the user at the other end of a request's connection; None of another machine.

    Reads the tables of connections, see proc(5); blocks.
    """
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or server[1] is None:
        return None  # a unix socket, whose mode says who may connect
    try:
        ends = (ip_address(client[0]), client[1]), (ip_address(server[0]), server[1])
        return owner_of(*ends) if is_local(ends[0][0], ends[1][0]) else None
    except (OSError, ValueError):  # without /proc; of a proxy whose word is no address
        return None


def owner_of(client: tuple[Address, int], server: tuple[Address, int]) -> int:
    """Return the user whose connection between two addresses of this machine this is."""
    for table in ("tcp", "tcp6"):
        words = printed(*client, table=table), printed(*server, table=table)
        found = owner_in(Path("/proc/net", table).read_text(), *words)
        if found != UNKNOWN_USER:
            return found
    return UNKNOWN_USER


def ip_address(host: str) -> Address:
    """Return an address; that of a connection of IPv4 to a socket of IPv6 is one of IPv4.

    Raises:
        ValueError: It is none.
    """
    found = ipaddress.ip_address(host)
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def is_local(client: Address, server: Address) -> bool:
    """Return whether a connection begins on this machine.

    A program may connect from any address of the machine, but nothing from outside reaches a
    loopback address.
    """
    return client == server or client.is_loopback or server.is_loopback


def owner_in(table: str, client: str, server: str) -> int:
    """Return the user of the client's end in a table of connections.

    Args:
        table: The table.
        client: The client's address, as it is printed there.
        server: The server's.
    """
    _, found, after = table.partition(f" {client} {server} ")
    words = after.partition("\n")[0].split()
    # After the addresses: state, queues, timer, retransmits, user, timeout, inode. An end without
    # an inode is closed.
    return int(words[4]) if found and words[6] != "0" else UNKNOWN_USER


def printed(address: Address, port: int, *, table: str) -> str:
    """Return an address as a table has it."""
    packed = address.packed
    if table == "tcp6" and isinstance(address, ipaddress.IPv4Address):
        packed = ipaddress.IPv6Address(f"::ffff:{address}").packed
    words = [packed[at : at + _WORD] for at in range(0, len(packed), _WORD)]
    numbers = [f"{int.from_bytes(word, sys.byteorder):08X}" for word in words]
    return f"{''.join(numbers)}:{port:04X}"
