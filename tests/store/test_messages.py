"""The mail table: round trips of messages in every state, and the query plans."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive.store import (
    Kind,
    Message,
    MessageKind,
    MessageState,
    Origin,
    Receipt,
    Step,
    dead_letters,
    receipts,
)
from hive.store.bulk import MAX_ROWS
from hive.store.checks import examine
from hive.store.database import prepare
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.listing import deliverable, newest
from hive.store.messages import (
    Changes,
    by_id,
    highest_id,
    insert_values,
    lease_values,
    one,
    pending_reminders,
    undelivered,
    update_values,
)
from hive.store.records import lease_name, numbered
from hive.store.retention import delete_messages, find_messages
from hive.store.search import SearchCriteria, index_batch, matching
from hive.store.transaction import Query
from tests.store.rows import inbox_number, message, put, session_number


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def seen(connection: sqlite3.Connection, columns: str) -> list[tuple[Any, ...]]:
    """Read columns of the view, in the order of ids."""
    return connection.execute(f"SELECT {columns} FROM messages ORDER BY id").fetchall()


# Round trips


WHOLE = message(
    7,
    "wörds",
    sender_kind=Kind.PEER,
    kind=MessageKind.ANSWER,
    sent_at=10.0,
    state=MessageState.DEAD,
    in_reply_to=6,
    label="label",
    thread=5,
    priority=-1,
    not_before=11.0,
    expires_at=12.0,
    dedupe_key="key",
    supersede_key="other",
    hops=3,
    attempts=4,
    deliveries=5,
    lease=numbered(2, 8),
    session=numbered(2, 9),
    leased_at=13.0,
    in_turn_at=14.0,
    ended_at=15.0,
    reason="why",
    holder="bob",
    origin=Origin("/run/x.sock", 1, 2, 3),
)


def test_a_message_comes_back_whole(connection: sqlite3.Connection) -> None:
    put(connection, WHOLE)
    found = one(7)(connection)
    assert found is not None
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(WHOLE)
    [bodiless] = by_id([7, 8])(connection).values()
    assert bodiless.body is None
    assert one(8)(connection) is None


@pytest.mark.parametrize("state", MessageState)
@pytest.mark.parametrize("kind", MessageKind)
def test_the_view_has_words_for_every_state_and_kind(
    connection: sqlite3.Connection, state: MessageState, kind: MessageKind
) -> None:
    put(connection, message(state=state, kind=kind))
    assert seen(connection, "state, kind") == [(state.value, kind.value)]


def test_a_reminder_has_the_sender_reminder_and_other_messages_that_of_their_session(
    connection: sqlite3.Connection,
) -> None:
    put(connection, *[message(kind=kind, sender="alice") for kind in MessageKind])
    put(connection, message(sender="system", sender_kind=Kind.SYSTEM))
    columns = "kind, sender, sender_kind"
    found = {kind: (sender, sort) for kind, sender, sort in seen(connection, columns)[:-1]}
    assert found.pop("reminder") == ("reminder", "system")
    assert set(found.values()) == {("alice", "agent")}
    assert seen(connection, columns)[-1] == ("message", "system", "system")


def test_a_message_has_a_holder_while_the_row_of_its_session_exists(
    connection: sqlite3.Connection,
) -> None:
    session = numbered(3, 4)
    put(connection, message(), message(session=session, holder="carol"))
    assert seen(connection, "session, holder") == [(0, None), (session, "carol")]
    connection.execute("DELETE FROM sessions WHERE id = ?", (session,))
    assert seen(connection, "session, holder") == [(0, None), (session, None)]


def test_the_system_has_a_session_in_every_store(connection: sqlite3.Connection) -> None:
    assert connection.execute("SELECT id, name, kind FROM sessions").fetchall() == [
        (1, "system", "system")
    ]


def test_a_receipt_names_its_session(connection: sqlite3.Connection) -> None:
    session = numbered(3, 4)
    steps = [
        Receipt(1, 5.0, Step.PARKED, reason="loop"),
        Receipt(1, 6.0, Step.RETURNED, 1, session, "gone"),
    ]
    row = (session, "bob", "agent", None, None, None, None)
    Changes(sessions=[row], receipts=steps)(connection)
    parked, returned = receipts.of(1)(connection)
    assert (parked.session_name, returned.session_name) == (None, "bob/3-4")
    assert (returned.at, returned.step, returned.attempt) == (6.0, Step.RETURNED, 1)
    assert lease_name(session) == "3-4"


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_a_message_keeps_its_first_and_newest_receipts_and_the_number_of_the_others(
    connection: sqlite3.Connection, every: int
) -> None:
    for number in range(1, 301):
        step = Receipt(1, float(number), Step.NACKED, number, reason=f"r{number}")
        crowded = [1] if number % every == 0 else []
        Changes(receipts=[step], crowded=crowded)(connection)
    found = receipts.of(1)(connection)
    first, last = receipts.FIRST_KEPT, receipts.LAST_KEPT
    omitted = found[first]
    assert (omitted.step, omitted.at) == (Step.OMITTED, first + 1.0)
    assert omitted.reason == f"{300 - first - last} steps left out"
    kept = [*found[:first], *found[first + 1 :]]
    assert [each.attempt for each in kept] == [*range(1, first + 1), *range(301 - last, 301)]
    stored = connection.execute("SELECT count(*) FROM receipts").fetchone()[0]
    assert stored <= first + 1 + last + every or every == 1000


def test_a_message_with_few_receipts_keeps_them_all(connection: sqlite3.Connection) -> None:
    count = receipts.FIRST_KEPT + receipts.LAST_KEPT
    steps = [Receipt(1, float(number), Step.NACKED, number) for number in range(1, count + 1)]
    others = [Receipt(2, 1.0, Step.NACKED, 7)]
    Changes(receipts=[*steps, *others], crowded=[1, 2, 3])(connection)
    assert [each.attempt for each in receipts.of(1)(connection)] == [*range(1, count + 1)]
    assert [each.attempt for each in receipts.of(2)(connection)] == [7]
    assert receipts.of(3)(connection) == []


def test_repeated_writes_of_a_session_and_an_inbox_leave_one_row(
    connection: sqlite3.Connection,
) -> None:
    session = numbered(1, 1)
    row = (session, "alice", "agent", "/run/a.sock", 5, 6, 7)
    for _ in range(2):
        Changes(sessions=[row, row], inboxes=[(1, "bob"), (1, "bob")])(connection)
    found = connection.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchall()
    assert found == [row]
    assert connection.execute("SELECT * FROM inboxes").fetchall() == [(1, "bob")]
    assert undelivered(0.0)(connection).inboxes == {"bob": 1}


# One write of the broker


SIZES = tuple(MAX_ROWS >> half for half in range(MAX_ROWS.bit_length()))
COUNTS = (0, 1, 2, 7, SIZES[0] + 1, 2 * SIZES[0] + SIZES[1] + 3)


def usual(number: int, inbox: int, sender: int) -> tuple[Any, ...]:
    return (number, inbox, sender, 5, 10.0, 0, 0, 0, 0, 0, None, "hello")


def stored(connection: sqlite3.Connection, count: int) -> list[Message]:
    """Store messages of the usual kind; return them as they are on disk."""
    inbox = inbox_number(connection, "bob")
    sender = session_number(connection, "alice", "agent", WHOLE.origin)
    changes = Changes()
    for number in range(1, count + 1):
        changes.inserted += usual(number, inbox, sender)
    changes(connection)
    return list(undelivered(0.0)(connection).rows)


@pytest.mark.parametrize("count", COUNTS)
def test_usual_messages_are_each_stored_once(connection: sqlite3.Connection, count: int) -> None:
    stored(connection, count)
    found = seen(connection, "id, inbox, sender, kind, size, sent_at, state, body, priority")
    row = ("bob", "alice", "message", 5, 10.0, "stored", "hello", 0)
    assert found == [(number, *row) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", COUNTS)
def test_leases_updates_and_acks_change_their_rows_and_no_others(
    connection: sqlite3.Connection, count: int
) -> None:
    messages = stored(connection, 4 * count)
    leased, moved, acked = (messages[start::4] for start in range(3))
    changes = Changes()
    for each in leased + acked:
        each.state, each.attempts, each.deliveries = MessageState.LEASED, 1, 2
        each.lease, each.session, each.leased_at = numbered(1, 5), numbered(1, 6), 20.0
        changes.leased += lease_values(each)
    for each in moved:
        each.state, each.not_before, each.hops = MessageState.PARKED, 30.0, 4
        each.reason, each.in_turn_at = "loop", 25.0
        changes.updated += update_values(each)
    for each in acked:
        each.state, each.ended_at = MessageState.ACKED, 40.0
        changes.acked += (each.id, 40.0)
    changes(connection)
    found = by_id(range(1, 4 * count + 1))(connection)
    expected = [msgspec.structs.asdict(each) for each in messages]
    assert [msgspec.structs.asdict(found[each.id]) for each in messages] == expected


def test_a_lease_clears_the_state_of_an_earlier_delivery(connection: sqlite3.Connection) -> None:
    put(connection, message(not_before=1.0, in_turn_at=2.0, ended_at=3.0, reason="gone"))
    [again] = by_id([1])(connection).values()
    Changes(leased=list(lease_values(again)))(connection)
    columns = "state, not_before, in_turn_at, ended_at, reason"
    assert seen(connection, columns) == [("leased", None, None, None, None)]


def test_a_row_inserted_and_updated_in_one_write_has_the_last_state(
    connection: sqlite3.Connection,
) -> None:
    new = message(1)
    changes = Changes(inboxes=[(1, "bob")], inserted_full=list(insert_values(new, 1, 1)))
    new.state, new.reason = MessageState.PARKED, "loop"
    changes.updated += update_values(new)
    changes(connection)
    assert seen(connection, "id, state, reason") == [(1, "parked", "loop")]


def test_bodies_and_reads_see_the_rows_written_before_them(connection: sqlite3.Connection) -> None:
    changes = Changes(
        inboxes=[(1, "bob")],
        inserted_full=[
            *insert_values(message(1, "one"), 1, 1),
            *insert_values(message(2, "two"), 1, 1),
        ],
        bodies=[2, 1],
        others=[highest_id, lambda connection: seen(connection, "id")],
    )
    written = changes(connection)
    assert written.bodies == {1: "one", 2: "two"}
    assert written.values == [2, [(1,), (2,)]]
    many = Changes(bodies=list(range(1, 2000)))(connection)
    assert many.bodies == {1: "one", 2: "two"}


def test_a_used_id_rolls_back_the_whole_write(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        put(connection, message(1, "first"))
        connection.commit()
        with pytest.raises(sqlite3.IntegrityError):
            put(connection, message(2), message(1, "second"))
        connection.rollback()
        assert seen(connection, "id, body") == [(1, "first")]


# Deleted messages


def test_the_highest_deleted_id_is_marked_in_any_order_of_deletions(
    connection: sqlite3.Connection,
) -> None:
    put(connection, *[message() for _ in range(5)])
    for gone, marked in ((2, 2), (5, 5), (3, 5), (4, 5)):
        connection.execute("DELETE FROM mail WHERE id = ?", (gone,))
        query = "SELECT number FROM marks WHERE name = 'highest_deleted'"
        assert connection.execute(query).fetchall() == [(marked,)]
        assert highest_id(connection) == 5
    put(connection, message(8))
    assert highest_id(connection) == 8
    connection.execute("DELETE FROM mail")
    assert highest_id(connection) == 8


LATE_CHANGES: dict[str, Callable[[Message], Changes]] = {
    "lease": lambda gone: Changes(leased=list(lease_values(gone))),
    "ack": lambda gone: Changes(acked=[gone.id, 20.0]),
    **{
        f"move to {state}": lambda gone, state=state: Changes(  # type: ignore[misc]
            updated=list(update_values(msgspec.structs.replace(gone, state=state, ended_at=20.0)))
        )
        for state in MessageState
    },
}


@pytest.mark.parametrize("change", LATE_CHANGES.values(), ids=LATE_CHANGES)
def test_a_change_of_a_deleted_message_is_invisible_and_removed_by_retention(
    connection: sqlite3.Connection, path: Path, change: Callable[[Message], Changes]
) -> None:
    """It leaves a row without an inbox, which no reader delivers, shows or counts."""
    put(connection, message(1, "fox"), message(2, "cat"))
    index_batch(connection)
    [gone, _] = undelivered(0.0)(connection).rows
    connection.execute("DELETE FROM mail")
    change(gone)(connection)

    found = undelivered(0.0)(connection)
    assert (found.rows, found.last_id, found.used_keys, found.lineage) == ([], 2, [], {})
    assert one(1)(connection) is None
    assert by_id([1])(connection) == {}
    assert newest("bob", 9)(connection) == ()
    assert dead_letters.newest(DeadLetterCriteria(), 9)(connection) == ()
    assert dead_letters.replay(DeadLetterCriteria(ids=(1,)), 30.0)(connection) == []
    assert matching(SearchCriteria("fox"), 9)(connection) == ()
    assert matching(SearchCriteria(inbox="bob"), 9)(connection) == ()
    findings = {each.check: each.sentence for each in examine(path, 0.0)}
    assert (findings["messages"], findings["oldest"]) == ("none", "nothing is unread")

    assert find_messages(0, 0.0)(connection).ids == [1]
    assert delete_messages([1], 0.0)(connection) == 1
    assert connection.execute("SELECT id FROM mail").fetchall() == []
    connection.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")


# Plans


def run_traced(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]
) -> list[str]:
    """Return the statements that `work` runs, with their values in them."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    work(connection)
    connection.set_trace_callback(None)
    return [each for each in statements if not each.startswith("--")]


def plans_of(connection: sqlite3.Connection, query: Query[Any]) -> list[str]:
    """Return the steps of the plans of all statements of a query."""
    return [
        step[3]
        for statement in run_traced(connection, query)
        for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


@pytest.mark.parametrize("size", SIZES)
def test_no_write_of_mail_builds_an_ephemeral_table(
    connection: sqlite3.Connection, size: int
) -> None:
    changes = Changes(sessions=[(9, "x", "agent", None, None, None, None)], inboxes=[(1, "bob")])
    for number in range(1, size + 1):
        new, other = message(number), message(size + number)
        changes.inserted += usual(number, 1, 1)
        changes.inserted_full += insert_values(other, 1, 1)
        changes.leased += lease_values(new)
        changes.updated += update_values(other)
        changes.acked += (number, 1.0)
    statements = run_traced(connection, changes)
    assert len(statements) == 2 + 5
    for statement in statements:
        steps = {step[1] for step in connection.execute(f"EXPLAIN {statement}")}
        assert not steps & {"OpenEphemeral", "OpenAutoindex", "SorterOpen"}, statement


PLANS: dict[str, tuple[Query[Any], set[str]]] = {
    "undelivered": (undelivered(5.0), {"undelivered", "dedupe"}),
    "dead letters": (dead_letters.newest(DeadLetterCriteria(), 9), {"dead_letters"}),
    "of a sender": (dead_letters.newest(DeadLetterCriteria(sender="alice"), 9), {"dead_letters"}),
    "replay": (dead_letters.replay(DeadLetterCriteria(before=5.0), 9.0), {"dead_letters"}),
    "discard": (dead_letters.discard(DeadLetterCriteria(inbox="bob"), 9.0, "x"), {"dead_letters"}),
    "reminders": (pending_reminders("bob"), {"reminders"}),
    "one": (one(1), set()),
    "by id": (by_id([1, 2]), set()),
    "unread": (newest("bob", 9, unread=True), {"undelivered"}),
    "deliverable": (deliverable("bob", 9, 5.0), {"undelivered"}),
}


@pytest.mark.parametrize(("query", "indexes"), PLANS.values(), ids=PLANS)
def test_reads_of_mail_use_the_partial_indexes_and_never_all_rows(
    connection: sqlite3.Connection, query: Query[Any], indexes: set[str]
) -> None:
    steps = plans_of(connection, query)
    found = (re.search(r"mail USING (?:COVERING )?INDEX (\w+)", step) for step in steps)
    assert {each[1] for each in found if each} == indexes, steps
    for table in ("mail", "sender", "holder", "sessions"):
        assert f"SCAN {table}" not in steps, steps
