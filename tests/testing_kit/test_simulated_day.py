"""A day of fifty agents that send each other mail, crash a thousand times and are often stopped.

The day is simulated once; each test checks one guarantee. Mail without a response (its sender
crashed before) may exist or not, and is left out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from random import Random

import pytest
from attrs import Factory, define

from hive import Hive
from hive.client.agent import AgentClient, Role
from hive.config import HiveConfig, Limits, RestartPolicy
from hive.daemon.hive import AgentCoroutine
from hive.errors import ConflictError
from hive.store import Message, MessageState
from hive.testing import advance, crash, simulate
from hive.wire.rows import EventRow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOUR = 3600.0
DAY = 24 * HOUR
CRASHES = 1000
NAMES = [f"agent{number}" for number in range(50)]
UNTOUCHED = NAMES[:10]
"""Agents without injected faults."""
VICTIMS = NAMES[10:]
RULES = RestartPolicy(max_restarts=4, within=600, base=1, cap=30)


@define
class Day:
    """The observations of the participants."""

    accepted: dict[int, tuple[str, str]] = Factory(dict)
    """Sender and recipient of each message whose send was answered."""
    first_seen: defaultdict[str, list[tuple[int, str]]] = Factory(lambda: defaultdict(list))
    """Id and sender of the messages that each agent received, without redeliveries."""
    deliveries: Counter[int] = Factory(Counter)
    crashes: Counter[str] = Factory(Counter)
    stops: list[tuple[str, float, float]] = Factory(list)
    """Agent, time of the completed stop, and time of the next start."""
    starts: defaultdict[str, list[float]] = Factory(lambda: defaultdict(list))
    """Times at which the operator started an agent, which resets its restart budget."""
    events: list[EventRow] = Factory(list)
    evening: dict[str, str] = Factory(dict)
    """The state of each agent after the last hour."""
    evening_accepted: dict[int, tuple[str, str]] = Factory(dict)
    evening_mail: dict[int, Message] = Factory(dict)
    morning_mail: dict[int, Message] = Factory(dict)
    """The same mail after all agents were started again."""

    def of(self, name: str) -> list[tuple[float, str]]:
        """Return time and name of the events of an agent, without those of its connections."""
        return [
            (seconds(event), event.event)
            for event in self.events
            if event.name == name and event.event not in {"connected", "disconnected"}
        ]


def sorter(name: str, day: Day) -> AgentCoroutine:
    """Return an agent that answers each order with a parcel to a random agent."""
    random = Random(name)

    async def agent(client: AgentClient) -> None:
        await client.hello(Role.HARNESS, "function")
        while True:
            for message in await client.recv(wait=180, max=2):
                day.deliveries[message.id] += 1
                if day.deliveries[message.id] == 1:
                    day.first_seen[name].append((message.id, message.sender))
                await asyncio.sleep(random.uniform(1, 240))
                if message.body == "order":
                    await send(client, name, random.choice(NAMES), "parcel", day)
                await client.ack([message.id], lease=message.lease)

    return agent


async def send(client: AgentClient, sender: str, to: str, body: str, day: Day) -> None:
    sent = await client.send(to, body)
    assert sent.id is not None
    day.accepted[sent.id] = (sender, to)


async def orders(hive: Hive, day: Day) -> None:
    """A peer sends an order to every agent, twice an hour."""
    damocles = await hive.client("damocles")
    while asyncio.get_running_loop().time() < DAY:
        for name in NAMES:
            await send(damocles, "damocles", name, "order", day)
        await asyncio.sleep(HOUR / 2)


async def chaos(hive: Hive, day: Day) -> None:
    """Crash agents, often the same one several times, until `CRASHES` is reached."""
    random = Random("chaos")
    victim = random.choice(VICTIMS)
    while day.crashes.total() < CRASHES:
        await asyncio.sleep(random.uniform(0, 2 * DAY / CRASHES))
        try:
            await crash(hive, victim)
            day.crashes[victim] += 1
        except ConflictError:  # it waits for its restart, has failed or was stopped
            victim = random.choice(VICTIMS)
        if random.random() < 0.4:
            victim = random.choice(VICTIMS)


async def operator(hive: Hive, day: Day) -> None:
    """Stop an agent every hour, often while it crashes; start it an hour later, except the last.

    Agents that have failed by then are started, too.
    """
    random = Random("operator")
    loop = asyncio.get_running_loop()
    for _ in range(24):
        name = random.choice(VICTIMS)
        crashes = [crash_late(hive, name, random.uniform(0, 3), day) for _ in range(2)]
        await asyncio.gather(*crashes, stop_late(hive, name, random.uniform(0, 3)))
        stopped_at = loop.time()
        await asyncio.sleep(HOUR - 3)
        day.stops.append((name, stopped_at, loop.time()))
        if loop.time() < DAY - HOUR:
            for other in VICTIMS:
                if (await hive.status(other)).state in {"failed", "stopped"}:
                    day.starts[other].append(loop.time())
                    await hive.start(other)


async def stop_late(hive: Hive, name: str, delay: float) -> None:
    await asyncio.sleep(delay)
    await hive.stop(name)


async def crash_late(hive: Hive, name: str, delay: float, day: Day) -> None:
    await asyncio.sleep(delay)
    try:
        await crash(hive, name)
        day.crashes[name] += 1
    except ConflictError:
        pass


async def run_day(hive: Hive, day: Day) -> None:
    day.events.extend(await hive.parts.events.recent(1000))
    unsubscribe = hive.parts.events.subscribe(day.events.append)
    await asyncio.gather(orders(hive, day), chaos(hive, day), operator(hive, day))
    await advance(HOUR)
    day.evening = {name: (await hive.status(name)).state for name in NAMES}
    day.evening_mail = await all_mail(hive)
    day.evening_accepted = dict(day.accepted)
    unsubscribe()
    for name in VICTIMS:
        await hive.start(name)
    await advance(HOUR)
    day.morning_mail = await all_mail(hive)


async def all_mail(hive: Hive) -> dict[int, Message]:
    return {mail.id: mail for name in NAMES for mail in await hive.inbox(name, limit=100_000)}


@pytest.fixture(scope="module")
def day() -> Day:
    day = Day()
    agents = {name: sorter(name, day) for name in NAMES}
    # Crashes must not turn a message into a dead letter.
    config = HiveConfig(restart=RULES, limits=Limits(max_attempts=1000))
    simulate(lambda hive: run_day(hive, day), agents=agents, peers=["damocles"], config=config)
    return day


def test_the_day_had_many_faults(day: Day) -> None:
    assert day.crashes.total() >= CRASHES
    assert len(day.accepted) > 4000
    assert sum(count > 1 for count in day.deliveries.values()) > 50
    assert sum(event.event == "failed" for event in day.events) > 10
    assert set(day.evening.values()) == {"running", "failed", "stopped"}


def test_no_accepted_message_is_lost(day: Day) -> None:
    for number, (sender, to) in day.evening_accepted.items():
        mail = day.evening_mail[number]
        assert (mail.sender, mail.inbox) == (sender, to)
        if day.evening[to] == "running":
            assert mail.state is MessageState.ACKED
        else:
            assert mail.state in {MessageState.ACKED, MessageState.STORED}


def test_mail_waits_for_an_agent_that_is_down_and_is_delivered_after_its_start(day: Day) -> None:
    waiting = [mail for mail in day.evening_mail.values() if mail.state is MessageState.STORED]
    assert {day.evening[mail.inbox] for mail in waiting} == {"failed", "stopped"}
    assert {mail.state for mail in day.morning_mail.values()} == {MessageState.ACKED}
    assert day.accepted.keys() <= day.deliveries.keys()


def test_first_deliveries_are_in_the_order_of_sending(day: Day) -> None:
    for name, seen in day.first_seen.items():
        for sender in {sender for _, sender in seen}:
            ids = [number for number, who in seen if who == sender]
            assert ids == sorted(ids), f"from {sender} to {name}"


def test_agents_without_faults_are_not_affected(day: Day) -> None:
    for name in UNTOUCHED:
        assert day.of(name) == [(0.0, "started")]
        assert day.evening[name] == "running"


def test_a_stopped_agent_stays_stopped(day: Day) -> None:
    assert len(day.stops) == 24
    for name, begin, end in day.stops:
        # Events have their time in rounded milliseconds.
        assert not [what for at, what in day.of(name) if begin + 0.01 < at < end - 0.01]


def test_every_crash_is_handled_by_the_restart_policy(day: Day) -> None:
    for name in VICTIMS:
        for at, reaction, expected in reactions(day, name):
            assert reaction == expected, f"{name} at {at}"
    assert sum(event.event == "ended" for event in day.events) == day.crashes.total()


def reactions(day: Day, name: str) -> Iterator[tuple[float, str, str]]:
    """Yield the time of each crash, the hive's reaction, and that of a reference window."""
    window: deque[float] = deque()
    starts = deque(day.starts[name])
    for (at, what), (_, then) in pairwise(day.of(name)):
        while starts and starts[0] <= at:
            starts.popleft()
            window.clear()
        if what == "ended":
            window.append(at)
            while window[0] < at - RULES.within:
                window.popleft()
            yield at, then, "restarting" if len(window) <= RULES.max_restarts else "failed"


def seconds(event: EventRow) -> float:
    return datetime.fromisoformat(event.at).timestamp() - 1_700_000_000.0
