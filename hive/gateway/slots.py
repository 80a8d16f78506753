"""The places of answers: each is filled once, and leaves its connection as a line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from attrs import define

from actors import ActorDied, AskTimeout, MailboxFull
from hive.errors import FailedError, HiveError, TimedOutError, UnavailableError
from hive.gateway.answers import Fields
from hive.wire.base import Request, Response
from hive.wire.codec import encode_error, encode_ok, encode_response

logger = logging.getLogger(__name__)


@define(eq=False)
class Slot:
    """The place of one answer.

    Attributes:
        line: The answer, once it is there.
    """

    line: bytes | None


@define(eq=False)
class OpenSlot(Slot):
    """A slot whose answer somebody was asked for; it is the `actors.ReplyTo` that they tell.

    Attributes:
        request: What is answered.
        fields: Makes the response of what the slot is told.
        ordered: Whether the answers behind it wait for it.
        filled: Called with the slot when its answer is there.
    """

    request: Request
    fields: Callable[[Any], Fields | Response]
    ordered: bool
    filled: Callable[[OpenSlot], object]

    def done(self) -> bool:
        """Return whether the answer is there."""
        return self.line is not None

    def set_result(self, result: Any) -> None:
        """Take what the answer is made of."""
        self.line = success(self.request, self.fields, result)
        self.filled(self)

    def set_exception(self, exception: BaseException) -> None:
        """Take why there is no answer."""
        self.line = failure(self.request, exception)
        self.filled(self)


def success(request: Request, fields: Callable[[Any], Fields | Response], value: Any) -> bytes:
    """Return the line of an answer; one that cannot be made, or put as JSON, is a fault of ours."""
    try:
        answer = fields(value)
        if isinstance(answer, Response):
            return encode_response(answer, request.req)
        return encode_ok(request.req, **answer)
    except Exception as error:
        return failure(request, error)


def failure(request: Request, error: BaseException) -> bytes:
    """Return the line that says why a request was refused, or failed."""
    return encode_error(present(error, request), request.req)


def present(error: BaseException, request: Request) -> HiveError:
    """Return an error as a client may see it; our own faults are logged and named as such."""
    if isinstance(error, HiveError):
        return error
    verb = request.__struct_config__.tag
    if isinstance(error, ActorDied | MailboxFull):
        return UnavailableError(f"{verb!r} cannot be served right now: {error}; try again")
    if isinstance(error, AskTimeout):
        return TimedOutError(f"{verb!r} was taken but not answered in time: {error}")
    logger.error("a bug in hive-c0re: %r failed", verb, exc_info=error)
    return FailedError(
        f"{verb!r} failed through a bug in hive-c0re ({type(error).__name__}: {error}); "
        "its log has the traceback"
    )
