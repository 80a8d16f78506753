"""The lines that answer requests, and how an error is shown to a client."""

from __future__ import annotations

import logging
from typing import Any

from attrs import define

from actors import ActorDied, AskTimeout, MailboxFull
from hive.errors import FailedError, HiveError, TimedOutError, UnavailableError
from hive.wire.base import Response
from hive.wire.codec import encode_error, encode_ok, encode_struct

logger = logging.getLogger(__name__)

Req = str | int | None
"""What a request may carry so that its answer is known by it."""


@define(eq=False)
class ResponseSlot:
    """The place of an answer that comes later, or must wait for answers that come later.

    Attributes:
        req: That of its request.
        line: The answer, once it is there.
    """

    req: Req = None
    line: bytes | None = None


def line_of(value: Any, req: Req, verb: str) -> bytes:
    """Return the line of an answer; one that cannot be put as JSON is a fault of ours.

    Args:
        value: A response, the fields of one, or an error.
        req: That of the request.
        verb: Its name.
    """
    try:
        if isinstance(value, Response):
            value.req = req
            return encode_struct(value) + b"\n"
        if isinstance(value, BaseException):
            return failure(value, req, verb)
        return encode_ok(req, **value)
    except Exception as error:
        return failure(error, req, verb)


def failure(error: BaseException, req: Req, verb: str) -> bytes:
    """Return the line that says why a request was refused, or failed."""
    return encode_error(present(error, verb), req)


def present(error: BaseException, verb: str) -> HiveError:
    """Return an error as a client may see it; our own faults are logged and named as such."""
    if isinstance(error, HiveError):
        return error
    if isinstance(error, ActorDied | MailboxFull):
        return UnavailableError(f"{verb!r} cannot be served right now: {error}; try again")
    if isinstance(error, AskTimeout):
        return TimedOutError(f"{verb!r} was taken but not answered in time: {error}")
    logger.error("a bug in hive-c0re: %r failed", verb, exc_info=error)
    return FailedError(
        f"{verb!r} failed through a bug in hive-c0re ({type(error).__name__}: {error}); "
        "its log has the traceback"
    )
