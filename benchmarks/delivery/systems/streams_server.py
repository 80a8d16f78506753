"""A simple server on asyncio's streams and `json`, for comparison.

It runs on the standard loop, reads a line, answers `whoami` with fixed words, and knows nothing
else: no schema, no verbs, no session, no order of answers to keep.

    python -m benchmarks.delivery.systems.streams_server SOCKET
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

_FIXED = {"version": 1, "ok": True, "name": "r0", "kind": "peer", "host": "localhost"}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while line := await reader.readline():
            known = json.loads(line)["cmd"] == "whoami"
            answer = _FIXED if known else {"version": 1, "ok": False, "error": "unknown verb"}
            writer.write(json.dumps(answer).encode() + b"\n")
    writer.close()


async def _serve(path: str) -> None:
    async with await asyncio.start_unix_server(_answer, path) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
