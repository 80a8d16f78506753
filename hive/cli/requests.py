"""Requests to the daemon of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hive.base_directories import host_socket
from hive.cli import output
from hive.client import blocking
from hive.errors import UnavailableError, UnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

QUERY = 10.0
"""Timeout in seconds of a request that only reads."""

CHANGE = 120.0
"""Timeout in seconds of a request that starts or stops agents."""

LOCK = 700.0
"""Timeout in seconds of a request that fetches inputs of NixOS systems."""

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
    try:
        return blocking.call(host_socket(), {"cmd": cmd, **fields}, timeout, warn=output.complain)
    except UnreachableError as error:
        raise _elsewhere(error) from None


def act_on_each(
    names: Sequence[str], act: Callable[[str], object], *, orders: bool = False
) -> None:
    """Act on several participants, one after the other, once all names are checked.

    Args:
        names: The names.
        act: Acts on one of them.
        orders: Whether it gives an order to a harness, see `hive.wire.host.CheckNames`.

    Raises:
        HiveError: A name is wrong, and nothing was done; or the only one could not be acted on.
    """
    if len(names) > 1:
        call("check_names", names=list(names), orders=orders)
    output.each(names, act)


def follow(cmd: str, *, within: float | None = None, **fields: Any) -> Iterator[dict[str, Any]]:
    """Yield the responses of a stream that has no end, or whose end the caller recognizes.

    Args:
        cmd: The verb, see `hive.wire.host`.
        within: Seconds after which a `TimedOutError` ends it; None for no limit.
        fields: The verb's fields; those that are None are left out.

    Raises:
        HiveError: As `call`; UnavailableError when the daemon closes the stream, UnknownNameError
            when what it is about has left the hive.
        SystemExit: The reader of the output has gone.
    """
    path = host_socket()
    request = {"cmd": cmd, **fields}
    try:
        yield from blocking.stream(
            path, request, QUERY, within=within, warn=output.complain, wait=output.wait_for_data
        )
    except UnreachableError as error:
        raise _elsewhere(error) from None
    raise UnavailableError("hive-c0re has closed the stream; it is probably shutting down")


def _elsewhere(error: UnreachableError) -> UnavailableError:
    """Return the error of a daemon that nobody can reach here, with where it is, if it runs."""
    from hive import paths
    from hive.lock_holder import find_holder

    holder = find_holder(paths.find().lock_file)
    if holder is None:
        return error
    sentence = str(error).partition("; ")[0]
    return UnreachableError(
        f"{sentence}; the daemon of {paths.find().state_dir} runs, pid {holder.pid}: "
        f"{holder.way_to_reach()}"
    )
