"""A crash before every SQL statement of a scenario, each followed by a restart."""

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
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.faults import Faults, run_until_crash


@define
class Recorded:
    """The answers of the broker before its crash."""

    sent: dict[str, int] = field(factory=dict)
    tried: set[str] = field(factory=set)
    delivered: list[int] = field(factory=list)
    acked: set[int] = field(factory=set)
    dead: set[int] = field(factory=set)
    maybe_ended: set[int] = field(factory=set)
    finished: bool = False


async def scenario(path: Path, faults: Faults, recorded: Recorded) -> None:
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        await work(broker, recorded)
    recorded.finished = True


async def work(broker: BrokerClient, recorded: Recorded) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    for body in ("one", "two", "three", "four"):
        await send(broker, body, recorded)
    one, two, three = await receive(broker, session, 3, recorded)
    await end(recorded, recorded.acked, [one.id], broker.ack(session, [one.id]))
    await broker.nack(session, two.id, reason="try again", delay=0)
    reject = broker.nack(session, three.id, NackMode.REJECT)
    await end(recorded, recorded.dead, [three.id], reject)
    held = await receive(broker, session, 1, recorded)
    parked = broker.open_session("bob", NO_ORIGIN)
    await receive(broker, parked, 8, recorded)
    waiting = broker.recv(parked, wait=60)
    _, rung = await asyncio.gather(send(broker, "five", recorded), waiting)
    recorded.delivered += [delivery.id for delivery in rung]
    broker.close_session(parked)
    await send(broker, "six", recorded)
    held += await receive(broker, session, 1, recorded)
    ids = [delivery.id for delivery in held]
    await end(recorded, recorded.acked, ids, broker.ack_turn(session))


async def send(broker: BrokerClient, body: str, recorded: Recorded) -> None:
    recorded.tried.add(body)
    sent = await broker.send(Draft("alice", Kind.AGENT, "bob", body))
    recorded.sent[body] = sent.ids[0]


async def receive(
    broker: BrokerClient, session: str, count: int, recorded: Recorded
) -> tuple[Delivery, ...]:
    got = await broker.recv(session, max=count)
    recorded.delivered += [delivery.id for delivery in got]
    return got


async def end(recorded: Recorded, ended: set[int], ids: list[int], ending: Awaitable[None]) -> None:
    recorded.maybe_ended.update(ids)
    await ending
    ended.update(ids)


async def what_is_left(path: Path) -> list[Delivery]:
    async with Store(path, InlineEngine()) as store, local_broker(store) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        session = broker.open_session("bob", NO_ORIGIN)
        unread = broker.unread("bob")
        left = list(await broker.recv(session, max=32))
        assert len(left) == unread, "the counter is the number of rows"
        return left


def check(path: Path, recorded: Recorded) -> None:
    left = run_simulation(lambda: what_is_left(path))
    ids = [delivery.id for delivery in left]
    bodies = {delivery.body: delivery.id for delivery in left}
    assert ids == sorted(ids), "first in, first out"
    assert not set(ids) & (recorded.acked | recorded.dead), "what has ended never comes back"
    must = {number for number in recorded.sent.values() if number not in recorded.maybe_ended}
    assert must <= set(ids), "what was sent is still there"
    assert bodies.keys() <= recorded.tried, "nothing is invented"
    for body, number in recorded.sent.items():
        assert bodies.get(body, number) == number
    for delivery in left:
        if delivery.id in recorded.delivered:
            assert delivery.redelivered
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def live_until(path: Path, statement: int | None) -> tuple[Faults, Recorded]:
    recorded = Recorded()
    return run_until_crash(lambda faults: scenario(path, faults, recorded), statement), recorded


def test_nothing_that_was_answered_is_lost_wherever_the_process_dies(tmp_path: Path) -> None:
    faults, recorded = live_until(tmp_path / "whole.sqlite", None)
    assert recorded.finished
    check(tmp_path / "whole.sqlite", recorded)
    assert faults.statements > 60
    for statement in range(1, faults.statements + 1):
        path = tmp_path / f"{statement}.sqlite"
        died, recorded = live_until(path, statement)
        assert died.dead
        check(path, recorded)


@pytest.mark.parametrize("statement", [1, 3, 8])
def test_a_process_that_dies_while_it_opens_the_store_leaves_it_usable(
    path: Path, statement: int
) -> None:
    died, recorded = live_until(path, statement)
    assert died.dead
    assert not recorded.tried
    check(path, recorded)
