"""The process dies before every SQL statement of what is done about mail beside delivering it."""

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
from hive.store.connection import prepare
from hive.wire.enums import NackMode
from tests.broker.faults import Faults, run_until_crash
from tests.broker.post import Draft, Router, Sent, local_router

T = TypeVar("T")

LIMITS = Limits(max_hops=0)
"""Each answer opens a circuit."""


@define
class Promises:
    """In which states each message may be found; while a request is on its way, in two."""

    allowed: dict[int, set[str]] = field(factory=dict)
    queues: set[str] = field(factory=set)
    groups: bool = False
    finished: bool = False

    async def to_become(self, state: str, doing: Awaitable[T], *ids: int) -> T:
        """Wait until something was done that brings messages into a state."""
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


async def a_day(path: Path, faults: Faults, promises: Promises) -> None:
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_router(store, LIMITS) as router:
        for name in ("alice", "bob"):
            router.add_inbox(name, Kind.AGENT)
        await care_for_letters(router, promises)
        await supersede(router, promises)
        await loop(router, promises)
        await router.change_group("team", add=("alice",))
        promises.groups = True
    promises.finished = True


async def care_for_letters(router: Router, promises: Promises) -> None:
    session = router.open_session("bob", NO_ORIGIN)
    number = await promises.to_store(router.send(job()))
    promises.queues = {"jobs"}

    async def reject() -> None:
        await router.recv(session, queue="jobs")
        await promises.to_become("dead", router.nack(session, number, NackMode.REJECT), number)

    await reject()
    assert await promises.to_become("stored", router.replay(ids=[number]), number) == [number]
    await reject()
    await promises.to_become("expired", router.discard(ids=[number]), number)
    left = await promises.to_store(router.send(job()))
    await promises.to_become("dead", router.remove_queue("jobs", force=True), left)
    promises.queues = set()


async def supersede(router: Router, promises: Promises) -> None:
    draft = Draft("alice", Kind.AGENT, "bob", "news", supersede_key="k")
    old = await promises.to_store(router.send(draft))
    new = promises.to_store(router.send(draft))
    await promises.to_become("expired", new, old)


async def loop(router: Router, promises: Promises) -> None:
    number = await promises.to_store(router.send(Draft("alice", Kind.AGENT, "bob", "ping")))
    answer = Draft("bob", Kind.AGENT, "alice", "pong", in_reply_to=number)
    parked = await promises.to_store(router.send(answer), "parked")
    await promises.to_become("stored", router.reset_loop("alice", "bob"), parked)


def live_until(path: Path, statement: int | None) -> tuple[Faults, Promises]:
    promises = Promises()
    return run_until_crash(lambda faults: a_day(path, faults, promises), statement), promises


def check(path: Path, promises: Promises) -> None:
    queues, groups = run_simulation(lambda: next_daemon(path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        states = dict(connection.execute("SELECT id, state FROM messages").fetchall())
    for number, allowed in promises.allowed.items():
        assert states[number] in allowed
    if promises.finished:
        assert queues == promises.queues
    else:
        assert promises.queues <= queues <= {"jobs"} or promises.queues == {"jobs"}
    assert ("team" in groups) >= promises.groups


async def next_daemon(path: Path) -> tuple[set[str], set[str]]:
    """Let the next daemon take everything over; return its queues and groups."""
    async with Store(path, InlineEngine()) as store, local_router(store, LIMITS) as router:
        return {each.name for each in router.queues()}, set(router.groups())


def test_what_was_answered_about_mail_is_so_wherever_the_process_dies(tmp_path: Path) -> None:
    made, whole = tmp_path / "made.sqlite", tmp_path / "whole.sqlite"
    prepare(made)
    copyfile(made, whole)
    faults, promises = live_until(whole, None)
    assert promises.finished
    check(whole, promises)
    assert len(promises.allowed) == 6
    assert faults.statements > 60
    for statement in range(1, faults.statements + 1):
        path = Path(copyfile(made, tmp_path / f"{statement}.sqlite"))
        died, promises = live_until(path, statement)
        assert died.dead
        check(path, promises)
