"""Requests of the dashboard to host.sock: what its pages show, and what a session does.

A request is made in a thread, on a connection that is kept for the next one. What a session does
goes over a connection of its own, which says for which session, so the audit has it. It has threads
of its own, too: it may take minutes, and the pages go on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from attrs import define, field

from hive.base_directories import check_socket_path
from hive.client.blocking import BlockingClient
from hive.client.channel import RESPONSE_MAX
from hive.client.responses import Fields, raise_refusal, read_response, unreachable
from hive.errors import UnavailableError

QUERY_SECONDS = 10.0
"""Seconds that a request which only reads may take."""

CHANGE_SECONDS = 120.0
"""Seconds that one may take which starts or stops agents, or carries out an approval."""

KEPT = 4
"""Connections that are kept for later requests."""

QUERIES_MAX, CHANGES_MAX = 8, 64
"""Requests at once, that only read and that change something; further ones wait."""


def _threads(most: int, name: str) -> Callable[[], ThreadPoolExecutor]:
    return partial(ThreadPoolExecutor, most, name)


def _ignore(_: str) -> None:
    """Take a warning about versions; the overview shows them."""


@define(eq=False)
class HiveClient:
    """Makes requests.

    Attributes:
        socket: The path of host.sock.
    """

    socket: str
    _kept: deque[BlockingClient] = field(factory=deque, init=False)
    _queries: ThreadPoolExecutor = field(factory=_threads(QUERIES_MAX, "query"), init=False)
    _changes: ThreadPoolExecutor = field(factory=_threads(CHANGES_MAX, "change"), init=False)

    async def ask(self, cmd: str, **fields: Any) -> Fields:
        """Return the answer of a request that changes nothing.

        Raises:
            HiveError: The daemon has refused it, or does not answer.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._queries, self._ask, {"cmd": cmd, **fields})

    async def act(self, session: str, cmd: str, **fields: Any) -> Fields:
        """Return the answer of a request that was made for a session.

        Args:
            session: The session, in words, as the audit has it.
            cmd: The verb.
            fields: Its fields.

        Raises:
            HiveError: The daemon has refused it, or does not answer.
        """
        request, loop = {"cmd": cmd, **fields}, asyncio.get_running_loop()
        return await loop.run_in_executor(self._changes, self._act, session, request)

    async def follow(self, cmd: str, **fields: Any) -> AsyncGenerator[Fields, None]:
        """Yield the answers of a stream until the daemon ends it.

        Raises:
            HiveError: The daemon has refused it, or cannot be reached.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(
                check_socket_path(self.socket), limit=RESPONSE_MAX
            )
        except OSError as error:
            raise unreachable(self.socket, error) from None
        try:
            writer.write(json.dumps({"cmd": cmd, **fields}).encode() + b"\n")
            while (line := await reader.readline()).endswith(b"\n"):
                yield raise_refusal(read_response(line))
        except ConnectionError:
            return
        finally:
            writer.close()

    def close(self) -> None:
        """End the connections that are kept, and the threads once they are idle."""
        for threads in (self._queries, self._changes):
            threads.shutdown(wait=False, cancel_futures=True)
        while self._kept:
            self._kept.pop().close()

    def _ask(self, request: Mapping[str, Any]) -> Fields:
        try:
            client = self._kept.popleft()
        except IndexError:
            return self._ask_anew(request)
        try:
            return self._call(client, request)
        except UnavailableError:  # the daemon has closed it, perhaps long ago: a query may repeat
            return self._ask_anew(request)

    def _ask_anew(self, request: Mapping[str, Any]) -> Fields:
        return self._call(BlockingClient(self.socket, QUERY_SECONDS, warn=_ignore), request)

    def _call(self, client: BlockingClient, request: Mapping[str, Any]) -> Fields:
        """Make a request, and keep its connection, unless a late answer may still come over it."""
        try:
            found = client.call(request, QUERY_SECONDS)
        except BaseException:
            client.close()
            raise
        if len(self._kept) < KEPT:
            self._kept.append(client)
        else:
            client.close()
        return found

    def _act(self, session: str, request: Mapping[str, Any]) -> Fields:
        with BlockingClient(self.socket, CHANGE_SECONDS, warn=_ignore) as client:
            client.call({"cmd": "act_for", "via": session}, CHANGE_SECONDS)
            return client.call(request, CHANGE_SECONDS)
