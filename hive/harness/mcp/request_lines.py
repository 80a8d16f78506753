"""The lines that an MCP client sends: bounded, and those that are no message are answered.

The SDK drops a line that it cannot parse, and the client waits for its own limit. JSON-RPC wants an
error: -32700 for what is no JSON, -32600 for what is no message, with its id where that can be had.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, BinaryIO

from anyio.to_thread import run_sync
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter

from hive.harness.mcp.sdk import ErrorMessage, types
from hive.quantities import counted

LINE_MAX = 8 << 20
"""Bytes of the longest line: a body of a megabyte, each character of it as an escape."""

_MESSAGE: TypeAdapter[Any] = TypeAdapter(types.JSONRPCMessage)

Send = Callable[[SessionMessage], Awaitable[None]]


def claim_standard_input() -> BinaryIO:
    """Return standard input, which reads nothing from now on: no tool and no child takes of it."""
    private = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    # A thread may still read from it when the program ends, so nobody closes it.
    return os.fdopen(private, "rb", closefd=False)


class RequestLines:
    """Iterates over the lines of an MCP client that are messages; answers the others.

    It stands for the text file that the SDK reads from.

    Args:
        file: What the client writes to.
        line_max: Bytes of the longest line.
    """

    def __init__(self, file: BinaryIO, line_max: int = LINE_MAX) -> None:
        self._file = file
        self._line_max = line_max
        self._send: asyncio.Future[Send] = asyncio.get_running_loop().create_future()

    def open(self, send: Send) -> None:
        """Begin to read; `send` writes a message to the client."""
        self._send.set_result(send)

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield each message as text."""
        send = await self._send
        while line := await run_sync(self._file.readline, self._line_max + 1):
            if len(line) > self._line_max and not line.endswith(b"\n"):
                await run_sync(self._skip_rest)
                sentence = f"a line may have {counted(self._line_max, 'byte')}; this one was longer"
                await send(_refusal(types.INVALID_REQUEST, sentence))
            elif (error := refusal(line)) is not None:
                await send(error)
            elif not line.isspace():
                yield line.decode()

    def _skip_rest(self) -> None:
        while (part := self._file.readline(self._line_max)) and not part.endswith(b"\n"):
            pass


def refusal(line: bytes) -> SessionMessage | None:
    """Return the error that answers a line; None if it is a message, or blank."""
    if line.isspace():
        return None
    try:
        text = line.decode()
        fields = json.loads(text)
    except UnicodeDecodeError as error:
        sentence = f"the line is not UTF-8 at byte {error.start}"
        return _refusal(types.PARSE_ERROR, sentence, _id_in_bytes(line))
    except (ValueError, RecursionError) as error:
        return _refusal(types.PARSE_ERROR, f"the line is not JSON: {error}")
    number = _id_of(fields)
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        sentence = "a text has half of a surrogate pair (\\ud800 to \\udfff); send whole characters"
        return _refusal(types.PARSE_ERROR, sentence, number)
    try:
        _MESSAGE.validate_json(text, by_name=False)
    except ValueError:
        sentence = "the line is no JSON-RPC 2.0 request, notification or response"
        return _refusal(types.INVALID_REQUEST, sentence, number)
    return None


def _id_in_bytes(line: bytes) -> str | int | None:
    """Return the id of a line that is not UTF-8; None if it has none, or not as text."""
    try:
        return _id_of(json.loads(line.decode(errors="surrogateescape")))
    except (ValueError, RecursionError):
        return None


def _id_of(fields: Any) -> str | int | None:
    found = fields.get("id") if isinstance(fields, dict) else None
    if not isinstance(found, str | int) or isinstance(found, bool):
        return None
    try:
        str(found).encode()
    except UnicodeEncodeError:
        return None
    return found


def _refusal(code: int, sentence: str, number: str | int | None = None) -> SessionMessage:
    error = types.ErrorData(code=code, message=sentence)
    return SessionMessage(ErrorMessage(jsonrpc="2.0", id=number, error=error))
