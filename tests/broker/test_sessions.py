"""Messages that a session holds or lost and its waits, with several requests at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.broker.sessions import LOST_MAX
from hive.errors import UnknownNameError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.wire import agent as wire
from tests.broker.client import BrokerClient, Draft
from tests.broker.rig import RigSession

pytestmark = pytest.mark.sim


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with Store(path, InlineEngine()) as opened:
        yield opened


async def test_a_recv_that_is_cancelled_leaves_nothing_behind_when_its_time_is_over(
    broker: BrokerClient,
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    for _ in range(10):
        session.request(wire.Recv(wait_seconds=5)).cancel()
        await broker.send(Draft("alice", Kind.AGENT, "bob", "x"))
        await advance(6)
    assert not session.parked
    assert not broker.service.rules.table.inboxes["bob"].parked


async def test_ack_turn_leaves_alone_what_was_not_handed_over_yet(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    waiting = broker.recv(session, wait=60)
    await settle()
    sent = broker.send(Draft("alice", Kind.AGENT, "bob", "unseen"))
    acked = broker.ack_turn(session)
    await asyncio.gather(sent, acked)
    [got] = await waiting
    assert (got.body, broker.counts("bob").leased) == ("unseen", 1)
    await broker.ack_turn(session)
    assert broker.unread("bob") == 0


async def test_a_recv_from_a_queue_that_is_not_there_acks_nothing(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(Draft("alice", Kind.AGENT, "bob", "kept"))
    [held] = await broker.recv(session)
    with pytest.raises(UnknownNameError):
        await broker.recv(session, ack=[held.id], queue="nosuch")
    assert broker.counts("bob").leased == 1


def test_a_session_reports_only_the_newest_messages_that_it_lost() -> None:
    session = RigSession("bob", Kind.AGENT)
    for number in range(3 * LOST_MAX):
        session.record_lost(number, "its lease expired")
    assert session.lost is not None
    assert list(session.lost) == list(range(2 * LOST_MAX, 3 * LOST_MAX))


async def test_a_session_that_ends_before_the_commit_uses_up_no_attempt(
    broker: BrokerClient,
) -> None:
    await broker.send(Draft("alice", Kind.AGENT, "bob", "never seen"))
    for _ in range(broker.service.rules.limits.max_attempts + 1):
        session = broker.open_session("bob", NO_ORIGIN)
        got = session.request(wire.Recv())
        session.close()
        assert (await got).messages == []
    [delivery] = await broker.recv(broker.open_session("bob", NO_ORIGIN))
    assert (delivery.attempt, delivery.redelivered) == (1, False)


async def test_to_put_back_what_was_not_handed_over_uses_up_no_attempt(
    broker: BrokerClient,
) -> None:
    await broker.send(Draft("alice", Kind.AGENT, "bob", "never seen"))
    session, other = (broker.open_session("bob", NO_ORIGIN) for _ in range(2))
    for _ in range(broker.service.rules.limits.max_attempts + 1):
        got = session.request(wire.Recv())
        await other.request(wire.RequeueInflight())
        assert (await got).messages == []
    assert session.lost is None
    [delivery] = await broker.recv(session)
    assert (delivery.attempt, delivery.redelivered) == (1, False)


async def test_what_was_superseded_while_nobody_took_it_does_not_come_back(
    broker: BrokerClient,
) -> None:
    await broker.send(Draft("alice", Kind.AGENT, "bob", "old", supersede_key="state"))
    session = broker.open_session("bob", NO_ORIGIN)
    session.request(wire.Recv()).cancel()
    await broker.send(Draft("alice", Kind.AGENT, "bob", "new", supersede_key="state"))
    await settle()
    assert [each.body for each in await broker.recv(session, max=9)] == ["new"]
