"""What a sender may say of a message: keys, times, priority, threads, groups, queues."""

import json
from pathlib import Path

import pytest

from hive.config import Limits
from hive.errors import (
    ConflictError,
    RateLimitedError,
    StaleLeaseError,
    TooLargeError,
    UnknownNameError,
)
from hive.store import NO_ORIGIN, Kind, MessageState, Store
from hive.wire.words import NackMode, Priority
from tests.broker.desk import WALL, Desk
from tests.broker.post import Draft, Router, local_router


def operator(to: str, body: str = "job", *, dedupe_key: str | None = None) -> Draft:
    return Draft("operator", Kind.OPERATOR, to, body, dedupe_key=dedupe_key)


def test_the_higher_priority_goes_first_and_within_one_the_older() -> None:
    desk = Desk()
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL, Priority.HIGH):
        desk.send(priority=priority)
    assert desk.take(desk.session(), 8) == [3, 5, 2, 4, 1]


def test_what_is_not_due_is_not_delivered() -> None:
    desk = Desk()
    later = desk.send(delay=10).id
    at = desk.send(not_before=WALL + 5).id
    session = desk.session()
    assert desk.take(session, 8) == []
    desk.advance(5)
    assert desk.take(session, 8) == [at]
    desk.advance(5)
    assert desk.take(session, 8) == [later]


def test_what_was_not_delivered_in_time_is_given_up_and_its_sender_told() -> None:
    desk = Desk()
    number = desk.send(ttl=10).ids[0]
    message = desk.messages[number]
    desk.advance(10)
    assert message.state is MessageState.EXPIRED
    assert desk.take(desk.session()) == []
    [notice] = desk.got(desk.recv(desk.session("alice"))) or []
    assert notice.sender == "system"
    told = json.loads(notice.body or "")
    assert (told["event"], told["id"], told["to"]) == ("expired", number, "bob")


def test_what_is_worked_on_does_not_expire_until_it_goes_back() -> None:
    desk = Desk()
    number = desk.send(ttl=10).ids[0]
    message = desk.messages[number]
    session = desk.session()
    desk.take(session)
    desk.advance(50)
    assert message.state is MessageState.LEASED
    desk.close(session)
    assert desk.take(desk.session()) == []
    assert message.state is MessageState.EXPIRED


def test_a_repeat_of_a_key_is_the_first_message_within_the_window() -> None:
    desk = Desk(Limits(dedupe_window=100))
    first = desk.send(dedupe_key="k")
    again = desk.send(body="other", dedupe_key="k")
    assert (again.ids, again.duplicate) == (first.ids, True)
    assert not desk.send(sender="carol", dedupe_key="k").duplicate
    assert not desk.send(dedupe_key="l").duplicate
    desk.advance(100)
    assert not desk.send(dedupe_key="k").duplicate


async def test_a_key_is_remembered_over_a_restart(store: Store) -> None:
    draft = Draft("alice", Kind.AGENT, "*", "all", dedupe_key="k")
    sent = []
    for _ in range(2):
        async with local_router(store) as router:
            for name in ("bob", "carol"):
                router.add_inbox(name, Kind.AGENT)
            sent.append(await router.send(draft))
    assert (sent[1].ids, sent[1].recipients) == (sent[0].ids, sent[0].recipients)
    assert [each.duplicate for each in sent] == [False, True]


def test_a_newer_message_takes_the_place_of_unread_ones_of_its_key() -> None:
    desk = Desk()
    old = desk.messages[desk.send(supersede_key="k").ids[0]]
    others = [desk.send(supersede_key="l").id, desk.send(sender="carol", supersede_key="k").id]
    new = desk.send(supersede_key="k").id
    assert (old.state, old.reason) == (MessageState.EXPIRED, f"superseded by message {new}")
    assert desk.take(desk.session(), 8) == [*others, new]


def test_what_is_worked_on_is_superseded_when_it_goes_back() -> None:
    desk = Desk()
    old = desk.messages[desk.send(supersede_key="k").ids[0]]
    session = desk.session()
    desk.take(session)
    new = desk.send(supersede_key="k").id
    assert old.state is MessageState.LEASED
    desk.close(session)
    assert old.state is MessageState.EXPIRED
    assert desk.take(desk.session(), 8) == [new]


def test_replies_keep_the_thread_also_when_what_they_answer_has_ended() -> None:
    desk = Desk()
    first = desk.send().ids[0]
    reply = desk.send("alice", sender="bob", in_reply_to=first).ids[0]
    session = desk.session("alice")
    desk.ack(session, *desk.take(session))
    third = desk.send(in_reply_to=reply).ids[0]
    messages = desk.messages
    assert messages[first].thread is None
    assert messages[third].thread == first
    assert messages[third].hops == 2


def test_a_sender_that_is_too_fast_is_told_when_it_may_go_on() -> None:
    desk = Desk(Limits(rate=60))
    desk.send_many(60)
    with pytest.raises(RateLimitedError, match=r"60 messages.*60 are allowed.*in 1\.0 s"):
        desk.send()
    desk.send(sender="carol")
    desk.send(sender_kind=Kind.OPERATOR, sender="operator")
    desk.advance(1)
    desk.send()
    with pytest.raises(RateLimitedError):
        desk.send()


def test_what_is_refused_does_not_count_against_the_rate() -> None:
    desk = Desk(Limits(rate=60))
    for _ in range(61):
        with pytest.raises(UnknownNameError):
            desk.send("nobody")
    for _ in range(60):
        desk.send()
    with pytest.raises(RateLimitedError):
        desk.send()


def test_a_broadcast_passes_over_who_was_not_seen_for_long_and_names_it() -> None:
    desk = Desk(Limits(unseen_after=100))
    desk.rules.add_inbox("gone", Kind.AGENT, last_seen=WALL - 101)
    desk.rules.add_inbox("never", Kind.AGENT, idle=True)
    desk.rules.add_inbox("new", Kind.AGENT)
    sent = desk.send("*")
    assert "new" in sent.recipients
    assert [skipped.name for skipped in sent.skipped] == ["gone", "never"]
    assert "last seen" in sent.skipped[0].reason
    desk.session("gone")
    assert "gone" in desk.send("*").recipients


async def test_a_group_is_all_its_members_but_the_sender(router: Router, store: Store) -> None:
    await router.change_group("ops", add=["alice", "bob"])
    assert (await router.send(Draft("alice", Kind.AGENT, "@ops", "x"))).recipients == ("bob",)
    assert (await router.send(operator("@ops"))).recipients == ("alice", "bob")
    await router.change_group("ops", remove=["alice"])
    async with local_router(store) as later:
        later.add_inbox("bob", Kind.AGENT)
        assert (await later.send(operator("@ops"))).recipients == ("bob",)
    with pytest.raises(UnknownNameError, match="no group '@opps'; did you mean 'ops'"):
        await router.send(operator("@opps"))
    with pytest.raises(UnknownNameError, match="'nobody'"):
        await router.change_group("ops", add=["nobody"])


async def test_each_message_of_a_queue_goes_to_one_participant(router: Router) -> None:
    with pytest.raises(UnknownNameError):
        await router.send(Draft("alice", Kind.AGENT, "queue:build", "x"))
    alice, bob = (router.open_session(name, NO_ORIGIN) for name in ("alice", "bob"))
    with pytest.raises(UnknownNameError, match="no queue 'build'"):
        await router.recv(alice, queue="build")
    await router.send(operator("queue:build", "one"))
    await router.send(Draft("alice", Kind.AGENT, "queue:build", "two"))
    [one] = await router.recv(alice, queue="build")
    [two] = await router.recv(bob, queue="build")
    assert (one.body, two.body) == ("one", "two")
    with pytest.raises(Exception, match="not in this inbox"):
        await router.ack(bob, [one.id], one.lease)
    await router.ack(bob, [two.id])
    waiting = router.recv(bob, queue="build", wait=30)
    router.close_session(alice)
    [again] = await waiting
    assert (again.id, again.attempt) == (one.id, 2)


async def test_a_queue_does_not_begin_with_a_message_that_is_not_stored(
    router: Router, store: Store
) -> None:
    await router.send(operator("bob", dedupe_key="k"))
    with pytest.raises(TooLargeError):
        await router.send(operator("queue:build", "x" * 70_000))
    assert (await router.send(operator("queue:build", dedupe_key="k"))).duplicate
    assert router.queues() == ()
    async with local_router(store) as later:
        assert later.queues() == ()


async def test_an_ack_of_a_message_of_a_queue_may_be_repeated(router: Router) -> None:
    alice, bob = (router.open_session(name, NO_ORIGIN) for name in ("alice", "bob"))
    await router.send(operator("queue:build", "one"))
    [one] = await router.recv(alice, queue="build")
    for _ in range(2):
        await router.ack(alice, [one.id])
    with pytest.raises(StaleLeaseError, match="not in this inbox"):
        await router.ack(bob, [one.id])


async def test_what_was_acked_cannot_be_given_back(router: Router) -> None:
    bob = router.open_session("bob", NO_ORIGIN)
    await router.send(operator("bob"))
    [one] = await router.recv(bob)
    await router.ack(bob, [one.id])
    await router.ack(bob, [one.id])
    with pytest.raises(StaleLeaseError, match="is acked at"):
        await router.nack(bob, one.id)


def with_a_queue() -> Desk:
    desk = Desk()
    desk.rules.add_queue("build")
    return desk


def test_a_queue_that_holds_mail_is_removed_by_force_only() -> None:
    desk = with_a_queue()
    desk.send("queue:build")
    with pytest.raises(ConflictError, match="holds 1 messages, 0 in work"):
        desk.rules.remove_queue("build", desk.now, force=False)
    assert desk.rules.remove_queue("build", desk.now, force=True) == 1
    desk.collect()
    assert [news.detail["reason"] for news in desk.notices] == ["its queue was removed"]
    with pytest.raises(UnknownNameError):
        desk.send("queue:build")


def test_who_works_on_mail_of_a_removed_queue_hears_of_it() -> None:
    desk = with_a_queue()
    desk.send("queue:build")
    session = desk.session()
    desk.recv(session, queue="build")
    desk.rules.remove_queue("build", desk.now, force=True)
    desk.collect()
    assert list(desk.ack_turn(session).values()) == ["its queue was removed"]


def test_who_waits_for_a_removed_queue_is_answered_with_nothing() -> None:
    desk = with_a_queue()
    ear = desk.recv(desk.session(), wait=60.0, queue="build")
    desk.rules.remove_queue("build", desk.now, force=False)
    desk.collect()
    assert desk.got(ear) == []
    assert desk.rules.delay(desk.now) is None


async def test_a_removed_queue_stays_away_and_comes_back_with_its_mail(path: Path) -> None:
    async with Store(path) as store:
        async with local_router(store) as router:
            kept = (await router.send(operator("queue:build", "one"))).ids
            await router.send(operator("queue:empty", "two"))
            for name in ("build", "empty"):
                await router.remove_queue(name, force=True)
        async with local_router(store) as router:
            assert router.queues() == ()
            assert await router.replay(ids=list(kept)) == list(kept)
        async with local_router(store) as router:
            [queue] = router.queues()
            assert (queue.name, queue.counts.stored, queue.receivers) == ("build", 1, 0)
            session = router.open_session("bob", NO_ORIGIN)
            assert [got.id for got in await router.recv(session, queue="build")] == list(kept)


def test_a_newer_message_replaces_all_that_are_unread_also_those_that_came_back() -> None:
    desk = Desk()
    session = desk.session()
    first = desk.send(supersede_key="k").id
    desk.take(session)
    second = desk.send(supersede_key="k").id
    assert first is not None
    desk.nack(session, first, NackMode.DEFER)
    assert desk.take(session, 8) == [second], "what was deferred is out of date by now"


def test_a_dead_letter_that_is_replayed_does_not_hide_the_newest_from_the_next() -> None:
    desk = Desk()
    session = desk.session()
    old = desk.send(supersede_key="k").id
    [held] = desk.take(session)
    message = desk.messages[held]
    desk.nack(session, held, NackMode.REJECT)
    desk.send(supersede_key="k")
    message.state, message.attempts = MessageState.STORED, 0
    desk.rules.restore([message], desk.now)
    assert message.id == old
    newest = desk.send(supersede_key="k").id
    assert desk.take(session, 8) == [newest]


def test_who_held_mail_of_a_removed_queue_before_has_lost_nothing_by_that() -> None:
    desk = with_a_queue()
    desk.send("queue:build")
    session = desk.session()
    [held] = desk.ids(desk.recv(session, queue="build")) or []
    desk.nack(session, held, NackMode.DEFER)
    desk.rules.remove_queue("build", desk.now, force=True)
    desk.collect()
    assert desk.ack_turn(session) == {}
