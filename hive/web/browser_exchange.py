"""What a route does with a request of a browser: its form, and the status of a refusal."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

from hive.errors import BadRequestError, ErrorCode, HiveError, TooLargeError
from hive.quantities import counted
from hive.web.form_actions import BODY_MAX, Form

FORM_SECONDS = 30.0
"""Seconds within which all of a form has to come."""

STATUS = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.NOT_ALLOWED: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.UNKNOWN_NAME: 404,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNAVAILABLE: 503,
}
"""The status of each error that has not 409."""


def status_of(error: HiveError) -> int:
    """Return the status that an error is answered with."""
    return STATUS.get(error.code, 409)


async def read_form(request: Request, most: int = BODY_MAX) -> Form:
    """Return the fields of a form.

    Raises:
        TooLargeError: It is longer than so many bytes.
        BadRequestError: It is no form, or does not come.
    """
    try:
        async with asyncio.timeout(FORM_SECONDS):
            body = await _body(request, most)
    except TimeoutError:
        raise BadRequestError(f"the form did not come within {FORM_SECONDS:.0f} s") from None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise BadRequestError("this is no form") from error
    return dict(pairs)


async def _body(request: Request, most: int) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLargeError(f"this form has at most {counted(most, 'byte')}")
    return body
