"""Questions, reminders, turns and usage limits: round trips and retention."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import replace

from hive.errors import TooLargeError
from hive.store import Message, MessageKind, MessageState, Store, events, usage
from hive.store.messages import Changes, pending_reminders
from hive.store.questions import (
    Question,
    QuestionState,
    newest,
    of_participant,
    oldest_open,
    one,
    open_questions,
    row_of,
)
from hive.store.records import LIST_BYTES
from hive.store.retention import BATCH_ROWS, apply_retention
from hive.store.usage import Limit
from hive.wire.enums import OnExpiry, TurnOutcome
from hive.wire.harness import TurnRecord
from tests.store.rows import DAY, KEEP, NOW, message, storing

pytestmark = pytest.mark.sim


def question(number: int, **more: Any) -> Question:
    known = {
        "asker": "alice",
        "target": "bob",
        "text": "go?",
        "options": ("yes", 'no "never"'),
        "multi": True,
        "on_expiry": OnExpiry.ESCALATE,
        "asked_at": NOW - 50 * DAY,
    }
    return Question(number, **{**known, **more})


async def save(store: Store, *rows: Question) -> None:
    await store.write(Changes(questions=[row_of(each) for each in rows]))


def same(one: Question | None, other: Question) -> bool:
    return one is not None and row_of(one) == row_of(other)


async def test_a_question_comes_back_whole_in_every_state(store: Store) -> None:
    asked = question(5, expires_at=NOW)
    await save(store, asked)
    assert same(await store.read(one(5)), asked)
    asked.state, asked.ended_at, asked.ended_by, asked.answer = (
        QuestionState.ANSWERED,
        NOW,
        "bob",
        "yes",
    )
    await save(store, asked)
    assert same(await store.read(one(5)), asked)
    assert await store.read(one(6)) is None


async def test_open_questions_are_found_by_asker_and_target(store: Store) -> None:
    over = question(2, state=QuestionState.EXPIRED, ended_at=NOW)
    rows = [question(1), over, question(3, asker="bob", target="carol"), question(4, asker="dora")]
    await save(store, *rows)
    assert [q.id for q in await store.read(open_questions)] == [1, 3, 4]
    assert [q.id for q in await store.read(of_participant("bob"))] == [1, 3, 4]
    assert [q.id for q in await store.read(of_participant("carol"))] == [3]
    assert [q.id for q in await store.read(newest(2))] == [3, 4]


async def test_only_the_newest_ended_questions_of_an_asker_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.store.retention.QUESTIONS_KEPT", 2)
    monkeypatch.setattr("hive.store.retention.BATCH_ROWS", 2)
    over = {"state": QuestionState.CANCELLED, "ended_at": NOW}
    await save(store, question(1), *(question(number, **over) for number in range(2, 8)))
    await save(store, *(question(number, asker="carol", **over) for number in (8, 9)))
    assert await apply_retention(store, KEEP, NOW) == 4
    assert [each.id for each in await store.read(newest(99))] == [1, 6, 7, 8, 9]
    assert await apply_retention(store, KEEP, NOW) == 0


async def test_a_list_of_questions_is_limited_in_number_and_in_bytes(store: Store) -> None:
    text = "?" * (LIST_BYTES // 4)
    await save(store, *[question(number, text=text) for number in range(1, 7)])
    assert [q.id for q in await store.read(oldest_open(2))] == [1, 2]
    assert [q.id for q in await store.read(newest(4))] == [3, 4, 5, 6]
    for query in (oldest_open(6), newest(6)):
        with pytest.raises(TooLargeError, match="ask for at most 4"):
            await store.read(query)


async def test_a_failed_write_rolls_back_its_questions(store: Store) -> None:
    def fail(connection: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(Changes(questions=[row_of(question(1))], others=[fail]))
    assert await store.read(open_questions) == []


async def test_reminders_are_those_that_are_not_due_yet(store: Store) -> None:
    def left(number: int, **more: Any) -> Message:
        return message(number, "x", **{"kind": MessageKind.REMINDER, "inbox": "alice", **more})

    rows = [
        left(1, not_before=NOW + 9),
        left(2, not_before=NOW + 5),
        left(3),
        left(4, not_before=NOW + 1, state=MessageState.EXPIRED),
        left(5, not_before=NOW + 1, inbox="bob"),
        left(6, not_before=NOW + 1, kind=MessageKind.MESSAGE),
    ]
    await store.write(storing(*rows))
    found = await store.read(pending_reminders("alice"))
    assert [(each.id, each.body) for each in found] == [(2, "x"), (1, "x")]


TURN = TurnRecord(
    100.0,
    105.5,
    "message",
    TurnOutcome.DONE,
    model="opus",
    messages=(7, 8),
    input_tokens=1,
    output_tokens=2,
    cache_read_tokens=3,
    cache_write_tokens=4,
    cost_usd=0.5,
    tools={"send": 2, "recv": 1},
    note="well done",
)


async def test_a_turn_comes_back_whole_and_is_identified_by_its_start(store: Store) -> None:
    earlier, later = (replace(TURN, started_at=50.0), replace(TURN, outcome=TurnOutcome.FAILED))
    for name, turn in (("alice", TURN), ("alice", later), ("alice", earlier), ("bob", TURN)):
        stored = await store.write(usage.save_turn(name, turn))
        assert reported(stored) == turn
    kept = await store.read(usage.newest_turns("alice", 9))
    assert list(map(reported, kept.values())) == [earlier, later]
    [newest] = (await store.read(usage.newest_turns("alice", 1))).values()
    assert (reported(newest), newest.frozen_seconds, newest.seconds) == (later, 0.0, 5.5)


def reported(turn: usage.StoredTurn) -> TurnRecord:
    """Return what the harness has reported of a turn."""
    return TurnRecord(**{field: getattr(turn, field) for field in TurnRecord.__struct_fields__})


@pytest.mark.parametrize(
    ("thaws", "frozen"),
    [
        ([], 0.0),
        ([(104.0, 3.0)], 3.0),
        ([(102.0, 1.0), (105.0, 1.5)], 2.5),
        ([(102.0, 50.0)], 2.0),
        ([(200.0, 96.0)], 1.5),
        ([(99.0, 50.0), (300.0, 1.0)], 0.0),
        ([(500.0, 500.0)], 5.5),
    ],
    ids=["never", "within", "twice", "before", "after", "at other times", "all the time"],
)
async def test_the_time_for_which_an_agent_was_frozen_is_not_that_of_its_turn(
    store: Store, thaws: list[tuple[float, float]], frozen: float
) -> None:
    for at, seconds in thaws:
        await store.write(events.append(at, "thawed", "alice", {"seconds": seconds}))
        await store.write(events.append(at, "thawed", "bob", {"seconds": 1.0}))
        await store.write(events.append(at, "pressure_ended", "alice", {"seconds": 1.0}))
    stored = await store.write(usage.save_turn("alice", TURN))
    assert stored.frozen_seconds == pytest.approx(frozen)
    assert stored.seconds == pytest.approx(5.5 - frozen)
    assert list((await store.read(usage.newest_turns("alice", 9))).values()) == [stored]


async def test_only_the_newest_limits_of_a_reporter_are_kept(store: Store) -> None:
    for number in range(5):
        limit = usage.Limit(f"acme-{number}", NOW + 99, NOW + number, "used up", "mallory")
        await store.write(usage.save_limit(limit, ended=NOW, most=3))
    other = usage.Limit("other", NOW + 99, NOW, "used up", "alice")
    await store.write(usage.save_limit(other, ended=NOW, most=3))
    found = [each.account for each in await store.read(usage.all_limits)]
    assert found == ["acme-2", "acme-3", "acme-4", "other"]


async def test_a_limit_comes_back_until_it_is_deleted(store: Store) -> None:
    acme, other = (Limit(name, NOW, NOW - 5, "used up", "alice") for name in ("acme", "other"))
    for limit in (other, acme, evolve(acme, until=NOW + 5)):
        await store.write(usage.save_limit(limit, ended=NOW, most=16))
    assert await store.read(usage.all_limits) == [evolve(acme, until=NOW + 5), other]
    await store.write(usage.save_limit(evolve(acme, until=NOW + 9), ended=NOW + 1, most=16))
    assert await store.read(usage.all_limits) == [evolve(acme, until=NOW + 9)]
    await store.write(usage.delete_limit("acme"))
    assert await store.read(usage.all_limits) == []


async def test_retention_deletes_old_turns_and_ended_questions_but_not_open_ones(
    store: Store,
) -> None:
    ended = {"state": QuestionState.EXPIRED}
    await save(
        store,
        question(1),
        question(2, ended_at=NOW - 31 * DAY, **ended),
        question(3, ended_at=NOW - 29 * DAY, **ended),
    )
    for started in (NOW - 91 * DAY, NOW - 89 * DAY):
        turn = replace(TURN, started_at=started, ended_at=started + 1)
        await store.write(usage.save_turn("alice", turn))
    assert await apply_retention(store, KEEP, NOW) == 2
    assert [q.id for q in await store.read(newest(9))] == [1, 3]
    [left] = (await store.read(usage.newest_turns("alice", 9))).values()
    assert left.started_at == NOW - 89 * DAY


async def test_many_questions_are_deleted_in_batches(store: Store) -> None:
    old = [
        question(number, state=QuestionState.EXPIRED, ended_at=1.0)
        for number in range(1, 2 * BATCH_ROWS + 2)
    ]
    await save(store, *old)
    assert await apply_retention(store, KEEP, NOW) == 2 * BATCH_ROWS + 1
