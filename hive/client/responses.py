"""Meaning of response lines: fields, error, version. Imports the standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from hive.errors import BadRequestError, FailedError, HiveError, UnavailableError, from_wire
from hive.wire import VERSION

Fields = dict[str, Any]


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


def outcome_unknown(path: Path) -> UnavailableError:
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


def unreachable(path: Path, error: OSError) -> HiveError:
    """Return the error for a socket that cannot be connected to, with a remedy."""
    match error:
        case FileNotFoundError():
            why = "there is no such socket; is hive-c0re running, and is this participant known?"
        case ConnectionRefusedError():
            why = "nobody listens on it; start the daemon with 'hive-c0re serve'"
        case PermissionError():
            why = f"permission denied; {_who_may(path)}"
        case BlockingIOError():
            why = "the daemon does not accept connections just now; try again"
        case _:
            why = error.strerror or str(error)
    return UnavailableError(f"cannot connect to {path}: {why}")


def _who_may(path: Path) -> str:
    import grp
    import pwd

    try:
        found = path.stat()
        owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    except (OSError, KeyError):
        return "its directory is closed to you; run as root or join the group hive-admin"
    return f"it is open to the user {owner} and the group {group}; join that group or run as root"
