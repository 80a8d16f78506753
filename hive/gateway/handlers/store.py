"""What an operator may ask of the store itself: search, and whether all is well."""

from __future__ import annotations

from hive.clock import rfc3339
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.host_services import OperatorConnection
from hive.gateway.rows import inbox_row
from hive.names import inbox_key
from hive.store.connection import DURABILITY
from hive.store.search import Wanted, search
from hive.wire import host as wire


class StoreHandlers(OperatorConnection):
    """The verbs that are answered from the store, without the broker."""

    __slots__ = ()

    @serves(wire.StoreState)
    def _store_state(self, request: wire.StoreState) -> Fields:
        """Tell whether writes are taken."""
        store = self.services.store
        found = store.health.trouble
        return {
            "path": str(store.path),
            "writable": found is None,
            "durability": DURABILITY,
            "trouble": None if found is None else str(found.error),
            "since": None if found is None else rfc3339(found.since),
        }

    @serves(wire.RuntimeState)
    def _runtime_state(self, request: wire.RuntimeState) -> Fields:
        return self.services.runtime()

    @serves(wire.Search)
    async def _search(self, request: wire.Search) -> Fields:
        """Look through all mail."""
        wanted = Wanted(
            request.text,
            None if request.sender is None else inbox_key(request.sender),
            None if request.inbox is None else inbox_key(request.inbox),
            request.thread,
            request.since,
            request.until,
        )
        found = await search(self.services.store, wanted, request.max)
        return {"messages": [inbox_row(message) for message in found]}
