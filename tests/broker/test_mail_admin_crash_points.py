"""A crash before every SQL statement of mail administration, each followed by a restart."""

import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from typing import TypeVar

from attrs import define, field

from actors.testing import run_simulation
from hive.config import Limits
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store
from hive.store.database import prepare
from hive.wire.enums import NackMode, StoredState
from tests.broker.client import BrokerClient, Draft, Sent, local_broker
from tests.broker.faults import Faults, run_until_crash

T = TypeVar("T")

LIMITS = Limits(max_hops=0)
"""Each answer opens a circuit."""


@define
class Recorded:
    """The states in which each message may be found; two while a request is in flight."""

    allowed: dict[int, set[str]] = field(factory=dict)
    queues: set[str] = field(factory=set)
    questions: dict[int, set[str]] = field(factory=dict)
    groups: bool = False
    finished: bool = False

    async def to_become(self, state: str, doing: Awaitable[T], *ids: int) -> T:
        """Wait for a request that brings messages into a state."""
        for number in ids:
            self.allowed[number].add(state)
        done = await doing
        for number in ids:
            self.allowed[number] = {state}
        return done

    async def to_store(self, sending: Awaitable[Sent], state: str = "stored") -> int:
        """Wait until a message is stored."""
        sent = await sending
        assert sent.id is not None
        self.allowed[sent.id] = {state}
        return sent.id


def job() -> Draft:
    return Draft("operator", Kind.OPERATOR, "queue:jobs", "job")


async def scenario(path: Path, faults: Faults, recorded: Recorded) -> None:
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_broker(store, LIMITS) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        await care_for_letters(broker, recorded)
        await supersede(broker, recorded)
        await loop(broker, recorded)
        await discard_all(broker, recorded)
        await broker.change_group("team", add=("alice",))
        recorded.groups = True
    recorded.finished = True


async def care_for_letters(broker: BrokerClient, recorded: Recorded) -> None:
    session = broker.open_session("bob", NO_ORIGIN)
    number = await recorded.to_store(broker.send(job()))
    recorded.queues = {"jobs"}

    async def reject() -> None:
        await broker.recv(session, queue="jobs")
        await recorded.to_become("dead", broker.nack(session, number, NackMode.REJECT), number)

    await reject()
    assert await recorded.to_become("stored", broker.replay(ids=[number]), number) == [number]
    await reject()
    await recorded.to_become("expired", broker.discard(ids=[number]), number)
    left = await recorded.to_store(broker.send(job()))
    await recorded.to_become("dead", broker.remove_queue("jobs", force=True), left)
    recorded.queues = set()


async def supersede(broker: BrokerClient, recorded: Recorded) -> None:
    draft = Draft("alice", Kind.AGENT, "bob", "news", supersede_key="k")
    old = await recorded.to_store(broker.send(draft))
    new = recorded.to_store(broker.send(draft))
    await recorded.to_become("expired", new, old)


async def loop(broker: BrokerClient, recorded: Recorded) -> None:
    number = await recorded.to_store(broker.send(Draft("alice", Kind.AGENT, "bob", "ping")))
    answer = Draft("bob", Kind.AGENT, "alice", "pong", in_reply_to=number)
    parked = await recorded.to_store(broker.send(answer), "parked")
    await recorded.to_become("stored", broker.reset_loop("alice", "bob"), parked)


async def discard_all(broker: BrokerClient, recorded: Recorded) -> None:
    """Discard a stored, a deferred and a leased message, a dead letter and a question at once."""
    broker.add_inbox("carol", Kind.AGENT)
    session = broker.open_session("carol", NO_ORIGIN)
    draft = Draft("alice", Kind.AGENT, "carol", "spam")
    dead = await recorded.to_store(broker.send(draft))
    await broker.recv(session)
    await recorded.to_become("dead", broker.nack(session, dead, NackMode.REJECT), dead)
    leased = await recorded.to_store(broker.send(draft))
    recorded.allowed[leased].add("leased")
    await broker.recv(session)
    deferred = await recorded.to_store(broker.send(draft._replace(delay=60)))
    asked = await broker.ask("alice", "go?", to="carol")
    recorded.allowed[asked], recorded.questions[asked] = {"stored"}, {"open"}
    ids = (dead, leased, deferred, asked)
    recorded.questions[asked].add("cancelled")
    done = broker.discard(inbox="carol", states=list(StoredState), reason="spam")
    assert await recorded.to_become("expired", done, *ids) == list(ids)
    recorded.questions[asked] = {"cancelled"}


def live_until(path: Path, statement: int | None) -> tuple[Faults, Recorded]:
    recorded = Recorded()
    return run_until_crash(lambda faults: scenario(path, faults, recorded), statement), recorded


def check(path: Path, recorded: Recorded) -> None:
    queues, groups = run_simulation(lambda: restart(path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        states = dict(connection.execute("SELECT id, state FROM messages").fetchall())
        questions = dict(connection.execute("SELECT id, state FROM questions").fetchall())
    for number, allowed in recorded.allowed.items():
        assert states[number] in allowed
    for number, allowed in recorded.questions.items():
        assert questions[number] in allowed
        assert (questions[number] == "cancelled") is (states[number] == "expired")
    if recorded.finished:
        assert queues == recorded.queues
    else:
        assert recorded.queues <= queues <= {"jobs"} or recorded.queues == {"jobs"}
    assert ("team" in groups) >= recorded.groups


async def restart(path: Path) -> tuple[set[str], set[str]]:
    """Start another broker on the store; return its queues and groups."""
    async with Store(path, InlineEngine()) as store, local_broker(store, LIMITS) as broker:
        return {each.name for each in broker.queues()}, set(broker.groups())


def test_what_was_answered_about_mail_is_so_wherever_the_process_dies(tmp_path: Path) -> None:
    made, whole = tmp_path / "made.sqlite", tmp_path / "whole.sqlite"
    prepare(made)
    copyfile(made, whole)
    faults, recorded = live_until(whole, None)
    assert recorded.finished
    check(whole, recorded)
    assert len(recorded.allowed) == 10
    assert faults.statements > 60
    for statement in range(1, faults.statements + 1):
        path = Path(copyfile(made, tmp_path / f"{statement}.sqlite"))
        died, recorded = live_until(path, statement)
        assert died.dead
        check(path, recorded)
