"""Discarding: the operator ends stored messages of any state, and all concerned are told."""

import json
from typing import Any

import pytest

from hive.broker.discarding import IDS_SHOWN
from hive.config import Limits
from hive.errors import BadRequestError, ConflictError, InboxFullError, StaleLeaseError
from hive.store import NO_ORIGIN, Kind, MessageState, Store
from hive.store.dead_letters import DeadLetterCriteria
from hive.wire.enums import CancelKind, NackMode, OnExpiry, StoredState
from tests.broker.client import BrokerClient, Draft, local_broker

ALL = list(StoredState)
MAIL = Draft("alice", Kind.AGENT, "bob", "hi")


async def send(broker: BrokerClient, **more: Any) -> int:
    sent = await broker.send(MAIL._replace(**more))
    assert sent.id is not None
    return sent.id


async def read(broker: BrokerClient, name: str) -> list[tuple[str, str]]:
    """Receive everything of an inbox; return sender and body."""
    session = broker.open_session(name, NO_ORIGIN)
    return [(each.sender, each.body) for each in await broker.recv(session, max=32)]


async def one_of_each(broker: BrokerClient) -> dict[StoredState, int]:
    """Store a message in every state; the first three are bob's to receive."""
    session = broker.open_session("bob", NO_ORIGIN)
    found = {StoredState.DEAD: await send(broker)}
    await broker.recv(session)
    await broker.nack(session, found[StoredState.DEAD], NackMode.REJECT)
    found[StoredState.LEASED] = await send(broker)
    await broker.recv(session)
    found[StoredState.STORED] = await send(broker)
    found[StoredState.DEFERRED] = await send(broker, delay=1e6)
    first = await send(broker, sender="bob", to="alice")
    found[StoredState.PARKED] = await send(broker, in_reply_to=first)
    return found


@pytest.fixture
async def loopy(store: Store) -> Any:
    """A broker in which every reply opens the circuit of its pair."""
    async with local_broker(store, Limits(max_hops=0)) as opened:
        for name in ("alice", "bob", "carol"):
            opened.add_inbox(name, Kind.AGENT)
        yield opened


@pytest.mark.parametrize("state", ALL)
async def test_an_id_reaches_a_message_in_any_state(
    loopy: BrokerClient, state: StoredState
) -> None:
    number = (await one_of_each(loopy))[state]
    assert await loopy.discard(ids=[number], reason="spam") == [number]
    message, steps = await loopy.trace(number)
    assert (message.state, message.reason) == (
        MessageState.EXPIRED,
        "discarded by the operator: spam",
    )
    assert steps[-1].step.value == "expired"
    assert await loopy.discard(ids=[number]) == [], "it has ended"


@pytest.mark.parametrize("state", ALL)
async def test_a_filter_reaches_the_states_that_it_names(
    loopy: BrokerClient, state: StoredState
) -> None:
    found = await one_of_each(loopy)
    assert await loopy.discard(inbox="bob", states=[state]) >= [found.pop(state)]
    for left in found.values():
        assert (await loopy.message(left)).state is not MessageState.EXPIRED


async def test_a_filter_without_states_reaches_dead_letters_only(loopy: BrokerClient) -> None:
    found = await one_of_each(loopy)
    assert await loopy.discard(sender="alice") == [found[StoredState.DEAD]]
    left = set(found.values()) - {found[StoredState.DEAD]}
    assert left <= set(await loopy.discard(inbox="bob", states=ALL))
    assert loopy.unread("bob") == 0


async def test_never_all_by_omission(broker: BrokerClient) -> None:
    await send(broker)
    with pytest.raises(BadRequestError, match="never all"):
        await broker.discard(states=ALL, reason="because")
    assert await broker.discard(older_than_seconds=1e6, states=ALL) == []
    assert await broker.discard(inbox="alice", states=ALL) == []
    assert await broker.discard(sender="bob", states=ALL) == []
    assert broker.unread("bob") == 1


async def test_the_way_out_of_an_inbox_locked_by_deferred_mail(store: Store) -> None:
    async with local_broker(store, Limits(inbox_bytes=100, body_bytes=100)) as broker:
        broker.add_inbox("bob", Kind.AGENT)
        locked = await send(broker, body="x" * 100, delay=86400)
        with pytest.raises(InboxFullError):
            await send(broker, sender="carol")
        assert await broker.discard(inbox="bob", sender="alice", states=ALL) == [locked]
        await send(broker, sender="carol")


async def test_each_sender_is_told_once_however_many_of_its_messages_end(
    broker: BrokerClient,
) -> None:
    broker.add_inbox("carol", Kind.AGENT)
    ids = [await send(broker) for _ in range(IDS_SHOWN + 5)]
    other = await send(broker, sender="carol")
    await send(broker, sender="operator", sender_kind=Kind.OPERATOR)
    assert len(await broker.discard(inbox="bob", states=ALL, reason="full")) == len(ids) + 2
    [(sender, body)] = await read(broker, "alice")
    assert sender == "system"
    assert json.loads(body) == {
        "event": "discarded",
        "count": len(ids),
        "ids": ids[:IDS_SHOWN],
        "to": ["bob"],
        "reason": "discarded by the operator: full",
    }
    [(_, body)] = await read(broker, "carol")
    assert json.loads(body)["ids"] == [other]
    assert broker.unread("operator") == 0


async def test_the_holder_of_a_discarded_message_is_answered_in_words(
    broker: BrokerClient,
) -> None:
    number = await send(broker)
    session = broker.open_session("bob", NO_ORIGIN)
    [held] = await broker.recv(session)
    await broker.discard(ids=[number], reason="spam")
    why = r"message 1 is expired at .* \(discarded by the operator: spam\), after attempt 1"
    with pytest.raises(StaleLeaseError, match=why):
        await broker.ack(session, [number], held.lease)
    with pytest.raises(StaleLeaseError, match=why):
        await broker.nack(session, number)
    with pytest.raises(StaleLeaseError, match="message 1 discarded by the operator: spam"):
        await broker.ack_turn(session)
    assert not session.held
    await send(broker)
    assert len(await broker.recv(session)) == 1


async def test_the_circuit_of_discarded_messages_releases_nothing(loopy: BrokerClient) -> None:
    await one_of_each(loopy)
    await loopy.discard(inbox="bob", states=[StoredState.PARKED])
    assert await loopy.reset_loop("alice", "bob") == 0


async def test_a_discarded_reminder_is_pending_no_longer_and_its_owner_is_told(
    broker: BrokerClient,
) -> None:
    number = await broker.remind("alice", "look", delay_seconds=60)
    rules = broker.service.question_rules
    assert rules.pending("alice") == 1
    assert await broker.discard(ids=[number]) == [number]
    assert rules.pending("alice") == 0
    [(sender, body)] = await read(broker, "alice")
    assert (sender, json.loads(body)["ids"]) == ("system", [number])
    with pytest.raises(ConflictError, match="is expired since"):
        await broker.cancel("alice", CancelKind.REMINDER, number)


async def test_a_question_ends_with_its_message_and_its_asker_gets_an_answer(
    broker: BrokerClient,
) -> None:
    number = await broker.ask("alice", "go?", to="bob")
    await broker.recv(broker.open_session("bob", NO_ORIGIN))
    assert await broker.discard(ids=[number], reason="no") == [number]
    session = broker.open_session("alice", NO_ORIGIN)
    [answer] = await broker.recv(session, max=9)
    assert (answer.sender, answer.body) == ("system", "[discarded by the operator: no]")
    assert answer.in_reply_to == number
    with pytest.raises(ConflictError, match=f"question {number} was cancelled by 'operator'"):
        await broker.answer("bob", number, "yes")


async def test_a_question_outlives_the_message_that_escalated_it(broker: BrokerClient) -> None:
    number = await broker.ask("alice", "go?", to="bob", ttl_seconds=60, on_expiry=OnExpiry.ESCALATE)
    rules = broker.service.question_rules
    now = broker.service._now()
    question = rules.questions.open[number]
    rules._escalate(question, now)
    assert len(await broker.discard(inbox="operator", states=ALL)) == 1
    await broker.answer("bob", number, "yes")


async def test_what_was_discarded_is_so_after_a_restart(store: Store) -> None:
    async with local_broker(store, Limits(max_hops=0)) as broker:
        for name in ("alice", "bob"):
            broker.add_inbox(name, Kind.AGENT)
        found = await one_of_each(broker)
        ended = await broker.discard(inbox="bob", states=ALL)
        assert set(found.values()) <= set(ended)
    async with local_broker(store) as broker:
        assert broker.unread("bob") == 0
        assert not await broker.dead_letters(DeadLetterCriteria())
        assert not broker.loops()
