"""The cap on turns: so many agents hold messages at once, and the longest wait goes first."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hive.broker.inbox_renaming import RenameRules
from hive.broker.questions import QuestionRules
from hive.broker.values import RenameInbox
from hive.config import Limits
from hive.store import Kind
from hive.wire.enums import NackMode
from tests.broker.rig import Receiver, Rig, RigSession

LEASE = 100.0


def capped(turns: int | None = 1) -> Rig:
    return Rig(Limits(lease_seconds=LEASE, turns=turns))


def give(rig: Rig) -> None:
    """Do what the service does after each decision."""
    rig.rules.give_turns(rig.now)
    rig.collect()


def waiting(rig: Rig) -> list[str]:
    return list(rig.rules.turns.counts.waiting)


def test_a_turn_begins_only_when_another_has_ended() -> None:
    rig = capped()
    bob, carol = rig.session("bob"), rig.session("carol")
    [mine] = rig.send_many(1)
    rig.send("carol")
    assert rig.take(bob) == [mine]
    parked = rig.recv(carol, wait=60)
    assert rig.ids(parked) is None
    assert rig.rules.turns.counts.running == 1
    assert waiting(rig) == ["carol"]
    rig.ack(bob, mine)
    give(rig)
    assert len(rig.ids(parked) or ()) == 1
    assert waiting(rig) == []


def test_a_new_message_finds_no_free_turn_either() -> None:
    rig = capped()
    bob, carol = rig.session("bob"), rig.session("carol")
    parked = rig.recv(carol, wait=60)
    rig.send("bob")
    rig.take(bob)
    rig.send("carol")
    assert rig.ids(parked) is None
    rig.ack_turn(bob)
    give(rig)
    assert len(rig.ids(parked) or ()) == 1


def test_more_mail_joins_a_turn_that_runs_in_any_session_of_its_agent() -> None:
    rig = capped()
    first, second = rig.session("bob"), rig.session("bob")
    ids = rig.send_many(2)
    assert rig.take(first) == ids[:1]
    assert rig.take(second) == ids[1:]
    rig.send("carol")
    carol = rig.session("carol")
    assert rig.take(carol) == []
    rig.ack(first, ids[0])
    assert rig.take(carol) == [], "its other session still works"
    rig.ack(second, ids[1])
    assert len(rig.take(carol)) == 1


def test_the_longest_wait_goes_first_also_before_who_asks_with_its_ack() -> None:
    rig = capped()
    bob, carol, alice = (rig.session(name) for name in ("bob", "carol", "alice"))
    for name in ("bob", "bob", "carol", "alice"):
        rig.send(name, sender="hm1nd", sender_kind=Kind.MANAGER)
    [mine] = rig.take(bob)
    second, third = rig.recv(carol, wait=60), rig.recv(alice, wait=60)
    rig.ack(bob, mine)
    again = rig.recv(bob, wait=60)
    assert rig.ids(second) is not None
    assert (rig.ids(third), rig.ids(again)) == (None, None)
    assert waiting(rig) == ["alice", "bob"]
    rig.ack_turn(carol)
    give(rig)
    assert rig.ids(third) is not None
    assert rig.ids(again) is None


def test_who_looks_and_does_not_wait_keeps_its_place() -> None:
    rig = capped()
    bob, carol, alice = (rig.session(name) for name in ("bob", "carol", "alice"))
    for name in ("bob", "carol", "alice"):
        rig.send(name, sender="hm1nd", sender_kind=Kind.MANAGER)
    rig.take(bob)
    assert rig.take(carol) == rig.take(alice) == []
    rig.ack_turn(bob)
    give(rig)
    assert waiting(rig) == ["carol", "alice"]
    assert len(rig.take(carol)) == 1


def test_the_manager_and_peers_neither_wait_nor_count() -> None:
    rig = capped()
    for name, kind in (("damocles", Kind.PEER), ("hm1nd", Kind.MANAGER), ("bob", Kind.AGENT)):
        rig.send(name)
        assert len(rig.take(rig.session(name, kind))) == 1
    assert rig.rules.turns.counts.running == 1
    rig.send("hm1nd")
    assert len(rig.take(rig.session("hm1nd", Kind.MANAGER))) == 1


def test_every_end_of_a_turn_frees_its_place() -> None:
    for how in ("nack", "close", "expire", "requeue", "purge"):
        rig = capped()
        bob, carol = rig.session("bob"), rig.session("carol")
        rig.send("bob")
        rig.send("carol")
        [mine] = rig.take(bob)
        parked = rig.recv(carol, wait=1000)
        match how:
            case "nack":
                rig.nack(bob, mine, NackMode.REJECT)
            case "close":
                rig.close(bob)
            case "expire":
                rig.advance(LEASE + 1)
            case "requeue":
                rig.requeue_inflight(bob)
            case "purge":
                rig.remove_inbox("bob", purge=True)
        give(rig)
        assert rig.ids(parked) is not None, how


def test_a_queue_gives_to_others_while_one_waits_for_a_turn() -> None:
    rig = capped()
    rig.send("queue:jobs", sender="operator", sender_kind=Kind.OPERATOR)
    bob, carol = rig.session("bob"), rig.session("carol")
    rig.send("bob")
    rig.take(bob)
    assert rig.ids(rig.recv(carol, queue="jobs", wait=60)) is None
    peer = rig.session("damocles", Kind.PEER)
    assert len(rig.ids(rig.recv(peer, queue="jobs", wait=60)) or ()) == 1
    rig.ack_turn(bob)
    give(rig)
    assert waiting(rig) == [], "what it waited for is gone"


def test_a_changed_limit_holds_at_once_and_counts_the_turns_that_run() -> None:
    rig = capped(None)
    bob, carol = rig.session("bob"), rig.session("carol")
    rig.send("bob")
    rig.take(bob)
    rig.rules.set_limits(evolve(rig.limits, turns=1))
    rig.send("carol")
    parked = rig.recv(carol, wait=60)
    assert rig.ids(parked) is None
    rig.rules.set_limits(evolve(rig.limits, turns=None))
    give(rig)
    assert rig.ids(parked) is not None


def test_a_frozen_or_paused_agent_takes_no_turn_from_others() -> None:
    rig = capped()
    bob, carol, alice = (rig.session(name) for name in ("bob", "carol", "alice"))
    for name in ("bob", "carol", "alice"):
        rig.send(name, sender="hm1nd", sender_kind=Kind.MANAGER)
    rig.take(bob)
    parked = [rig.recv(each, wait=60) for each in (carol, alice)]
    rig.rules.set_frozen("carol", True, rig.now)
    rig.ack_turn(bob)
    give(rig)
    assert rig.ids(parked[0]) is None
    assert rig.ids(parked[1]) is not None
    rig.ack_turn(alice)
    rig.rules.set_frozen("carol", False, rig.now)
    give(rig)
    assert rig.ids(parked[0]) is not None


NAMES = ("alice", "bob", "carol")
MOVES = st.tuples(
    st.sampled_from(
        ["send", "queue", "recv", "recv queue", "look", "ack", "fail", "close", "pause"]
    ),
    st.sampled_from(NAMES),
)


@given(limit=st.integers(1, 2), moves=st.lists(MOVES, max_size=40))
def test_the_cap_holds_and_nobody_waits_while_a_turn_is_free(
    limit: int, moves: list[tuple[str, str]]
) -> None:
    rig = capped(limit)
    rig.send("queue:jobs", sender="operator", sender_kind=Kind.OPERATOR)
    sessions = {name: rig.session(name) for name in NAMES}
    parked: list[tuple[str, Receiver]] = []
    paused: set[str] = set()
    for move, name in moves:
        make(rig, sessions, parked, paused, move, name)
        give(rig)
        parked = [(who, each) for who, each in parked if rig.got(each) is None]
        check(rig, sessions, parked, paused, limit)


def make(
    rig: Rig,
    sessions: dict[str, RigSession],
    parked: list[tuple[str, Receiver]],
    paused: set[str],
    move: str,
    name: str,
) -> None:
    session = sessions[name]
    match move:
        case "send":
            rig.send(name, sender="hm1nd", sender_kind=Kind.MANAGER)
        case "queue":
            rig.send("queue:jobs", sender="operator", sender_kind=Kind.OPERATOR)
        case "recv" | "recv queue":
            queue = "jobs" if move == "recv queue" else None
            if len(session.parked or ()) < 60:
                parked.append((name, rig.recv(session, wait=10_000, queue=queue)))
        case "look":
            rig.recv(session)
        case "ack":
            rig.ack_turn(session)
        case "fail":
            for number in list(session.held):
                rig.nack(session, number, NackMode.DEFER)
        case "close":
            rig.close(session)
            sessions[name] = rig.session(name)
        case "pause":
            (paused.discard if name in paused else paused.add)(name)
            rig.rules.pause_inbox(name, name in paused, rig.now)
            rig.collect()


def check(
    rig: Rig,
    sessions: dict[str, RigSession],
    parked: list[tuple[str, Receiver]],
    paused: set[str],
    limit: int,
) -> None:
    working = {name for name, session in sessions.items() if session.held}
    assert len(working) <= limit
    inboxes = rig.rules.table.inboxes
    for name, _ in parked:
        places = {each.inbox.name for each in sessions[name].parked or ()}
        has_mail = any(inboxes[place].next_rank() is not None for place in places)
        free = name in working or len(working) < limit
        if has_mail and name not in paused and free:
            assert all(
                inboxes[place].paused for place in places if inboxes[place].next_rank() is not None
            )


@pytest.mark.parametrize("is_renamed", [True, False])
def test_an_agent_that_is_renamed_or_removed_waits_no_more(is_renamed: bool) -> None:
    rig = capped()
    bob, carol = rig.session("bob"), rig.session("carol")
    [mine] = rig.send_many(1)
    rig.send("carol")
    rig.take(bob)
    rig.recv(carol, wait=60)
    rig.close(carol)
    give(rig)
    assert waiting(rig) == ["carol"]
    if is_renamed:
        renames = RenameRules(rig.rules, QuestionRules(rig.rules))
        renames.rename(rig.rules.system, RenameInbox("carol", "dora", dict), Receiver(), rig.now)
        assert not rig.rules.table.inboxes["dora"].waits
        rig.rules.table.take_effects()
    else:
        rig.remove_inbox("carol", purge=True)
    assert waiting(rig) == []
    rig.ack(bob, mine)
    give(rig)
    assert "carol" not in rig.rules.table.inboxes
