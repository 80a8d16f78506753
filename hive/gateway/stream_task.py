"""The task of a stream: each response waits until the client has taken those before it.

So a stream makes the daemon hold one response beyond what the transport buffers, however much
happens while its client does not read.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from hive.errors import HiveError
from hive.gateway.dispatch import Fields, Stream
from hive.wire.base import Req
from hive.wire.codec import encode_error, encode_ok

logger = logging.getLogger(__name__)


class StreamReader(Protocol):
    """A connection as its stream sees it."""

    @property
    def takes_more(self) -> bool:
        """Whether its answers are written and its client reads them."""
        ...

    def respond(self, line: bytes) -> None:
        """Write a response in its place in the order of requests."""
        ...

    def stream_ended(self) -> None:
        """Disconnect once all requests before the stream are answered."""
        ...


class StreamTask:
    """Runs a stream until it ends or is cancelled; then the connection is closed.

    Args:
        reader: The connection.
        req: The id of the request, which each response repeats.
        stream: The stream.
        loop: The event loop.
    """

    def __init__(
        self, reader: StreamReader, req: Req, stream: Stream, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._reader = reader
        self._req = req
        self._resumed = asyncio.Event()
        self._task = loop.create_task(stream.run(self._push))
        self._task.add_done_callback(self._ended)

    def resume(self) -> None:
        """Push on if the client takes more."""
        self._resumed.set()

    def cancel(self) -> None:
        """End it, because the client has gone."""
        self._task.cancel()

    async def _push(self, fields: Fields) -> None:
        """Write one response, and return when the client takes the next."""
        self._reader.respond(encode_ok(self._req, **fields))
        while not self._reader.takes_more:
            self._resumed.clear()
            await self._resumed.wait()

    def _ended(self, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, HiveError):
            self._reader.respond(encode_error(error, self._req))
        elif error is not None:
            logger.error("a stream to a client failed", exc_info=error)
        self._reader.stream_ended()
