"""Faults of agents: by themselves, or on request of a test."""

from __future__ import annotations

import asyncio
from itertools import count

from actors.testing import InjectedFault, hang
from hive.client.agent import Delivery, ManagerClient, Role
from hive.client.function_agent import Answer
from hive.daemon.hive import AgentCoroutine, Hive
from hive.errors import ConflictError
from hive.participants.start_waits import wait_until_running
from hive.wire import WAIT_MAX


async def crash(hive: Hive, name: str) -> None:
    """End an agent as a crash of its machine would, in the middle of its work.

    One that is coming up, as all agents do just after the hive has, is waited for. Returns when it
    has ended. The hive is notified in the next turn of the loop; then the restart
    policy decides.

    Raises:
        UnknownNameError: There is no such agent.
        ConflictError: It does not run.
    """
    registry = hive.parts.registry
    agent = registry.agent(name)
    if agent.running is None and agent.is_to_run:
        await wait_until_running(registry, agent)
    if await hive.runtime.kill(name) is None:
        raise ConflictError(f"{name!r} does not run, so it cannot crash; wait until it runs")


def crashing(agent: AgentCoroutine, *, after: float, times: int | None = None) -> AgentCoroutine:
    """Return an agent that crashes some time after each of its first starts.

    Args:
        agent: The agent between its crashes, and after the last one.
        after: Seconds from a start to its crash.
        times: Number of starts that crash; None for all.
    """
    starts = count(1)

    async def crasher(client: ManagerClient) -> None:
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


def hanging(*, swallow: int = 0) -> AgentCoroutine:
    """Return an agent that takes one message, never finishes it, and takes no other.

    Args:
        swallow: Number of cancellations that it ignores. The first one is that of a stop, which
            waits no longer than its timeout; the agent cannot be started before it has ended.
    """

    async def hanger(client: ManagerClient) -> None:
        await client.hello(Role.HARNESS, "function")
        while not await client.recv(wait=WAIT_MAX):
            pass
        await hang(swallow)

    return hanger


def failing(answer: Answer, *, times: int = 1) -> Answer:
    """Return an answer, for `answering`, that raises at its first calls.

    Each of these calls returns the message as failed and ends the agent.
    """
    calls = count(1)

    async def fail(message: Delivery) -> str | None:
        call = next(calls)
        if call <= times:
            raise InjectedFault(f"failure {call} of this answer")
        return await answer(message)

    return fail


def slow(answer: Answer, seconds: float) -> Answer:
    """Return an answer, for `answering`, that takes this many seconds."""

    async def take_time(message: Delivery) -> str | None:
        await asyncio.sleep(seconds)
        return await answer(message)

    return take_time
