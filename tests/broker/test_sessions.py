"""What a session holds, waits for and lost, when it asks for several things at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.broker.sessions import LOST_KEPT
from hive.errors import UnknownNameError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.wire import agent as wire
from tests.broker.post import Draft, Router
from tests.broker.rig import RigSession

pytestmark = pytest.mark.sim


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with Store(path, InlineEngine()) as opened:
        yield opened


async def test_a_recv_that_is_cancelled_leaves_nothing_behind_when_its_time_is_over(
    router: Router,
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    for _ in range(10):
        session.request(wire.Recv(wait_seconds=5)).cancel()
        await router.send(Draft("alice", Kind.AGENT, "bob", "x"))
        await advance(6)
    assert not session.parked
    assert not router.service.rules.table.inboxes["bob"].parked


async def test_ack_turn_leaves_alone_what_was_not_handed_over_yet(router: Router) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    waiting = router.recv(session, wait=60)
    await settle()
    sent = router.send(Draft("alice", Kind.AGENT, "bob", "unseen"))
    acked = router.ack_turn(session)
    await asyncio.gather(sent, acked)
    [got] = await waiting
    assert (got.body, router.counts("bob").leased) == ("unseen", 1)
    await router.ack_turn(session)
    assert router.unread("bob") == 0


async def test_a_recv_from_a_queue_that_is_not_there_acks_nothing(router: Router) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(Draft("alice", Kind.AGENT, "bob", "kept"))
    [held] = await router.recv(session)
    with pytest.raises(UnknownNameError):
        await router.recv(session, ack=[held.id], queue="nosuch")
    assert router.counts("bob").leased == 1


def test_a_session_is_told_of_the_newest_messages_that_it_lost_and_not_of_all() -> None:
    session = RigSession("bob", Kind.AGENT)
    for number in range(3 * LOST_KEPT):
        session.lose(number, "its lease expired")
    assert session.lost is not None
    assert list(session.lost) == list(range(2 * LOST_KEPT, 3 * LOST_KEPT))
