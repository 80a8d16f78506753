"""Participants and events: round trips."""

import sqlite3
from pathlib import Path

import pytest
from attrs import evolve
from msgspec.structs import replace

from hive.store import (
    Desired,
    Kind,
    MessageState,
    ParticipantOrigin,
    ParticipantRecord,
    Store,
    StoreClosedError,
)
from hive.store.messages import highest_id, undelivered
from tests.store.rows import message, storing

ALICE = ParticipantRecord("alice", Kind.AGENT, created_at=1.5, manifest='{"driver":"command"}')
DAMOCLES = ParticipantRecord(
    name="damocles",
    kind=Kind.PEER,
    desired=Desired.STOPPED,
    paused=True,
    origin=ParticipantOrigin.COMMAND,
    broadcast=True,
    description="the day job",
    created_at=2.0,
    last_seen=3.0,
    last_reason="exited with status 0",
    status_text="reading",
    status_set_at=4.0,
    restarts=2,
)


async def test_participants_come_back_whole_and_sorted(store: Store, path: Path) -> None:
    await store.upsert_participant(DAMOCLES)
    await store.upsert_participant(ALICE)
    assert await store.participants() == (ALICE, DAMOCLES)
    await store.close()
    async with Store(path) as again:
        assert await again.participants() == (ALICE, DAMOCLES)


async def test_an_upsert_replaces_the_whole_record(store: Store) -> None:
    await store.upsert_participant(DAMOCLES)
    changed = evolve(DAMOCLES, kind=Kind.AGENT, description=None)
    await store.upsert_participant(changed)
    assert await store.participants() == (changed,)


async def test_the_mail_of_a_deleted_participant_stays_unless_purged(store: Store) -> None:
    await store.upsert_participant(ALICE)
    dead = {"state": MessageState.DEAD, "ended_at": 1.0}
    await store.write(storing(message(inbox="alice", **dead), message(inbox="bob", **dead)))
    await store.delete_participant("alice")
    assert await store.participants() == ()
    assert await store.read(_count_messages) == 2
    await store.delete_participant("alice", purge=True)
    assert await store.read(_count_messages) == 1


async def test_a_purge_keeps_messages_that_have_not_ended(store: Store) -> None:
    await store.write(storing(message(inbox="alice")))
    await store.delete_participant("alice", purge=True)
    assert await store.read(_count_messages) == 1


async def test_no_id_is_used_twice_after_a_purge(store: Store, path: Path) -> None:
    await store.upsert_participant(ALICE)
    ended = message(inbox="alice", state=MessageState.ACKED, ended_at=1.0)
    await store.write(storing(message(inbox="bob"), replace(ended), replace(ended)))
    await store.delete_participant("alice", purge=True)
    assert await store.read(highest_id) == 3
    await store.close()
    async with Store(path) as again:
        assert (await again.read(undelivered(0.0))).last_id == 3


def _count_messages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


async def test_events_are_numbered_and_read_newest_last(store: Store) -> None:
    numbers = [await store.append_event("tick", "alice", {"n": n}) for n in range(5)]
    assert numbers == [1, 2, 3, 4, 5]
    newest = await store.events(max=2)
    assert [event.seq for event in newest] == [4, 5]
    assert (newest[1].event, newest[1].name, newest[1].detail) == ("tick", "alice", {"n": 4})
    assert [event.seq for event in await store.events(after=3)] == [4, 5]
    assert await store.events(after=5) == ()


async def test_an_event_that_is_no_json_is_refused_at_once(store: Store) -> None:
    with pytest.raises(TypeError):
        store.append_event("odd", detail={"when": object()})
    assert await store.events() == ()


async def test_a_closed_store_refuses(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StoreClosedError, match="not open"):
        store.append_event("early")
    await store.open()
    assert "open" in repr(store)
    await store.close()
    await store.close()
    with pytest.raises(StoreClosedError):
        await store.events()


async def test_the_newest_event_of_each_participant_is_found(store: Store) -> None:
    for event, name in [
        ("ended", "alice"), ("started", "alice"), ("stopped", "bob"), ("ended", "bob"),
        ("trouble", "carol"), ("ended", None),
    ]:  # fmt: skip
        await store.append_event(event, name, {"of": name})
    found = await store.newest_by_name(("ended", "stopped"))
    assert [(each.seq, each.event, each.name) for each in found] == [
        (1, "ended", "alice"),
        (4, "ended", "bob"),
    ]
    assert found[0].detail == {"of": "alice"}
