"""Which changes share a commit, which rows they write, and how long an ack waits for one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import advance, settle
from hive.broker.service import ACK_SECONDS
from hive.store import NO_ORIGIN, InlineEngine, Kind, MessageState, Store
from hive.wire.agent import Ack, Heartbeat
from hive.wire.enums import Priority
from hive.wire.rows import Delivery
from tests.broker.client import BrokerClient, Draft, local_broker
from tests.broker.rig import WALL, Receiver, Rig

pytestmark = pytest.mark.sim


@define
class Bench:
    """A broker on the virtual clock that counts its commits."""

    store: Store
    broker: BrokerClient
    commits: int = 0
    session: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.broker.add_inbox("bob", Kind.AGENT)
        self.session = self.broker.open_session("bob", NO_ORIGIN)
        self.store.on_commit(self.count)

    def count(self) -> None:
        self.commits += 1

    async def deliver(self, **options: object) -> Delivery:
        await self.broker.send(Draft("alice", Kind.AGENT, "bob", "hi", **options))  # type: ignore[arg-type]
        [got] = await self.broker.recv(self.session)
        return got

    async def state_of(self, got: Delivery) -> MessageState:
        return (await self.broker.message(got.id)).state


@pytest.fixture
async def bench(path: Path) -> AsyncIterator[Bench]:
    async with Store(path, InlineEngine()) as store, local_broker(store) as broker:
        yield Bench(store, broker)


async def test_the_ack_of_a_parked_recv_joins_the_next_commit(bench: Bench) -> None:
    got = await bench.deliver()
    before = bench.commits
    waiting = bench.broker.recv(bench.session, wait=60, ack=[got.id])
    await settle()
    assert bench.commits == before
    await bench.broker.send(Draft("alice", Kind.AGENT, "bob", "next"))
    assert [next_one.body for next_one in await waiting] == ["next"]
    assert bench.commits == before + 1
    assert await bench.state_of(got) is MessageState.ACKED


async def test_the_ack_of_a_parked_recv_is_written_soon(bench: Bench) -> None:
    got = await bench.deliver()
    waiting = bench.broker.recv(bench.session, wait=60, ack=[got.id])
    await advance(ACK_SECONDS)
    assert await bench.state_of(got) is MessageState.ACKED
    assert waiting.cancel(), "it still waits"


async def test_a_recv_that_ends_empty_answers_once_its_ack_is_on_disk(bench: Bench) -> None:
    got = await bench.deliver()
    assert await bench.broker.recv(bench.session, wait=ACK_SECONDS / 4, ack=[got.id]) == ()
    assert await bench.state_of(got) is MessageState.ACKED


async def test_an_ack_answers_once_it_is_on_disk(bench: Bench) -> None:
    got = await bench.deliver()
    began = asyncio.get_running_loop().time()
    await bench.broker.ack(bench.session, [got.id])
    assert await bench.state_of(got) is MessageState.ACKED
    assert asyncio.get_running_loop().time() == began


async def test_a_broker_that_closes_writes_the_acks_that_wait(path: Path) -> None:
    async with Store(path, InlineEngine()) as store:
        async with local_broker(store) as broker:
            bench = Bench(store, broker)
            got = await bench.deliver()
            waiting = broker.recv(bench.session, wait=60, ack=[got.id])
        assert isinstance(waiting.exception(), Exception)
        async with local_broker(store) as broker:
            assert broker.unread("bob") == 0


async def test_a_message_with_every_option_is_kept_whole(bench: Bench) -> None:
    first = await bench.deliver()
    options = {
        "in_reply_to": first.id,
        "label": "urgent",
        "priority": Priority.HIGH,
        "ttl": 60.0,
        "dedupe_key": "k",
        "supersede_key": "s",
    }
    got = await bench.deliver(**options)
    kept = await bench.broker.message(got.id)
    assert (kept.in_reply_to, kept.thread, kept.label) == (first.id, first.id, "urgent")
    assert (kept.priority, kept.hops) == (-1, 1)
    assert (kept.dedupe_key, kept.supersede_key) == ("k", "s")
    assert kept.expires_at == pytest.approx(kept.sent_at + 60.0)
    assert kept.body == "hi"


def test_of_an_ordinary_ack_only_the_end_is_written() -> None:
    rig = Rig()
    rig.send_many(2)
    session = rig.session()
    ids = rig.take(session, 2)
    rig.rules.ack(session, Ack(ids=ids), Receiver(), rig.now)
    changes = rig.rules.table.take_effects().collect()
    assert changes.acked == [ids[0], WALL, ids[1], WALL]
    others = (changes.leased, changes.updated, changes.inserted, changes.inserted_full)
    assert others == ([], [], [], [])


def test_an_ack_of_what_has_changed_otherwise_is_written_whole() -> None:
    rig = Rig()
    rig.send_many(2)
    session = rig.session()
    begun, read = 1, 2
    assert rig.take(session) == [begun]
    rig.rules.heartbeat(session, Heartbeat(ids=[begun]), Receiver(), rig.now)
    rig.rules.ack(session, Ack(ids=[begun]), Receiver(), rig.now)
    assert rig.rules.mark_read("bob", [read], rig.now) == 1
    effects = rig.rules.table.take_effects()
    assert list(effects.changed) == [begun, read]
    assert effects.collect().acked == []
