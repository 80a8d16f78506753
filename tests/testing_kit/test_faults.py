"""Each injected fault has its own effect and no other."""

from __future__ import annotations

import asyncio

import pytest

from hive import Hive
from hive.client.agent import AgentClient, Delivery
from hive.config import HiveConfig, Limits, RestartPolicy
from hive.errors import ConflictError, FailedError, UnknownNameError
from hive.testing import advance, answering, crash, crashing, failing, hanging, simulate, slow


async def attempt(message: Delivery) -> str:
    return f"attempt {message.attempt}{', redelivered' * message.redelivered}"


async def at(time: float) -> None:
    await advance(time - asyncio.get_running_loop().time())


def test_a_crash_from_outside_is_restarted_and_its_message_redelivered() -> None:
    async def scenario(hive: Hive) -> None:
        message = await hive.send("alice", "work")
        await at(5)
        await crash(hive, "alice")
        await advance(0)
        down = await hive.status("alice")
        assert down.state != "running"
        assert "SIGKILL" in str(down.reason)
        assert await hive.answer_to(message) == "attempt 2, redelivered"
        up = await hive.status("alice")
        assert (up.state, up.restarts) == ("running", 1)
        assert (await hive.status("bob")).restarts == 0

    worker = answering(slow(attempt, 10))
    simulate(scenario, agents={"alice": worker, "bob": worker})


def test_only_a_running_agent_can_crash() -> None:
    async def scenario(hive: Hive) -> None:
        await hive.stop("alice")
        with pytest.raises(ConflictError, match="'alice' does not run"):
            await crash(hive, "alice")
        with pytest.raises(UnknownNameError):
            await crash(hive, "alcie")

    simulate(scenario, agents={"alice": hanging()})


def test_crashing_ends_the_first_starts_and_no_other() -> None:
    async def scenario(hive: Hive) -> None:
        message = await hive.send("alice", "work")
        assert await hive.answer_to(message) == "attempt 3, redelivered"
        await advance(3600)
        status = await hive.status("alice")
        assert (status.state, status.restarts) == ("running", 2)

    worker = answering(slow(attempt, 3))
    simulate(scenario, agents={"alice": crashing(worker, after=2, times=2)})


def test_crashing_without_end_exhausts_the_restart_budget() -> None:
    async def scenario(hive: Hive) -> None:
        row = await hive.until_state("alice", "failed")
        assert row.restarts == 3
        assert "crash 4 of this agent" in "\n".join(row.last_lines or ())

    rules = HiveConfig(restart=RestartPolicy(max_restarts=3, within=60))
    simulate(scenario, agents={"alice": crashing(hanging(), after=1)}, config=rules)


def test_crashing_passes_on_the_exits_and_errors_of_the_agent() -> None:
    async def impatient(client: AgentClient) -> None:
        async with asyncio.timeout(1):
            await asyncio.Event().wait()

    async def brief(client: AgentClient) -> None:
        await asyncio.sleep(1)

    async def scenario(hive: Hive) -> None:
        await at(1.1)
        alice, bob = await hive.status("alice"), await hive.status("bob")
        assert "TimeoutError" in "\n".join(alice.last_lines or ())
        assert bob.reason == "exited with status 0"

    agents = {"alice": crashing(impatient, after=9), "bob": crashing(brief, after=9)}
    simulate(scenario, agents=agents)


def test_hanging_holds_its_message_until_the_lease_ends_and_takes_no_other() -> None:
    async def scenario(hive: Hive) -> None:
        await hive.send("alice", "one")
        await hive.send("alice", "two")
        await at(899)
        assert [message.state for message in await hive.inbox("alice")] == ["leased", "stored"]
        await at(901)
        assert [message.state for message in await hive.inbox("alice")] == ["stored", "stored"]
        await hive.stop("alice")
        await hive.start("alice")
        assert (await hive.inbox("alice"))[0].deliveries == 1
        await advance(1)
        assert (await hive.inbox("alice"))[0].deliveries == 2

    config = HiveConfig(limits=Limits(lease_seconds=900))
    simulate(scenario, agents={"alice": hanging()}, config=config)


def test_hanging_that_swallows_its_cancellation_delays_a_stop_by_its_timeout() -> None:
    async def scenario(hive: Hive) -> None:
        loop = asyncio.get_running_loop()
        await hive.send("alice", "work")
        await at(5)
        await hive.stop("alice")
        assert loop.time() == 15.0
        assert (await hive.status("alice")).state == "stopped"
        with pytest.raises(FailedError, match="swallowed its cancellation"):
            await hive.start("alice")

    simulate(scenario, agents={"alice": hanging(swallow=1)})


def test_failing_returns_the_message_until_it_succeeds() -> None:
    async def scenario(hive: Hive) -> None:
        message = await hive.send("alice", "work")
        assert await hive.answer_to(message, within=600) == "attempt 3, redelivered"
        await advance(0)
        assert (await hive.status("alice")).restarts == 2
        (worked_on,) = await hive.inbox("alice")
        assert worked_on.state == "acked"

    simulate(scenario, agents={"alice": answering(failing(attempt, times=2))})


def test_slow_takes_exactly_its_time() -> None:
    async def scenario(hive: Hive) -> None:
        message = await hive.send("alice", "work")
        assert await hive.answer_to(message, within=3601) == "attempt 1"
        assert asyncio.get_running_loop().time() == 600.0

    simulate(scenario, agents={"alice": answering(slow(attempt, 600))})
