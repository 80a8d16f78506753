"""A week of twenty agents that send mail, ask, set reminders, crash, hang, and are stopped.

The week is simulated once; each test checks one guarantee. Two of the agents reply to every reply
of each other, and five share an account that is used up once a day.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from random import Random

import pytest
from attrs import Factory, define, field

from hive import Hive
from hive.client.agent import AgentClient, Delivery, Role
from hive.config import HiveConfig, Limits, RestartPolicy
from hive.daemon.hive import AgentCoroutine
from hive.errors import ConflictError, HiveError, StaleLeaseError
from hive.store import Message, MessageKind, MessageState, questions
from hive.store.messages import COLUMNS, message_from_row
from hive.store.questions import Question, QuestionState
from hive.testing import InjectedFault, advance, crash, simulate
from hive.wire.enums import ActivityState, NackMode, OnExpiry, OrderKind, TurnOutcome
from hive.wire.harness import Activity, Order, TurnRecord
from hive.wire.host import ResetLoop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EPOCH = 1_700_000_000.0
HOUR, DAY = 3600.0, 86_400.0
WEEK = 7 * DAY
POLITE = ("alpha", "omega")
NAMES = [*POLITE, *(f"agent{number}" for number in range(18))]
SHARERS = NAMES[2:7]
"""Agents with one account."""
FAULTY = NAMES[5:]
"""Agents that crash, hang and are stopped."""
LONGEST_WORK = 300.0
LONGEST_NAP = 900.0
"""Seconds that an agent without mail sleeps before its next poll, to save fifty thousand polls."""
LONGEST_WAIT = 2 * HOUR
"""Seconds that mail may wait for a running agent: for earlier mail, and for a lease that hangs."""
LIMITS = Limits(max_attempts=20, max_hops=8)


@define
class Week:
    """The observations of the participants."""

    crashes: int = 0
    hangs: int = 0
    overdue: list[str] = Factory(list)
    """Sentences about messages that should have been acked."""
    rounds: int = 0
    loops: int = 0
    """Number of resets of the circuit between the polite agents."""
    released: float = 0.0
    """Time of the last release of parked messages."""
    open_loops: list[tuple[str, str]] = Factory(list)
    """The pairs with an open circuit at the end."""
    limits: list[tuple[float, float]] = Factory(list)
    """Beginning and end of each limit of the shared account."""
    works: list[tuple[str, float]] = Factory(list)
    """Agent and time of each beginning of work on a message."""
    early: list[str] = Factory(list)
    """Reminders that were delivered too early."""
    reminded: int = 0
    down: dict[str, float] = Factory(dict)
    """Agents that the operator has stopped, with the time of their next start."""
    mail: list[Message] = Factory(list)
    asked: list[Question] = Factory(list)
    turns: list[TurnRecord] = Factory(list)


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


@define(eq=False)
class Gossip:
    """One run of an agent."""

    name: str
    client: AgentClient
    week: Week
    random: Random
    last_order: int = 0
    limited: Order | None = field(default=None)

    async def live(self) -> None:
        await self.client.hello(Role.HARNESS, "gossip")
        await self.report(ActivityState.IDLE)
        while True:
            mail = await self.client.recv(wait=180, max=2)
            if not mail:
                await asyncio.sleep(LONGEST_NAP)
            for message in mail:
                await self.follow_orders()
                if self.limited is not None:
                    await self.defer(message)
                else:
                    await self.take(message)

    async def report(self, state: ActivityState, about: str | None = None) -> None:
        account = "shared" if self.name in SHARERS else None
        await self.client.report(Activity(state, now(), about, account=account))

    async def follow_orders(self) -> None:
        for order in await self.client.orders(wait=0, after=self.last_order):
            self.last_order = order.seq
            if order.kind in {OrderKind.LIMITED, OrderKind.UNLIMITED}:
                self.limited = order if order.kind is OrderKind.LIMITED else None
        if self.limited is not None and (self.limited.at or 0.0) <= now():
            self.limited = None

    async def defer(self, message: Delivery) -> None:
        assert self.limited is not None
        wait = (self.limited.at or 0.0) - now()
        await self.client.nack(message.id, mode=NackMode.DEFER, delay=wait, lease=message.lease)

    async def take(self, message: Delivery) -> None:
        began = now()
        self.week.works.append((self.name, began))
        await self.report(ActivityState.WORKING, f"message {message.id}")
        try:
            await self.work(message)
            await self.client.ack([message.id], lease=message.lease)
        except StaleLeaseError:
            return  # it hung for too long; the message was delivered again
        await self.report(ActivityState.IDLE)
        done = TurnRecord(began, now(), "message", TurnOutcome.DONE, messages=(message.id,))
        await self.client.turn(done)

    async def work(self, message: Delivery) -> None:
        await asyncio.sleep(self.random.uniform(1, LONGEST_WORK))
        if self.name in FAULTY:
            await self.go_wrong()
        if message.type == "reminder":
            self.week.reminded += 1
            if float(message.body) > now():
                self.week.early.append(message.body)
        elif message.type == "question":
            if self.random.random() < 0.7:
                await self.try_to(self.client.answer(message.id, "so they say"))
        elif message.type != "event":
            await self.pass_on(message)

    async def go_wrong(self) -> None:
        luck = self.random.random()
        if luck < 0.03:
            self.week.crashes += 1
            raise InjectedFault("a fault of this agent")
        if luck < 0.05:
            self.week.hangs += 1
            await asyncio.sleep(2 * LIMITS.lease_seconds)

    async def pass_on(self, message: Delivery) -> None:
        if self.name in POLITE and message.sender in POLITE:
            await self.try_to(self.client.send(message.sender, "thank you", in_reply_to=message.id))
            return
        other = self.random.choice([name for name in NAMES if name != self.name])
        luck = self.random.random()
        if luck < 0.5:
            await self.try_to(self.client.send(other, "have you heard?", in_reply_to=message.id))
        elif luck < 0.65:
            ttl = self.random.uniform(60, 2 * HOUR)
            wish = self.random.choice(list(OnExpiry))
            await self.try_to(self.client.ask("is it true?", to=other, ttl=ttl, on_expiry=wish))
        elif luck < 0.75:
            delay = self.random.uniform(60, DAY)
            await self.try_to(self.client.remind(f"{now() + delay}", delay=delay))
        elif luck < 0.8:
            await self.try_to(self.client.send(other, "old news soon", ttl=HOUR))

    @staticmethod
    async def try_to(tried: Awaitable[object]) -> None:
        """Ignore a refusal, for instance because a question was answered meanwhile."""
        with suppress(HiveError):
            await tried


def gossip(name: str, week: Week) -> AgentCoroutine:
    random = Random(name)

    async def agent(client: AgentClient) -> None:
        await Gossip(name, client, week, random).live()

    return agent


async def send_rumours(hive: Hive) -> None:
    """Send a message to a random agent, about every half an hour."""
    random = Random("crier")
    crier = await hive.client("crier")
    while asyncio.get_running_loop().time() < WEEK:
        await crier.send(random.choice(NAMES[2:]), "a rumour")
        await asyncio.sleep(random.uniform(0, HOUR))


async def morning(hive: Hive, week: Week) -> None:
    """Each day reset all circuits, and report the limit of the shared account."""
    random = Random("morning")
    alpha = await hive.client("alpha")
    for _ in range(7):
        for loop in hive.parts.mail.loops():
            await hive.parts.broker.ask(ResetLoop(names=list(loop.pair)))
            week.loops += loop.pair == POLITE
            week.released = now()
        if not week.loops:
            await alpha.send("omega", "thank you for everything")
        await asyncio.sleep(random.uniform(0, 10 * HOUR))
        await use_up(hive, random.choice(SHARERS[:3]), week)
        await asyncio.sleep(DAY - asyncio.get_running_loop().time() % DAY)


async def use_up(hive: Hive, name: str, week: Week) -> None:
    member = hive.parts.registry.get(name)
    until = now() + 3 * HOUR
    await hive.parts.harnesses.set_limit(
        member, member.harnesses[0], "shared", until, "3 hours used up"
    )
    week.limits.append((now(), until))


async def chaos(hive: Hive, week: Week) -> None:
    """Crash random agents, and sometimes stop one for an hour."""
    random = Random("chaos")
    while asyncio.get_running_loop().time() < WEEK - 3 * HOUR:
        await asyncio.sleep(random.uniform(0, HOUR))
        name = random.choice(FAULTY)
        if random.random() < 0.2:
            week.down[name] = float("inf")
            await hive.stop(name)
            await asyncio.sleep(HOUR)
            await hive.start(name)
            week.down[name] = now()
            continue
        try:
            await crash(hive, name)
            week.crashes += 1
        except ConflictError:  # it waits for its restart
            continue


async def inspector(hive: Hive, week: Week) -> None:
    """Search every inbox each hour for messages that should have been acked."""
    while asyncio.get_running_loop().time() < WEEK:
        await asyncio.sleep(HOUR)
        week.rounds += 1
        for name in NAMES:
            for message in await hive.parts.mail.inbox(name, 10_000, unread_only=True):
                if why := overdue(message, week):
                    week.overdue.append(f"message {message.id} to {name}: {why}")


def overdue(message: Message, week: Week) -> str | None:
    """Return why a message should have been acked by now; None if it need not."""
    if message.state is MessageState.PARKED:
        return "parked" if now() - message.sent_at > DAY + 60 else None
    if message.state is MessageState.LEASED:
        longest = 2 * LIMITS.lease_seconds + 2 * LONGEST_WORK
        held = now() - (message.leased_at or 0.0)
        return f"leased for {held:.0f} s" if held > longest else None
    if message.expires_at is not None and message.expires_at < now() - 1:
        return "its time was over"
    began = max(message.sent_at, message.not_before or 0.0, week.down.get(message.inbox, 0.0))
    if message.hops == 0:
        began = max(began, week.released)
    if message.kind is MessageKind.REMINDER:
        began = max(began, float(message.body or 0))
    if message.inbox in SHARERS:
        began = max(began, *(until for _, until in week.limits), began)
    waited = now() - began
    return f"waited for {waited:.0f} s" if waited > LONGEST_WAIT else None


async def run_week(hive: Hive, week: Week) -> None:
    await asyncio.gather(
        send_rumours(hive), morning(hive, week), chaos(hive, week), inspector(hive, week)
    )
    await advance(DAY)
    week.open_loops = [loop.pair for loop in hive.parts.mail.loops()]
    week.mail = await hive.parts.store.read(
        lambda c: [message_from_row(row) for row in c.execute(f"SELECT {COLUMNS} FROM messages")]
    )
    week.asked = await hive.parts.store.read(questions.newest(100_000))
    for name in NAMES:
        member = hive.parts.registry.get(name)
        week.turns += (await hive.parts.harnesses.newest_turns(member, 100_000)).values()


@pytest.fixture(scope="module")
def week() -> Week:
    week = Week()
    agents = {name: gossip(name, week) for name in NAMES}
    config = HiveConfig(restart=RestartPolicy(max_restarts=50, within=HOUR), limits=LIMITS)
    simulate(
        lambda hive: run_week(hive, week),
        agents=agents,
        peers=["crier"],
        config=config,
        within=2 * WEEK,
    )
    return week


def test_it_was_a_busy_week(week: Week) -> None:
    assert (week.crashes > 100, week.hangs > 10, week.rounds) == (True, True, 168)
    kinds = Counter(message.kind for message in week.mail)
    assert kinds[MessageKind.MESSAGE] > 800
    assert kinds[MessageKind.QUESTION] > 50
    assert week.reminded > 30
    assert len(week.limits) == 7
    assert any(message.attempts > 1 for message in week.mail)


def test_no_message_is_ever_unacked_for_longer_than_its_policy_allows(week: Week) -> None:
    assert week.overdue == []


def test_in_the_end_only_parked_messages_are_unread(week: Week) -> None:
    left = [message for message in week.mail if message.ended_at is None and message.inbox in NAMES]
    assert {message.state for message in left} <= {MessageState.PARKED}
    assert not [message for message in week.mail if message.state is MessageState.DEAD]
    pairs = {tuple(sorted((message.sender, message.inbox))) for message in left}
    assert pairs <= set(week.open_loops), "the operator sees the circuit of every parked message"


def test_no_chain_of_replies_is_endless(week: Week) -> None:
    assert max(message.hops for message in week.mail) <= LIMITS.max_hops + 1
    between = [m for m in week.mail if {m.sender, m.inbox} == set(POLITE)]
    assert week.loops >= 3, "the polite agents did loop"
    begun = sum(message.hops == 0 for message in between)
    assert begun < 70, "begun by another agent, or after a reset of the circuit"
    assert len(between) <= begun * (LIMITS.max_hops + 2)
    assert len(week.mail) < 5000


def test_every_question_ends_and_its_asker_is_notified_once(week: Week) -> None:
    states = Counter(question.state for question in week.asked)
    assert states[QuestionState.ANSWERED] > 20
    assert states[QuestionState.EXPIRED] > 0
    assert states[QuestionState.OPEN] == 0
    answers = Counter(m.in_reply_to for m in week.mail if m.kind is MessageKind.ANSWER)
    for question in week.asked:
        over = question.state in {QuestionState.ANSWERED, QuestionState.EXPIRED}
        assert answers[question.id] == over, question


def test_no_reminder_is_delivered_too_early(week: Week) -> None:
    assert week.early == []


def test_no_work_begins_while_the_account_is_used_up(week: Week) -> None:
    for began, until in week.limits:
        # Work that began at the moment of the limit may continue.
        works = [at for name, at in week.works if name in SHARERS and began + 1 < at < until]
        assert works == []
    starts = sorted(at for name, at in week.works if name in SHARERS)
    assert starts, "the sharers work at other times"


def test_every_finished_turn_is_stored(week: Week) -> None:
    acked = {m.id for m in week.mail if m.state is MessageState.ACKED and m.inbox in NAMES}
    recorded = {number for turn in week.turns for number in turn.messages}
    assert len(recorded - acked) == 0
    assert len(recorded) > 0.9 * len(acked)
