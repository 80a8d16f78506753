"""What an operator may ask of the store itself: search, mail as it comes, whether all is well."""

from __future__ import annotations

import asyncio

from hive.clock import rfc3339
from hive.gateway.answers import Fields, Push, Stream
from hive.gateway.rows import inbox_row
from hive.names import inbox_key
from hive.store import Store
from hive.store.connection import DURABILITY
from hive.store.cursors import mail_after, newest_message
from hive.store.messages import newest
from hive.store.search import Wanted, search
from hive.wire import host as wire


class StoreVerbs:
    """Answers from the store, without the broker."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def trouble(self) -> str | None:
        """Why nothing can be stored at present, in a sentence; None when all is well."""
        found = self._store.health.trouble
        return None if found is None else str(found.refusal())

    def state(self, request: wire.StoreState) -> Fields:
        """Tell whether writes are taken."""
        del request
        found = self._store.health.trouble
        return {
            "path": str(self._store.path),
            "writable": found is None,
            "durability": DURABILITY,
            "trouble": None if found is None else str(found.error),
            "since": None if found is None else rfc3339(found.since),
        }

    async def search(self, request: wire.Search) -> Fields:
        """Look through all mail."""
        wanted = Wanted(
            request.text,
            None if request.sender is None else inbox_key(request.sender),
            None if request.inbox is None else inbox_key(request.inbox),
            request.thread,
            request.since,
            request.until,
        )
        found = await search(self._store, wanted, request.max)
        return {"messages": [inbox_row(message) for message in found]}

    async def mail_after(self, inbox: str, cursor: int) -> Fields:
        """Return the next mail behind a cursor, and where to go on."""
        page = await self._store.read(mail_after(inbox, cursor))
        return {
            "messages": [inbox_row(message) for message in page.rows],
            "cursor": page.cursor,
        }

    def mail_stream(self, inbox: str, limit: int, cursor: int) -> Stream:
        """Push an inbox's newest mail, or all behind a cursor; then whatever comes in."""

        async def run(push: Push) -> None:
            arrived = asyncio.Event()
            unsubscribe = self._store.on_commit(arrived.set)
            try:
                last = cursor or await self._newest(inbox, limit, push)
                while True:
                    arrived.clear()
                    page = await self._store.read(mail_after(inbox, last))
                    last = page.cursor
                    if page.rows:
                        rows = [inbox_row(message) for message in page.rows]
                        push({"messages": rows, "cursor": last})
                    if page.is_last:
                        await arrived.wait()
            finally:
                unsubscribe()

        return Stream(run)

    async def _newest(self, inbox: str, limit: int, push: Push) -> int:
        """Push the newest mail and return the cursor behind it."""
        found, last = await self._store.read(
            lambda connection: (newest(inbox, limit)(connection), newest_message(connection))
        )
        push({"messages": [inbox_row(message) for message in found], "cursor": last})
        return last
