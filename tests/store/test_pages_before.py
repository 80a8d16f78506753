"""Lists by `before`: each page follows the one after it, and costs the same anywhere in a list."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from hive.store import Store, approvals, audit, dead_letters, deploys, events, past_deploys, search
from hive.store.approvals import Approval, ApprovalKind
from hive.store.audit import AuditEntry
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.deploys import Deploy, DeploySource
from hive.store.events import EventFilter
from hive.store.records import MessageState
from hive.store.search import SearchCriteria
from hive.store.transaction import Query
from tests.store.rows import message, storing

pytestmark = pytest.mark.sim

ROWS = 60

Page = Callable[[int, int | None], Query[Any]]

PAGES: dict[str, Page] = {
    "approvals": approvals.newest,
    "audit": lambda count, before: audit.newest(count, before=before),
    "audit of one": lambda count, before: audit.newest(count, "bob", before),
    "deploys": lambda count, before: deploys.newest(count, before=before),
    "deploys of one": lambda count, before: deploys.newest(count, "bob", before),
    "history of one": lambda count, before: past_deploys.newest("bob", count, before),
    "dead letters": lambda count, before: dead_letters.newest(DeadLetterCriteria(), count, before),
    "dead letters of one": lambda count, before: dead_letters.newest(
        DeadLetterCriteria(inbox="bob"), count, before
    ),
    "events": lambda count, before: events.newest(0, count, EventFilter(before=before)),
    "events of one": lambda count, before: events.newest(
        0, count, EventFilter(("started",), "bob", before=before)
    ),
    "mail": lambda count, before: search.matching(SearchCriteria(before=before), count),
}
"""Every list: the query of its newest rows before a number."""

PLANS = {
    "approvals": "SEARCH approvals USING INTEGER PRIMARY KEY (rowid<?)",
    "audit": "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)",
    "audit of one": "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)",
    "deploys": "SEARCH deploys USING INTEGER PRIMARY KEY (rowid<?)",
    "deploys of one": "SEARCH deploys USING INDEX deploys_of (name=? AND id<?)",
    "history of one": "SEARCH deploys USING INDEX deploys_of (name=? AND id<?)",
    "dead letters": "SEARCH mail USING INDEX dead_letters (id<?)",
    "dead letters of one": "SEARCH mail USING INDEX dead_letters (id<?)",
    "events": "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "events of one": "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "mail": "SEARCH mail USING INTEGER PRIMARY KEY (rowid<?)",
}
"""How each finds its rows."""


def fill(connection: sqlite3.Connection) -> None:
    """Store some rows of each list; those of bob are every second one."""
    for number in range(1, ROWS + 1):
        name = "bob" if number % 2 else "carl"
        approvals.insert(connection, Approval(ApprovalKind.SPAWN, name, "hm1nd", 0.0))
        audit.append(connection, AuditEntry(0.0, "approve", True, name, "operator"))
        deploys.insert(Deploy(name, DeploySource.REBUILD, "a" * 40, 0.0))(connection)
        events.append(0.0, "started", name, {})(connection)
    dead = {"state": MessageState.DEAD, "ended_at": 1.0, "reason": "no"}
    storing(*(message(inbox="bob" if number % 2 else "carl", **dead) for number in range(ROWS)))(
        connection
    )


def number_of(row: Any) -> int:
    return int(row.seq if hasattr(row, "seq") else row.id)


@pytest.mark.parametrize("which", PAGES)
async def test_a_list_is_walked_a_page_at_a_time(store: Store, which: str) -> None:
    await store.write(fill)
    newest = await store.read(PAGES[which](1000, None))
    before, seen = None, list[int]()
    while found := await store.read(PAGES[which](7, before)):
        numbers = [number_of(row) for row in found]
        assert numbers == sorted(numbers), "oldest first"
        before = numbers[0]
        seen = [*numbers, *seen]
    assert seen == [number_of(row) for row in newest]
    assert len(seen) == (ROWS // 2 if "of one" in which else ROWS)


@pytest.mark.parametrize("which", PAGES)
async def test_a_page_is_found_by_an_index(store: Store, which: str) -> None:
    await store.write(fill)

    def plans(connection: sqlite3.Connection) -> list[str]:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        PAGES[which](7, 50)(connection)
        connection.set_trace_callback(None)
        own = [each for each in statements if not each.startswith("--")]
        return [
            step[3]
            for statement in own
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]

    assert PLANS[which] in await store.read(plans)
