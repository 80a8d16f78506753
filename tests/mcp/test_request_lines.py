"""A line of an MCP client that is no message gets a JSON-RPC error, with its id if it has one."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.harness.mcp.request_lines import RequestLines, refusal

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}}
GOOD = json.dumps(CALL).encode() + b"\n"


def error_of(line: bytes) -> Any:
    found = refusal(line)
    return None if found is None else found.message.model_dump(by_alias=True, exclude_unset=True)


@pytest.mark.parametrize(
    ("line", "code", "number", "says"),
    [
        (b"hello\n", -32700, None, "not JSON"),
        (b'{"jsonrpc":"2.0","id":7,\n', -32700, None, "not JSON"),
        (b'{"id":7,"x":"\xff"}\n', -32700, 7, "not UTF-8 at byte 13"),
        (b'{"id":"\xff"}\n', -32700, None, "not UTF-8 at byte 7"),
        (b'{"id":7,"x":\xff}\n', -32700, None, "not UTF-8 at byte 12"),
        (b'{"jsonrpc":"2.0","id":7,"method":"x\\ud83d"}\n', -32700, 7, "half of a surrogate pair"),
        (b'{"jsonrpc":"2.0","id":"\\ud83d","method":"x"}\n', -32700, None, "surrogate"),
        (b"[" * 100_000 + b"\n", -32700, None, "not JSON"),
        (b"[]\n", -32600, None, "no JSON-RPC 2.0 request"),
        (b"7\n", -32600, None, "no JSON-RPC 2.0 request"),
        (b'{"id":7,"method":"x"}\n', -32600, 7, "no JSON-RPC 2.0 request"),
        (b'{"jsonrpc":"2.0","id":"a","method":9}\n', -32600, "a", "no JSON-RPC 2.0 request"),
        (b'{"jsonrpc":"1.0","id":true,"method":"x"}\n', -32600, None, "no JSON-RPC 2.0 request"),
    ],
)
def test_what_is_no_message_is_refused(line, code, number, says):
    found = error_of(line)

    assert found["error"]["code"] == code
    assert found["id"] == number
    assert says in found["error"]["message"]


@pytest.mark.parametrize(
    "line", [GOOD, b"\n", b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n']
)
def test_a_message_and_a_blank_line_are_not(line):
    assert refusal(line) is None


@given(st.binary())
def test_any_bytes_are_answered_or_taken(data):
    line = data.replace(b"\n", b"") + b"\n"
    found = error_of(line)

    assert found is None or found["error"]["code"] in {-32700, -32600}


async def read(data: bytes, line_max: int = 100) -> tuple[list[str], list[Any]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message.message.error.message)

    lines = RequestLines(io.BytesIO(data), line_max)
    taking = asyncio.ensure_future(taken(lines))
    await asyncio.sleep(0)
    assert not taking.done(), "nothing is read before there is somewhere to answer to"
    lines.open(send)
    return await taking, sent


async def taken(lines: RequestLines) -> list[str]:
    return [line async for line in lines]


@pytest.mark.loops("asyncio")
async def test_good_lines_pass_and_the_others_are_answered_in_order():
    passed, refused = await read(b"x\n" + GOOD + b"\n" + b"{}\n" + GOOD)

    assert passed == [GOOD.decode()] * 2
    assert [each.split(":")[0][:16] for each in refused] == ["the line is not ", "the line is no J"]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("size", [100, 101, 350])
async def test_a_line_that_is_too_long_is_skipped_as_a_whole(size):
    passed, refused = await read(b"x" * size + b"\n" + GOOD)

    assert passed == [GOOD.decode()]
    [sentence] = refused
    assert ("at most" in sentence or "may have 100 bytes" in sentence) is (size > 100)
