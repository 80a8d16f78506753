"""Requests to the daemon of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hive import paths
from hive.cli import output
from hive.client import blocking
from hive.errors import UnavailableError

QUERY = 10.0
"""Seconds within which the daemon answers a question."""

CHANGE = 120.0
"""Seconds within which it has started or stopped what it was asked to."""

BUILD = 3600.0
"""Seconds within which it has built what an agent's container is made of."""


def call(cmd: str, *, timeout: float = QUERY, **fields: Any) -> dict[str, Any]:
    """Return the response to one request.

    Args:
        cmd: The verb, see `hive.wire.host`.
        timeout: Seconds to wait for the response.
        fields: The verb's fields; those that are None are left out.

    Raises:
        HiveError: What the daemon answered, or that it does not answer.
    """
    path = paths.find().host_socket
    return blocking.call(path, {"cmd": cmd, **fields}, timeout, warn=output.complain)


def follow(cmd: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Yield each response of a stream without an end.

    Raises:
        HiveError: As `call`; UnavailableError when the daemon ends the stream after all.
    """
    path = paths.find().host_socket
    yield from blocking.stream(path, {"cmd": cmd, **fields}, QUERY, warn=output.complain)
    raise UnavailableError("hive-c0re has closed the stream; it is probably shutting down")
