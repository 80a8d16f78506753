"""The broker in an actor system, under a supervisor."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors import ActorSystem, ChildSpec, ChildState, SupervisorRef, SupervisorSpec
from hive.broker.broker_actor import Broker
from hive.broker.service import BrokerService
from hive.clock import SystemClock
from hive.config import Limits
from hive.errors import InboxFullError, NotFoundError, StaleLeaseError, UnavailableError
from hive.store import NO_ORIGIN, Kind, Store
from tests.broker.client import BrokerClient, Draft


@pytest.fixture
def service(store: Store) -> BrokerService:
    return BrokerService(store, Limits(inbox_messages=2), SystemClock())


@pytest.fixture
async def root(service: BrokerService) -> AsyncIterator[SupervisorRef]:
    async with ActorSystem(name="test") as system:
        child = ChildSpec("broker", lambda: Broker(service))
        yield await system.start_supervisor(SupervisorSpec(children=(child,)), name="root")


@pytest.fixture
async def broker(root: SupervisorRef, service: BrokerService, store: Store) -> BrokerClient:
    await root.child("broker")
    broker = BrokerClient(service, store)
    broker.add_inbox("bob", Kind.AGENT)
    return broker


def hello(body: str = "hello") -> Draft:
    return Draft("alice", Kind.AGENT, "bob", body)


async def test_a_message_is_sent_received_and_acked_over_sockets(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    waiting = broker.recv(session, wait=60)
    sent = await broker.send(hello())
    [got] = await waiting
    assert (got.id, got.body) == (sent.id, "hello")
    assert broker.unread("bob") == 1
    await broker.ack(session, [got.id])
    assert broker.unread("bob") == 0


async def test_refusals_do_not_harm_the_actor(broker: BrokerClient, root: SupervisorRef) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello())
    await broker.send(hello())
    with pytest.raises(InboxFullError):
        await broker.send(hello())
    with pytest.raises(StaleLeaseError):
        await broker.ack(session, [1])
    assert (await root.child("broker")).restarts == 0


async def test_a_cancelled_recv_gets_no_mail(broker: BrokerClient) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    gone = broker.recv(session, wait=60)
    await asyncio.sleep(0)
    gone.cancel()
    await broker.send(hello())
    [got] = await broker.recv(session)
    assert (got.attempt, got.redelivered) == (1, False)


async def test_a_bug_restarts_the_broker_from_what_is_on_disk(
    broker: BrokerClient, root: SupervisorRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    await broker.send(hello("kept"))
    await broker.recv(session)
    waiting = broker.recv(session, wait=60)
    with monkeypatch.context() as patch:
        patch.setattr("hive.broker.admission.spend", lambda *_: 1 / 0)
        with pytest.raises(UnavailableError, match=r"look before.*division by zero"):
            await broker.send(hello())
    with pytest.raises(UnavailableError, match="starts again"):
        await waiting
    await back(root)
    with pytest.raises(NotFoundError, match="connect again"):
        await broker.recv(session)
    broker.add_inbox("bob", Kind.AGENT)
    again = broker.open_session("bob", NO_ORIGIN)
    [got] = await broker.recv(again, wait=60)
    assert (got.body, got.attempt, got.redelivered) == ("kept", 2, True)


async def back(root: SupervisorRef) -> None:
    """Wait until the broker was restarted once."""
    while True:
        child = await root.child("broker")
        if child.restarts == 1 and child.state is ChildState.RUNNING:
            return
        await asyncio.sleep(0)


async def test_what_waits_for_a_commit_during_a_bug_is_answered(
    broker: BrokerClient, root: SupervisorRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        sending = broker.send(hello("decided"))
        patch.setattr("hive.broker.admission.spend", lambda *_: 1 / 0)
        failing = broker.send(hello())
        for future in (sending, failing):
            with pytest.raises(UnavailableError, match="look before"):
                await future
    await back(root)


async def test_a_stop_answers_parked_receivers(broker: BrokerClient, root: SupervisorRef) -> None:
    waiting = broker.recv(broker.open_session("bob", NO_ORIGIN), wait=60)
    sent = await broker.send(Draft("operator", Kind.OPERATOR, "operator", "to myself"))
    assert sent.id == 1
    await root.terminate_child("broker")
    with pytest.raises(UnavailableError, match="stopping"):
        await waiting
    with pytest.raises(UnavailableError, match="stopping"):
        await broker.send(hello())
