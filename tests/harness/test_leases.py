"""The lease table: no message is processed twice, none stays leased without being processed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hive.errors import StaleLeaseError, TimedOutError, UnavailableError
from hive.harness.leases import LAST_REQUEST, RETRY_PAUSE, Leases
from hive.wire.enums import NackMode
from tests.harness.support.leasing import LeasingClient

pytestmark = pytest.mark.sim

FAIL, DEFER = NackMode.FAIL, NackMode.DEFER


@pytest.fixture
def client() -> Any:
    return LeasingClient()


@pytest.fixture
def leases(client: Any) -> Leases:
    return Leases(client)


def ids(messages: Any) -> list[int]:
    return [message.id for message in messages]


async def test_a_received_message_is_in_progress_until_it_is_finished(leases, client):
    client.post(1, 2)
    assert ids(await leases.recv(16)) == ids(leases.held()) == [1, 2]
    leases.finish([1])
    assert ids(leases.held()) == [2]
    assert await leases.flush()
    assert client.acked == [1]
    assert not await leases.recv(16)


async def test_acks_go_with_the_next_recv(leases, client):
    client.post(1, 2)
    await leases.recv()
    leases.finish([1])
    assert ids(await leases.recv()) == [2]
    assert client.acked == [1]
    assert client.requests == ["recv", "recv"]
    await leases.flush()
    assert client.requests == ["recv", "recv"], "there is nothing to send"


async def test_a_redelivered_message_in_progress_only_gets_its_new_lease(leases, client):
    client.post(1)
    [first] = await leases.recv()
    client.lose(1)
    client.post(2)
    assert ids(await leases.recv(1, wait=9.0)) == [2], "and the wait goes on"
    [held, _] = leases.held()
    assert held.lease == client.leased[1] != first.lease
    leases.give_back(first, FAIL, "boom")
    await leases.flush()
    assert client.nacked == [(1, FAIL, "boom")], "by its newest lease"


async def test_a_refused_ack_is_repeated_when_the_message_is_redelivered(leases, client):
    client.post(1)
    await leases.recv()
    leases.finish([1])
    client.lose(1)
    assert not await leases.flush()
    client.post(2)
    assert ids(await leases.recv(1)) == [2]
    assert client.acked == [1]


async def refuse_one_ack(leases: Leases, client: Any) -> None:
    """Finish three messages, of which the lease of the second has ended; another one waits."""
    client.post(1, 2, 3)
    await leases.recv(16)
    leases.finish([1, 2, 3])
    client.lose(2)
    client.post(4)


@pytest.mark.parametrize("with_recv", [False, True])
async def test_an_ack_beside_a_refused_one_counts_as_accepted(leases, client, with_recv):
    await refuse_one_ack(leases, client)
    if with_recv:
        client.queued.clear()
        assert await leases.recv() == ()
    else:
        assert not await leases.flush()
    assert client.acked == [1, 3]
    client.post(*([2] if with_recv else []))
    await leases.ack_returned()
    assert client.acked == [1, 3, 2]
    assert client.nacked == [], "no other message was leased"
    client.requests.clear()
    await leases.ack_returned()
    assert client.requests == [], "none is left that was refused"


async def test_acks_in_doubt_survive_an_outage(leases, client):
    await refuse_one_ack(leases, client)
    client.failures["ack"] = [StaleLeaseError("one of them"), UnavailableError("away")]
    assert not await leases.flush()
    assert client.acked == []
    await leases.flush()
    assert client.acked == [1, 3]


async def test_an_ack_in_doubt_whose_message_comes_back_meanwhile_is_not_forgotten(leases, client):
    await refuse_one_ack(leases, client)
    client.failures["ack"] = [StaleLeaseError("one of them"), UnavailableError("away")]
    await leases.flush()
    assert ids(await leases.recv(16)) == [4], "2 is acked with its new lease"
    await leases.flush()
    assert sorted(client.acked) == [1, 2, 3]


async def test_a_recv_returns_messages_even_if_its_ack_is_refused(leases, client):
    client.post(1)
    await leases.recv()
    leases.finish([1])
    client.lose(1)
    client.queued.clear()
    client.post(2)
    assert ids(await leases.recv()) == [2]
    assert client.acked == []


@pytest.mark.parametrize("error", [UnavailableError("away"), TimedOutError("late")])
@pytest.mark.parametrize("verb", ["ack", "recv"])
async def test_an_ack_that_fails_in_an_outage_stays_pending(leases, client, verb, error):
    client.post(1)
    await leases.recv()
    leases.finish([1])
    client.failures[verb] = [error]
    if verb == "ack":
        assert await leases.flush()
    else:
        with pytest.raises(type(error)):
            await leases.recv()
    assert client.acked == []
    await leases.flush()
    assert client.acked == [1]


async def test_an_outage_while_the_ack_is_pending_repeats_no_work(leases, client):
    client.post(1)
    await leases.recv()
    leases.finish([1])
    client.failures["ack"] = [UnavailableError("the connection was lost")]
    await leases.flush()
    client.lose(1)  # its session has ended
    assert await leases.recv() == ()
    assert (client.acked, client.leased) == ([1], {})


@pytest.mark.parametrize("error", [UnavailableError("in trouble"), TimedOutError("late")])
async def test_a_nack_that_fails_in_an_outage_is_sent_again(leases, client, error):
    client.post(1)
    [message] = await leases.recv()
    leases.give_back(message, FAIL, "boom")
    client.failures["nack"] = [error]
    await leases.flush()
    assert client.nacked == []
    await leases.flush()
    assert client.nacked == [(1, FAIL, "boom")]


async def test_a_message_whose_lease_ended_is_not_nacked(leases, client):
    client.post(1)
    [message] = await leases.recv()
    leases.give_back(message, FAIL, "boom")
    client.failures["nack"] = [UnavailableError("away")]
    await leases.flush()
    client.lose(1)
    assert ids(await leases.recv()) == [1], "it is new work"
    await leases.flush()
    assert client.nacked == []


async def test_a_refused_nack_is_dropped(leases, client):
    client.post(1)
    [message] = await leases.recv()
    leases.give_back(message, FAIL, "boom")
    client.failures["nack"] = [StaleLeaseError("its lease expired")]
    await leases.flush()
    await leases.flush()
    assert client.requests == ["recv", "nack"]


async def test_only_messages_in_progress_can_be_given_back(leases, client):
    client.post(1)
    [message] = await leases.recv()
    leases.finish([1])
    leases.give_back(message, FAIL, "boom")
    await leases.flush()
    assert (client.acked, client.nacked) == ([1], [])


async def test_close_sends_acks_and_nacks_and_puts_back_the_rest(leases, client):
    client.post(1, 2, 3)
    messages = await leases.recv(16)
    leases.finish([1])
    leases.give_back(messages[1], FAIL, "boom")
    await leases.close("the agent was stopped")
    assert client.acked == [1]
    assert client.nacked == [(2, FAIL, "boom"), (3, DEFER, "the agent was stopped")]
    assert client.leased == {}


async def test_close_does_not_wait_for_an_unreachable_daemon(leases, client):
    client.post(1, 2)
    await leases.recv(16)
    leases.finish([1])
    client.hang = {"ack", "nack"}
    await leases.close("the agent was stopped")
    assert asyncio.get_running_loop().time() == pytest.approx(LAST_REQUEST)


async def test_a_close_that_is_cancelled_at_any_await_can_be_done_again():
    for steps in range(30):
        client: Any = LeasingClient()
        leases = Leases(client)
        client.post(*range(1, 6))
        messages = await leases.recv(16)
        leases.finish([1, 2])
        leases.give_back(messages[2], FAIL, "boom")
        closing = asyncio.create_task(leases.close("stopped"))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = closing.done()
        closing.cancel()
        await asyncio.wait([closing])
        await leases.close("stopped")
        assert client.acked == [1, 2]
        assert sorted(client.nacked) == [
            (3, FAIL, "boom"),
            (4, DEFER, "stopped"),
            (5, DEFER, "stopped"),
        ]
        assert client.leased == {}
        if was_done:
            return
    pytest.fail("closing takes more steps than that")


async def test_a_recv_that_is_cancelled_at_any_await_loses_neither_acks_nor_messages():
    for steps in range(30):
        client: Any = LeasingClient()
        leases = Leases(client)
        client.post(1)
        await leases.recv()
        leases.finish([1])
        client.post(2)
        receiving = asyncio.create_task(leases.recv(16))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = receiving.done()
        receiving.cancel()
        await asyncio.wait([receiving])
        await leases.close("stopped")
        assert client.acked == [1]
        assert client.leased == {}
        assert client.nacked == ([(2, DEFER, "stopped")] if was_done else [])
        if was_done:
            return
    pytest.fail("receiving takes more steps than that")


async def test_heartbeats_last_as_long_as_something_is_leased(leases, client):
    beating = asyncio.create_task(leases.beat())
    await asyncio.sleep(1000)
    assert client.beats == [], "an idle harness says nothing"
    client.post(1)
    await leases.recv()
    await asyncio.sleep(70)
    client.post(2)
    await leases.recv()
    await asyncio.sleep(25)
    leases.finish([1, 2])
    await leases.flush()
    await asyncio.sleep(1000)
    at = [(round(time), sent) for time, sent in client.beats]
    assert at == [(1000, [1]), (1030, [1]), (1060, [1]), (1070, [1, 2])]
    beating.cancel()


async def test_a_heartbeat_that_fails_is_repeated_soon(leases, client):
    client.post(1)
    await leases.recv()
    client.failures["heartbeat"] = [UnavailableError("away")] * 2
    beating = asyncio.create_task(leases.beat())
    await asyncio.sleep(2 * RETRY_PAUSE + 1)
    assert [round(time) for time, _ in client.beats] == [2 * RETRY_PAUSE]
    beating.cancel()


async def test_acks_and_nacks_that_failed_are_sent_again_with_a_heartbeat(leases, client):
    beating = asyncio.create_task(leases.beat())
    client.post(1, 2)
    messages = await leases.recv(2)
    await asyncio.sleep(1)
    leases.finish([1])
    leases.give_back(messages[1], FAIL, "boom")
    client.failures["ack"] = [TimedOutError("late")]
    client.failures["nack"] = [TimedOutError("late")]
    await leases.flush()
    await asyncio.sleep(100)
    assert (client.acked, client.nacked) == ([1], [(2, FAIL, "boom")])
    beating.cancel()


async def test_a_session_extends_its_leases_without_marking_them_as_in_turn(leases, client):
    client.post(1)
    await leases.recv()
    beating = asyncio.create_task(leases.beat(in_turn=False))
    await asyncio.sleep(1)
    assert [sent for _, sent in client.beats] == [[]]
    beating.cancel()
