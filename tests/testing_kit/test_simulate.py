"""`hive.testing.simulate`: a real hive in simulated time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from hive import Hive
from hive.client.agent import AgentClient, Delivery
from hive.config import AgentManifest, HiveConfig, Limits
from hive.errors import BadRequestError, InboxFullError, TimedOutError
from hive.testing import advance, answering, crash, simulate

HOUR = 3600.0
EPOCH = "2023-11-14T22:13:20.000Z"


async def advance_an_hour(hive: Hive) -> None:
    await advance(HOUR)


async def echo(message: Delivery) -> str:
    return f"re: {message.body}"


def test_an_hour_passes_at_once_and_every_time_stamp_shows_it() -> None:
    async def scenario(hive: Hive) -> str:
        loop = asyncio.get_running_loop()
        assert loop.time() == 0.0
        await advance(HOUR)
        assert loop.time() == HOUR
        assert await hive.answer_to(await hive.send("alice", "hi")) == "re: hi"
        (answer,) = await hive.inbox()
        assert answer.sent_at - HOUR == 1_700_000_000.0
        assert (await hive.status("alice")).since == EPOCH
        return "done"

    began = time.monotonic()
    assert simulate(scenario, agents={"alice": answering(echo)}) == "done"
    assert time.monotonic() - began < HOUR / 100


def test_peers_limits_and_the_state_directory_are_the_hives_own(tmp_path: Path) -> None:
    async def fill(hive: Hive) -> None:
        damocles = await hive.client("damocles")
        await damocles.send("bob", "first")
        with pytest.raises(InboxFullError):
            await damocles.send("bob", "second")

    async def look(hive: Hive) -> list[str | None]:
        return [message.body for message in await hive.inbox("bob")]

    peers = ["damocles", "bob"]
    config = HiveConfig(limits=Limits(inbox_messages=1))
    simulate(fill, peers=peers, config=config, state_dir=tmp_path)
    assert simulate(look, peers=peers, state_dir=tmp_path) == ["first"]
    assert simulate(look, peers=peers) == []


def test_programs_cannot_be_simulated() -> None:
    config = HiveConfig(agents={"alice": AgentManifest(exec=("true",))})
    with pytest.raises(BadRequestError, match="not both"):
        simulate(advance_an_hour, config=config)


def test_a_scenario_that_takes_too_long_times_out() -> None:
    with pytest.raises(TimedOutError, match="did not end within 60 s of simulated time"):
        simulate(advance_an_hour, agents={"alice": answering(echo)}, within=60)


def test_threads_are_deterministic_and_raise_their_errors() -> None:
    async def scenario(hive: Hive) -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(asyncio.to_thread(order.append, number) for number in range(20)))
        assert sorted(order) == list(range(20))
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        given_up = asyncio.get_running_loop().run_in_executor(None, order.append, 20)
        given_up.cancel()
        await advance(0)
        assert given_up.cancelled()
        assert order.pop() == 20
        return order

    orders = [simulate(scenario, seed=seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_scenario_raises_its_own_errors() -> None:
    async def impatient(hive: Hive) -> None:
        async with asyncio.timeout(1):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        simulate(impatient)


def test_a_deadlock_is_reported_at_once() -> None:
    async def forgotten(hive: Hive) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimedOutError, match="waits for what does not happen"):
        simulate(forgotten)


# Determinism by seed

History = list[str]


def busy_day(seed: int) -> History:
    """Let four agents send each other mail and crash; return all events and messages."""
    names = ["anna", "bert", "cleo", "dora"]

    def chatter(name: str) -> object:
        random = Random(f"{name} {seed}")

        async def agent(client: AgentClient) -> None:
            while True:
                for message in await client.recv(wait=60, max=4):
                    await asyncio.sleep(random.choice([0, 0, 1, 5]))
                    if len(message.body) < 8:
                        await client.send(random.choice(names), message.body + name[0])
                    await client.ack([message.id])

        return agent

    async def scenario(hive: Hive) -> History:
        for name in names:
            await asyncio.gather(*(hive.send(peer, name[0]) for peer in names))
        for name in names:
            await crash(hive, name)
            await advance(60)
        events = await hive.parts.events.recent(1000)
        mail = [message for name in names for message in await hive.inbox(name)]
        return [str(event) for event in events if event.name] + [
            f"{mail.id} {mail.inbox} {mail.sender} {mail.body} {mail.sent_at} {mail.lease} "
            f"{mail.ended_at} {mail.deliveries}"
            for mail in mail
        ]

    agents = {name: chatter(name) for name in names}
    return simulate(scenario, agents=agents, seed=seed)  # type: ignore[arg-type]


def test_the_same_seed_has_the_same_history_and_another_seed_another() -> None:
    histories = [tuple(busy_day(seed)) for seed in (1, 1, 2, 3)]
    assert histories[0] == histories[1]
    assert len(set(histories)) == 3
    assert len(histories[0]) > 50


def test_a_seed_repeats_its_history_in_another_process() -> None:
    """The order of sets of strings, which differs between processes, has no influence."""
    source = "from tests.testing_kit.test_simulate import busy_day; print(*busy_day(1), sep='\\n')"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", source],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] == "\n".join(busy_day(1)) + "\n"
