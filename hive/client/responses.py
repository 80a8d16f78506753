"""Meaning of response lines: fields, error, version. Imports the standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite

from hive.base_directories import HOST_SOCKET, IN_CONTAINER_SOCKET, WEB_SOCKET, StrPath
from hive.errors import (
    BadRequestError,
    FailedError,
    HiveError,
    UnavailableError,
    UnreachableError,
    from_wire,
)
from hive.wire import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Fields: TypeAlias = "dict[str, Any]"


def read_response(line: bytes) -> Fields:
    """Return the fields of a response line.

    Raises:
        FailedError: When the line is not a response of a hive.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("ok"), bool):
        raise FailedError(f"this is not an answer of hive-c0re: {line[:80]!r}")
    return fields


def raise_refusal(fields: Fields) -> Fields:
    """Return the fields of a response that is ok.

    Raises:
        HiveError: The error of the response.
    """
    if not fields["ok"]:
        raise from_wire(fields.get("code"), str(fields.get("error", "refused without a reason")))
    return fields


def version_warning(fields: Fields) -> str | None:
    """Return a warning if the daemon speaks a newer version than this client; else None."""
    theirs = fields.get("version", 0)
    if not isinstance(theirs, int) or theirs <= VERSION:
        return None
    return (
        f"hive-c0re speaks version {theirs} of the wire, this program knows {VERSION}; "
        "update it if something looks wrong"
    )


def copies(sent: Fields) -> list[tuple[int, str]]:
    """Return id and recipient of each copy of a message, from the response to its `send`."""
    first = sent.get("id")
    return [] if first is None else list(enumerate(sent.get("recipients", ()), first))


def skipped_sentences(sent: Fields) -> list[str]:
    """Return a sentence for each recipient that got no copy, from the response to a `send`."""
    return [f"{each['name']} gets no copy: {each['reason']}" for each in sent.get("skipped") or ()]


def not_in_force_sentences(name: str, restarted: Fields) -> list[str]:
    """Return a sentence if an edit of hive.toml waits for a reload, from the response to a restart.

    Args:
        name: The agent that was restarted.
        restarted: The response.
    """
    keys = restarted.get("not_in_force")
    if not keys:
        return []
    return [
        f"hive.toml has another value of {', '.join(keys)} for {name}, which is not in force: "
        f"'hive-c0re reload', then a restart of {name}"
    ]


def nothing_typed(name: str) -> BadRequestError:
    """Return the error of a text that was to come from standard input, which was empty.

    Args:
        name: The argument that gives the text instead.
    """
    return BadRequestError(
        f"standard input is empty, so nothing was sent; give {name}, or '' for an empty text"
    )


def outcome_unknown(path: StrPath) -> UnavailableError:
    """Return the error of a request whose connection was lost before the answer."""
    return UnavailableError(
        f"{path} was closed before the answer came, so the outcome is unknown; "
        "look before you repeat the request"
    )


def not_text(error: UnicodeEncodeError) -> BadRequestError:
    """Return the error of a request with a string that cannot be encoded as UTF-8."""
    return BadRequestError(
        f"character {error.start} is half of a surrogate pair or a byte that is not UTF-8; "
        "messages are text: encode binary data, or send the path of a file"
    )


def require_finite(request: Mapping[str, Any]) -> None:
    """Refuse a request with a number that JSON cannot express, which would be sent as null.

    Raises:
        BadRequestError: It names the field.
    """
    for name, value in request.items():
        if isinstance(value, float) and not isfinite(value):
            raise BadRequestError(f"{name!r} is {value}; it takes a finite number")


def unreachable(path: StrPath, error: OSError) -> HiveError:
    """Return the error for a socket that cannot be connected to, with a remedy."""
    where = os.fspath(path)
    directory, _, name = where.rpartition("/")
    match error:
        case FileNotFoundError() if name == HOST_SOCKET:
            why = "there is no such socket; is hive-c0re running? 'hive-c0re serve' starts it"
        case FileNotFoundError() | ConnectionRefusedError() if name == WEB_SOCKET:
            why = "the dashboard does not run; 'hive-c0re web' starts it"
        case FileNotFoundError() if where == IN_CONTAINER_SOCKET:
            why = (
                "there is no such socket; is hive-c0re running on the host, is this participant "
                f"known, and is the directory of its socket bound at {directory}?"
            )
        case FileNotFoundError():
            why = "there is no such socket; is hive-c0re running, and is this participant known?"
        case ConnectionRefusedError() if where == IN_CONTAINER_SOCKET:
            why = "nobody listens on it; the daemon on the host does not run"
        case ConnectionRefusedError():
            why = "nobody listens on it; start the daemon with 'hive-c0re serve'"
        case PermissionError():
            why = f"permission denied; {_who_may(where)}"
        case BlockingIOError():
            why = "the daemon does not accept connections just now; try again"
        case _:
            why = error.strerror or str(error)
    return UnreachableError(f"cannot connect to {path}: {why}")


def _who_may(path: str) -> str:
    """Return who may use a socket, and what to do: for an operator's, or for a participant's."""
    import grp
    import pwd
    from pathlib import Path

    is_of_host = path.rpartition("/")[2] in {HOST_SOCKET, WEB_SOCKET}
    try:
        found = Path(path).stat()
    except OSError:
        return f"its directory is closed to you; {_FOR_OPERATORS if is_of_host else _FOR_PEERS}"
    try:
        owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    except KeyError:  # ids of the host, or of a range of users
        owner, group = str(found.st_uid), str(found.st_gid)
    remedy = "join that group or run as root" if is_of_host else _FOR_PEERS
    return f"it is open to the user {owner} and the group {group}; {remedy}"


_FOR_OPERATORS = "run as root or join the group hive-admin"

_FOR_PEERS = (
    "on the host, give the directory to a group of your user (the line for systemd-tmpfiles in "
    "docs/peers.md), then 'hive-c0re register-peer NAME' gives that group to the socket"
)
"""A peer that joined `hive-admin` would be an operator; an agent runs as root."""
