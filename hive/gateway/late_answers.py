"""Places and lines of answers and errors, as the client of a connection is shown them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from attrs import define

from actors import ActorDied, AskTimeout, MailboxFull
from hive.errors import FailedError, HiveError, TimedOutError, TooLargeError, UnavailableError
from hive.gateway.budget import REQUEST_BYTES
from hive.gateway.dispatch import Fields
from hive.quantities import counted
from hive.wire.base import Req, Response
from hive.wire.codec import encode_error, encode_ok, encode_struct

logger = logging.getLogger(__name__)


@define(eq=False)
class ResponseSlot:
    """The place of a late answer in the order of answers.

    Attributes:
        req: The id of its request.
        size: Bytes of the request that are charged until it is answered.
        line: The line of the answer; None until it is known.
        is_begun: Whether it has a task.
    """

    req: Req = None
    size: int = 0
    line: bytes | None = None
    is_begun: bool = False

    @property
    def is_under_way(self) -> bool:
        """Whether its task runs."""
        return self.is_begun and self.line is None

    @property
    def cost(self) -> int:
        """Bytes that are charged for its request."""
        return REQUEST_BYTES + self.size


def response_line(value: Any, req: Req, verb: str) -> bytes:
    """Return the line of a response, of its fields or of an error; a bug is logged."""
    try:
        if isinstance(value, Response):
            value.req = req
            return encode_struct(value) + b"\n"
        if isinstance(value, BaseException):
            return error_line(value, req, verb)
        return encode_ok(req, **value)
    except Exception as error:
        return error_line(error, req, verb)


def error_line(error: BaseException, req: Req, verb: str) -> bytes:
    """Return the line of an error."""
    return encode_error(client_error(error, verb), req)


def client_error(error: BaseException, verb: str) -> HiveError:
    """Return the error that a client is shown; a bug is logged and named as such."""
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


def code_of(error: BaseException) -> str:
    """Return the code of the error that a client is shown."""
    return error.code.value if isinstance(error, HiveError) else FailedError.code.value


def outcome(done: asyncio.Future[Fields]) -> Fields | BaseException:
    """Return the fields of an answer, or the error in place of them."""
    if done.cancelled():
        return UnavailableError("hive-c0re is shutting down")
    return done.exception() or done.result()


def too_long(limit: int) -> TooLargeError:
    """Return the error for a line above the limit, in bytes."""
    return TooLargeError(
        f"a line may have {counted(limit, 'byte')}; this one was longer and was skipped"
    )
