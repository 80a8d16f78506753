"""The form of a request: its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from hive.errors import BadRequestError, TooLargeError
from hive.web import browser_exchange
from hive.web.browser_exchange import read_form


def request_of(receive: Callable[[], Awaitable[Any]]) -> Request:
    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


def sending(*chunks: bytes) -> Request:
    left = list(chunks)

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return request_of(receive)


async def test_a_form_may_come_in_parts() -> None:
    assert await read_form(sending(b"a=1&", b"b=%C3", b"%BC&c=")) == {"a": "1", "b": "ü", "c": ""}


async def test_a_form_is_as_long_as_it_may_be_and_no_longer() -> None:
    assert await read_form(sending(b"a=", b"12"), 4) == {"a": "12"}
    with pytest.raises(TooLargeError, match="at most 4 bytes"):
        await read_form(sending(b"a=", b"123", b"never read"), 4)


@pytest.mark.parametrize("body", [b"\xff", b"&".join([b"a=1"] * 51)])
async def test_what_is_no_form(body: bytes) -> None:
    with pytest.raises(BadRequestError, match="no form"):
        await read_form(sending(body))


async def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_exchange, "FORM_SECONDS", 0.01)
    with pytest.raises(BadRequestError, match="did not come within"):
        await read_form(request_of(asyncio.Event().wait))
