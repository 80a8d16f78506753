"""Requests to the daemon of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hive import paths
from hive.cli import output
from hive.client import blocking
from hive.errors import UnavailableError

QUERY = 10.0
"""Timeout in seconds of a request that only reads."""

CHANGE = 120.0
"""Timeout in seconds of a request that starts or stops agents."""

BUILD = 3600.0
"""Timeout in seconds of a request that builds a container."""


def call(cmd: str, *, timeout: float = QUERY, **fields: Any) -> dict[str, Any]:
    """Return the response to one request.

    Args:
        cmd: The verb, see `hive.wire.host`.
        timeout: Seconds to wait for the response.
        fields: The verb's fields; those that are None are left out.

    Raises:
        HiveError: The daemon has refused the request, or does not answer.
    """
    path = paths.find().host_socket
    return blocking.call(path, {"cmd": cmd, **fields}, timeout, warn=output.complain)


def follow(cmd: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Yield the responses of a stream that has no end.

    Raises:
        HiveError: As `call`; UnavailableError when the daemon closes the stream.
    """
    path = paths.find().host_socket
    yield from blocking.stream(path, {"cmd": cmd, **fields}, QUERY, warn=output.complain)
    raise UnavailableError("hive-c0re has closed the stream; it is probably shutting down")
