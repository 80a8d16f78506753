"""Bodies of new messages stay in memory up to a total size; others are read from disk."""

import sqlite3
from pathlib import Path

import pytest

from hive.broker.messages import BODY_OVERHEAD
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from tests.broker.client import Draft, local_broker
from tests.broker.rig import Rig


def test_bodies_count_while_their_messages_are_at_hand() -> None:
    rig = Rig()
    rig.send(body="x" * 1000)
    rig.send(body="x" * 10)
    assert rig.rules.table.body_bytes == 1010 + 2 * BODY_OVERHEAD
    session = rig.session()
    rig.ack(session, *rig.take(session))
    assert rig.rules.table.body_bytes == 10 + BODY_OVERHEAD
    rig.rules.table.evict_body(rig.messages[2])
    rig.rules.table.evict_body(rig.messages[2])
    assert rig.rules.table.body_bytes == 0


@pytest.mark.sim
@pytest.mark.parametrize("most", [0, 1_000_000])
async def test_mail_is_delivered_whole_whether_it_is_kept_or_read_back(
    path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    class Traced(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            statements.append(sql)
            return super().execute(sql, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("hive.broker.service.MAX_BODIES", most)
    async with Store(path, InlineEngine(Traced)) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        session = broker.open_session("bob", NO_ORIGIN)
        for body in ("one", "two"):
            await broker.send(Draft("alice", Kind.AGENT, "bob", body))
        statements.clear()
        assert [got.body for got in await broker.recv(session, max=8)] == ["one", "two"]
    was_read = any(sql.startswith("SELECT id, body") for sql in statements)
    assert was_read is (most == 0)
