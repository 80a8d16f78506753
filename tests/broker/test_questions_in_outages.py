"""Questions when the process crashes or the disk fails: question and message share a commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import pytest
from attrs import define, field

from actors.testing import advance
from hive.clock import LoopClock
from hive.store import InlineEngine, Kind, Store, StoreFullError
from hive.store.writer import PROBE_SECONDS
from hive.wire.enums import CancelKind
from tests.broker.client import local_broker
from tests.broker.faults import Faults, run_until_crash


@define
class Answered:
    """The answers of the broker before its crash."""

    asked: list[int] = field(factory=list)
    answered: list[int] = field(factory=list)
    cancelled: list[int] = field(factory=list)


async def scenario(path: Path, faults: Faults, answered: Answered) -> None:
    clock = LoopClock(asyncio.get_running_loop())
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_broker(store, clock=clock) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        for text in ("one", "two", "three"):
            answered.asked.append(await broker.ask("alice", text, to="bob", ttl_seconds=60))
        one, two, _ = answered.asked
        await note(answered.answered, one, broker.answer("bob", one, "y"))
        await note(answered.cancelled, two, broker.cancel("alice", CancelKind.QUESTION, two))
        await advance(60)


async def note(done: list[int], number: int, doing: Awaitable[None]) -> None:
    await doing
    done.append(number)


def check(path: Path, answered: Answered) -> None:
    with closing(sqlite3.connect(path)) as connection:
        states = dict(connection.execute("SELECT id, state FROM questions").fetchall())
        carried = connection.execute("SELECT id FROM messages WHERE kind = 'question'").fetchall()
        replies = connection.execute(
            "SELECT in_reply_to, count(*) FROM messages WHERE kind = 'answer' GROUP BY in_reply_to"
        ).fetchall()
    assert set(states) == {number for (number,) in carried}
    assert set(answered.asked) <= set(states)
    assert {states[number] for number in answered.answered} <= {"answered"}
    assert {states[number] for number in answered.cancelled} <= {"cancelled"}
    over = {number for number, state in states.items() if state in {"answered", "expired"}}
    assert dict(replies) == dict.fromkeys(over, 1), "an end and its answer are one"


def live_until(path: Path, statement: int | None) -> tuple[Faults, Answered]:
    answered = Answered()
    return run_until_crash(lambda faults: scenario(path, faults, answered), statement), answered


def test_a_question_and_its_messages_are_one_wherever_the_process_dies(tmp_path: Path) -> None:
    faults, answered = live_until(tmp_path / "whole.sqlite", None)
    check(tmp_path / "whole.sqlite", answered)
    assert (len(answered.asked), len(answered.answered), len(answered.cancelled)) == (3, 1, 1)
    opening = 30
    for statement in range(opening, faults.statements + 1):
        path = tmp_path / f"{statement}.sqlite"
        died, answered = live_until(path, statement)
        assert died.dead
        if path.exists() and answered.asked:
            check(path, answered)


@pytest.mark.sim
async def test_a_question_that_could_not_be_stored_is_not_open(path: Path) -> None:
    faults = Faults()
    engine = InlineEngine(faults.connection_class())
    async with Store(path, engine) as store, local_broker(store) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        kept = await broker.ask("alice", "kept", to="bob", ttl_seconds=60)
        faults.full = True
        with pytest.raises(StoreFullError):
            await broker.answer("bob", kept, "yes")
        faults.full = False
        await advance(PROBE_SECONDS)
        questions, _ = await broker.open_questions_of("alice")
        assert [question.id for question in questions] == [kept]
        await broker.answer("bob", kept, "yes")
        assert await broker.open_questions_of("alice") == ([], [])
