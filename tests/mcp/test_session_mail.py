"""The mail of an interactive session when calls are cancelled or the daemon is unreachable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hive.errors import UnavailableError
from hive.harness.leases import BATCH_BYTES
from hive.harness.tools.session_mail import HOLD, SessionMail
from hive.wire.enums import NackMode
from tests.harness.support.leasing import LeasingClient

pytestmark = pytest.mark.sim


async def session_with_a_lost_ack() -> tuple[Any, SessionMail]:
    """Return a session that has finished message 1, whose lease ended before its ack."""
    client: Any = LeasingClient()
    mail = SessionMail(client)
    client.post(1)
    await mail.take(1, 0.0)
    client.failures["ack"] = [UnavailableError("away")]
    await mail.done([1])
    client.lose(1)
    client.post(2, 3)
    return client, mail


async def test_a_take_that_is_cancelled_at_any_await_leases_nothing_and_acks_what_is_finished() -> (
    None
):
    for steps in range(40):
        client, mail = await session_with_a_lost_ack()
        taking = asyncio.create_task(mail.take(8, 0.0))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = taking.done()
        taking.cancel()
        await asyncio.wait([taking])
        held = [message.id for message in mail.held()]
        assert held == ([2, 3] if was_done else [])
        await mail.close()
        assert client.leased == {}
        assert set(client.acked) | {each.id for each in client.queued} >= {1}
        assert {mode for _, mode, _ in client.nacked} <= {NackMode.DEFER}
        if was_done:
            assert client.acked == [1]
            return
    pytest.fail("taking takes more steps than that")


async def test_a_close_that_is_cancelled_at_any_await_can_be_repeated() -> None:
    for steps in range(20):
        client: Any = LeasingClient()
        mail = SessionMail(client)
        client.post(1, 2)
        await mail.take(2, 0.0)
        closing = asyncio.create_task(mail.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await mail.close()
        assert client.leased == {}
        assert sorted(number for number, _, _ in client.nacked) == [1, 2]


async def test_a_result_has_one_request_and_a_bounded_size() -> None:
    client: Any = LeasingClient()
    mail = SessionMail(client)
    client.post(1, 2, 3)
    asked: list[int | None] = []
    client.limits = asked
    assert len(await mail.take(8, 0.0)) == 3
    assert client.requests.count("recv") == 1
    assert asked == [BATCH_BYTES]
    await mail.close()


async def test_each_forgotten_message_goes_back_at_its_own_time_as_a_failed_attempt() -> None:
    client: Any = LeasingClient()
    mail = SessionMail(client)
    client.post(1)
    await mail.take(1, 0.0)
    await asyncio.sleep(100)
    client.post(2, 3)
    await mail.take(2, 0.0)
    await mail.done([2])
    await asyncio.sleep(HOLD - 50)
    assert [(number, mode) for number, mode, _ in client.nacked] == [(1, NackMode.FAIL)]
    await asyncio.sleep(100)
    assert [number for number, _, _ in client.nacked] == [1, 3]
    assert client.acked == [2]
    await mail.close()
