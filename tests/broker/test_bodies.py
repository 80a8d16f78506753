"""Bodies of new mail stay in memory up to a size; older ones are read back from disk."""

import sqlite3
from pathlib import Path

import pytest

from hive.broker.bodies import Bodies
from hive.broker.local import local_router
from hive.broker.values import Draft
from hive.store import NO_ORIGIN, InlineEngine, Kind, Message, MessageKind, Store


def message(number: int, size: int) -> Message:
    body = "x" * size
    return Message(number, "bob", "alice", Kind.AGENT, MessageKind.MESSAGE, size, 0.0, body=body)


def test_the_oldest_bodies_go_first() -> None:
    bodies = Bodies(most=10_000)
    messages = [message(number, 2000) for number in range(5)]
    for each in messages:
        bodies.keep(each)
    assert [each.body is None for each in messages] == [True, True, False, False, False]


def test_many_small_messages_are_limited_as_well() -> None:
    bodies = Bodies(most=100_000)
    messages = [message(number, 1) for number in range(1000)]
    for each in messages:
        bodies.keep(each)
    assert sum(each.body is not None for each in messages) < 100


def test_a_body_over_the_limit_is_not_kept_and_harms_no_later_one() -> None:
    bodies = Bodies(most=5000)
    big, small = message(1, 6000), message(2, 10)
    bodies.keep(big)
    bodies.keep(small)
    assert (big.body, small.body) == (None, "x" * 10)


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

    monkeypatch.setattr("hive.broker.exchange.Bodies", lambda: Bodies(most))
    async with Store(path, InlineEngine(Traced)) as store, local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        session = router.open_session("bob", NO_ORIGIN)
        for body in ("one", "two"):
            await router.send(Draft("alice", Kind.AGENT, "bob", body))
        statements.clear()
        assert [got.body for got in await router.recv(session, max=8)] == ["one", "two"]
    was_read = any(sql.startswith("SELECT id, body") for sql in statements)
    assert was_read is (most == 0)
