"""The broker inside an actor system: the same promises, and a life that is supervised."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors import ActorSystem, ChildSpec, SupervisorRef, SupervisorSpec
from hive.broker.actor import Broker, as_hive_error
from hive.broker.board import Board
from hive.broker.router import Router
from hive.broker.values import Draft
from hive.clock import SystemClock
from hive.config import Limits
from hive.errors import BadRequestError, InboxFullError, StaleLeaseError, UnavailableError
from hive.store import NO_ORIGIN, Kind, Store


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
async def root(store: Store, board: Board) -> AsyncIterator[SupervisorRef]:
    async with ActorSystem(name="test") as system:
        child = ChildSpec(
            "broker", lambda: Broker(store, Limits(inbox_messages=2), SystemClock(), board)
        )
        yield await system.start_supervisor(SupervisorSpec(children=(child,)), name="root")


@pytest.fixture
async def router(root: SupervisorRef, board: Board, store: Store) -> Router:
    router = Router((await root.child("broker")).ref, board, store)
    router.add_inbox("bob", Kind.AGENT)
    return router


def hello(body: str = "hello") -> Draft:
    return Draft("alice", Kind.AGENT, "bob", body)


async def test_a_message_goes_all_the_way(router: Router) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    waiting = router.recv(session, wait=60)
    sent = await router.send(hello())
    [got] = await waiting
    assert (got.id, got.body) == (sent.id, "hello")
    assert router.unread("bob") == 1
    await router.ack(session, [got.id])
    assert router.unread("bob") == 0


async def test_refusals_do_not_harm_the_actor(router: Router, root: SupervisorRef) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello())
    await router.send(hello())
    with pytest.raises(InboxFullError):
        await router.send(hello())
    with pytest.raises(StaleLeaseError):
        await router.ack(session, [1])
    assert (await root.child("broker")).restarts == 0


async def test_a_cancelled_recv_gets_no_mail(router: Router) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    gone = router.recv(session, wait=60)
    await asyncio.sleep(0)
    gone.cancel()
    await router.send(hello())
    [got] = await router.recv(session)
    assert (got.attempt, got.redelivered) == (1, False)


async def test_a_bug_restarts_the_broker_from_what_is_on_disk(
    router: Router, root: SupervisorRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    await router.send(hello("kept"))
    await router.recv(session)
    waiting = router.recv(session, wait=60)
    with monkeypatch.context() as patch:
        patch.setattr("hive.broker.rules.Rules.send", lambda *_: 1 / 0)
        with pytest.raises(Exception, match="division by zero") as failed:
            await router.send(hello())
    assert isinstance(as_hive_error(failed.value), UnavailableError)
    with pytest.raises((UnavailableError, type(failed.value))):
        await waiting
    router.add_inbox("bob", Kind.AGENT)
    again = router.open_session("bob", NO_ORIGIN)
    [got] = await router.recv(again, wait=60)
    assert (got.body, got.attempt, got.redelivered) == ("kept", 2, True)
    assert (await root.child("broker")).restarts == 1


async def test_a_stop_answers_those_who_wait(
    router: Router, root: SupervisorRef, board: Board
) -> None:
    waiting = router.recv(router.open_session("bob", NO_ORIGIN), wait=60)
    sent = await router.send(Draft("operator", Kind.OPERATOR, "operator", "to myself"))
    assert sent.id == 1
    await root.terminate_child("broker")
    with pytest.raises(UnavailableError, match="stopping"):
        await waiting
    assert board.names() == ()


async def test_only_errors_of_the_runtime_are_translated() -> None:
    refused = BadRequestError("no")
    assert as_hive_error(refused) is refused
    with pytest.raises(ZeroDivisionError):
        as_hive_error(ZeroDivisionError())
