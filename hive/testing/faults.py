"""Agents that go wrong: on their own, or when a test says so."""

from __future__ import annotations

import asyncio
from itertools import count

from actors.testing import InjectedFault, hang
from hive.client.aio import SocketClient
from hive.client.answering import Answer
from hive.client.api import Delivery, Role
from hive.daemon.hive import Agent, Hive
from hive.errors import ConflictError
from hive.wire import WAIT_MAX


async def crash(hive: Hive, name: str) -> None:
    """End an agent as a crash of its machine would, in the middle of whatever it does.

    Returns when it has ended; the hive hears of it in the next turn of the loop. What happens then
    is up to the restart policy.

    Raises:
        UnknownNameError: There is no such agent.
        ConflictError: It does not run.
    """
    hive.parts.registry.agent(name)
    if await hive.runtime.kill(name) is None:
        raise ConflictError(f"{name!r} does not run, so it cannot crash; wait until it runs")


def crashing(agent: Agent, *, after: float, times: int | None = None) -> Agent:
    """Return an agent that crashes some time after each of its first starts.

    Args:
        agent: What it is until then, and for good after the last crash.
        after: Seconds from a start to the crash.
        times: How many starts crash; None for all.
    """
    starts = count(1)

    async def crasher(client: SocketClient) -> None:
        start = next(starts)
        if times is not None and start > times:
            await agent(client)
            return
        try:
            async with asyncio.timeout(after) as limit:
                await agent(client)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise InjectedFault(f"crash {start} of this agent") from error

    return crasher


def hanging(*, swallow: int = 0) -> Agent:
    """Return an agent that takes one message and never finishes it, nor takes another.

    Args:
        swallow: How many cancellations it ignores. The first one is a stop's, which waits no longer
            than its timeout; until the agent has ended after all, it cannot be started again.
    """

    async def hanger(client: SocketClient) -> None:
        await client.hello(Role.HARNESS, "function")
        while not await client.recv(wait=WAIT_MAX):
            pass
        await hang(swallow)

    return hanger


def failing(answer: Answer, *, times: int = 1) -> Answer:
    """Return an answer, for `answering`, that raises at its first calls.

    Each of them gives the message back as failed and ends the agent.
    """
    calls = count(1)

    async def fail(message: Delivery) -> str | None:
        call = next(calls)
        if call <= times:
            raise InjectedFault(f"failure {call} of this answer")
        return await answer(message)

    return fail


def slow(answer: Answer, seconds: float) -> Answer:
    """Return an answer, for `answering`, that takes so many seconds."""

    async def take_time(message: Delivery) -> str | None:
        await asyncio.sleep(seconds)
        return await answer(message)

    return take_time
