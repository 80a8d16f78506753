"""The process dies before every single SQL statement of a day's work, and is started again."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import run_simulation
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.wire.enums import NackMode
from hive.wire.rows import Delivery
from tests.broker.faults import Faults, run_until_crash
from tests.broker.post import Draft, Router, local_router


@define
class Promises:
    """What the broker said before it died."""

    sent: dict[str, int] = field(factory=dict)
    tried: set[str] = field(factory=set)
    delivered: list[int] = field(factory=list)
    acked: set[int] = field(factory=set)
    dead: set[int] = field(factory=set)
    maybe_ended: set[int] = field(factory=set)
    finished: bool = False


async def a_day(path: Path, faults: Faults, promises: Promises) -> None:
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        await work(router, promises)
    promises.finished = True


async def work(router: Router, promises: Promises) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    for body in ("one", "two", "three", "four"):
        await send(router, body, promises)
    one, two, three = await receive(router, session, 3, promises)
    await end(promises, promises.acked, [one.id], router.ack(session, [one.id]))
    await router.nack(session, two.id, reason="try again", delay=0)
    reject = router.nack(session, three.id, NackMode.REJECT)
    await end(promises, promises.dead, [three.id], reject)
    held = await receive(router, session, 1, promises)
    parked = router.open_session("bob", NO_ORIGIN)
    await receive(router, parked, 8, promises)
    waiting = router.recv(parked, wait=60)
    _, rung = await asyncio.gather(send(router, "five", promises), waiting)
    promises.delivered += [delivery.id for delivery in rung]
    router.close_session(parked)
    await send(router, "six", promises)
    held += await receive(router, session, 1, promises)
    ids = [delivery.id for delivery in held]
    await end(promises, promises.acked, ids, router.ack_turn(session))


async def send(router: Router, body: str, promises: Promises) -> None:
    promises.tried.add(body)
    sent = await router.send(Draft("alice", Kind.AGENT, "bob", body))
    promises.sent[body] = sent.ids[0]


async def receive(
    router: Router, session: str, count: int, promises: Promises
) -> tuple[Delivery, ...]:
    got = await router.recv(session, max=count)
    promises.delivered += [delivery.id for delivery in got]
    return got


async def end(promises: Promises, ended: set[int], ids: list[int], ending: Awaitable[None]) -> None:
    promises.maybe_ended.update(ids)
    await ending
    ended.update(ids)


async def what_is_left(path: Path) -> list[Delivery]:
    async with Store(path, InlineEngine()) as store, local_router(store) as router:
        router.add_inbox("bob", Kind.AGENT)
        session = router.open_session("bob", NO_ORIGIN)
        unread = router.unread("bob")
        left = list(await router.recv(session, max=32))
        assert len(left) == unread, "the counter is the number of rows"
        return left


def check(path: Path, promises: Promises) -> None:
    left = run_simulation(lambda: what_is_left(path))
    ids = [delivery.id for delivery in left]
    bodies = {delivery.body: delivery.id for delivery in left}
    assert ids == sorted(ids), "first in, first out"
    assert not set(ids) & (promises.acked | promises.dead), "what has ended never comes back"
    must = {number for number in promises.sent.values() if number not in promises.maybe_ended}
    assert must <= set(ids), "what was sent is still there"
    assert bodies.keys() <= promises.tried, "nothing is invented"
    for body, number in promises.sent.items():
        assert bodies.get(body, number) == number
    for delivery in left:
        if delivery.id in promises.delivered:
            assert delivery.redelivered
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def live_until(path: Path, statement: int | None) -> tuple[Faults, Promises]:
    promises = Promises()
    return run_until_crash(lambda faults: a_day(path, faults, promises), statement), promises


def test_nothing_that_was_promised_is_lost_wherever_the_process_dies(tmp_path: Path) -> None:
    faults, promises = live_until(tmp_path / "whole.sqlite", None)
    assert promises.finished
    check(tmp_path / "whole.sqlite", promises)
    assert faults.statements > 60
    for statement in range(1, faults.statements + 1):
        path = tmp_path / f"{statement}.sqlite"
        died, promises = live_until(path, statement)
        assert died.dead
        check(path, promises)


@pytest.mark.parametrize("statement", [1, 3, 8])
def test_a_process_that_dies_while_it_opens_the_store_leaves_it_usable(
    path: Path, statement: int
) -> None:
    died, promises = live_until(path, statement)
    assert died.dead
    assert not promises.tried
    check(path, promises)
