"""Times that pass while the daemon is down: their notices are sent at its next start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.testing import advance
from hive.broker.service import BrokerService
from hive.clock import LoopClock
from hive.config import Limits
from hive.store import (
    NO_ORIGIN,
    Desired,
    InlineEngine,
    Kind,
    MessageState,
    ParticipantRecord,
    Store,
)
from hive.store.questions import QuestionState
from hive.wire.enums import OnExpiry
from tests.broker.client import BrokerClient, Draft, local_broker

pytestmark = pytest.mark.sim

DOWN = 100.0
"""Seconds for which the daemon is down; everything below is due within that time."""

ALICE, BOB = (ParticipantRecord(name, Kind.AGENT) for name in ("alice", "bob"))
DAMOCLES = ParticipantRecord("damocles", Kind.PEER)
ALL = (ALICE, BOB, DAMOCLES)

Mail = list[tuple[str, str, int | None]]
"""Sender, body or name of the event, and the message that it answers, of each message."""


async def prepare(broker: BrokerClient) -> dict[str, int]:
    """Send what will be due while the daemon is down; return the ids."""
    ids = {}
    for name, sender in (("message", "alice"), ("of a peer", "damocles")):
        kind = Kind.PEER if sender == "damocles" else Kind.AGENT
        sent = await broker.send(Draft(sender, kind, "bob", "stale", ttl=50))
        ids[name] = sent.ids[0]
    for on_expiry in OnExpiry:
        number = await broker.ask("alice", "go?", to="bob", ttl_seconds=50, on_expiry=on_expiry)
        ids[on_expiry.value] = number
    ids["reminder"] = await broker.remind("alice", "wake up", delay_seconds=50)
    return ids


async def mail_of(broker: BrokerClient, name: str) -> Mail:
    kind = Kind.OPERATOR if name == "operator" else Kind.AGENT
    session = broker.open_session(name, NO_ORIGIN, kind)
    got = await broker.recv(session, max=32)
    broker.close_session(session)
    return [
        (each.sender, json.loads(each.body)["event"], json.loads(each.body)["id"])
        if each.type == "event"
        else (each.sender, each.body.splitlines()[0], each.in_reply_to)
        for each in got
    ]


async def restart(
    path: Path, *, participants: Sequence[ParticipantRecord] = ALL, is_clean: bool
) -> tuple[dict[str, int], dict[str, Mail]]:
    """Prepare, stop the daemon or kill it, wait, and return ids and mail after its next start."""
    clock = LoopClock(asyncio.get_running_loop())
    async with Store(path, InlineEngine()) as store:
        service = BrokerService(store, Limits(), clock)
        await service.open(participants=ALL)
        ids = await prepare(BrokerClient(service, store))
        if is_clean:
            await service.close()
    await advance(DOWN)
    async with (
        Store(path, InlineEngine()) as store,
        local_broker(store, clock=clock, participants=participants) as broker,
    ):
        await advance(1)
        names = ("alice", "bob", "damocles", "operator")
        found = {name: await mail_of(broker, name) for name in names}
        states = {each.id: each.state for each in await broker.questions(9, ended=True)}
        assert states[ids["deny"]] is QuestionState.EXPIRED
        assert states[ids["hold"]] is QuestionState.HELD
        assert states[ids["escalate"]] is QuestionState.ESCALATED
        assert (await broker.message(ids["message"])).state is MessageState.EXPIRED
    return ids, found


@pytest.mark.parametrize("is_clean", [True, False])
async def test_every_notice_is_sent_at_the_next_start(path: Path, is_clean: bool) -> None:
    ids, mail = await restart(path, is_clean=is_clean)
    assert sorted(mail["alice"], key=str) == sorted(
        [
            ("system", "expired", ids["message"]),
            ("system", "[expired]", ids["deny"]),
            ("system", "question_held", ids["hold"]),
            ("reminder", "wake up", None),
        ],
        key=str,
    )
    assert mail["damocles"] == [("system", "expired", ids["of a peer"])]
    held, carried = mail["operator"]
    assert held == ("system", "question_held", ids["hold"])
    assert (carried[0], carried[2]) == ("system", ids["escalate"])
    assert [body for _, body, _ in mail["bob"]] == ["go?", "go?"], "those still open"


async def test_participants_removed_meanwhile_are_left_out(path: Path) -> None:
    ids, mail = await restart(path, participants=(BOB,), is_clean=True)
    assert [each[0] for each in mail["alice"]] == ["reminder"], "it was in the inbox already"
    assert mail["damocles"] == []
    assert mail["operator"][0] == ("system", "question_held", ids["hold"])


async def test_a_recipient_removed_meanwhile_does_not_change_the_notices(path: Path) -> None:
    _, mail = await restart(path, participants=(ALICE,), is_clean=False)
    assert [each[1] for each in mail["alice"]].count("expired") == 1
    assert "[expired]" in [each[1] for each in mail["alice"]]


async def test_a_parked_message_expires_at_the_next_start(path: Path) -> None:
    clock, limits = LoopClock(asyncio.get_running_loop()), Limits(max_hops=1)
    async with (
        Store(path, InlineEngine()) as store,
        local_broker(store, limits, clock=clock, participants=ALL) as broker,
    ):
        first = await broker.send(Draft("alice", Kind.AGENT, "bob", "1"))
        second = await broker.send(Draft("bob", Kind.AGENT, "alice", "2", in_reply_to=first.id))
        draft = Draft("alice", Kind.AGENT, "bob", "3", in_reply_to=second.id, ttl=50)
        parked = await broker.send(draft)
        assert parked.parked
    await advance(DOWN)
    async with (
        Store(path, InlineEngine()) as store,
        local_broker(store, limits, clock=clock, participants=ALL) as broker,
    ):
        await advance(1)
        assert (await broker.message(parked.ids[0])).state is MessageState.EXPIRED


async def test_settings_of_participants_are_known_at_the_start(path: Path) -> None:
    paused = ParticipantRecord("alice", Kind.AGENT, paused=True, broadcast=True)
    stopped = ParticipantRecord("bob", Kind.AGENT, Desired.STOPPED, broadcast=True)
    listener = ParticipantRecord("damocles", Kind.PEER, Desired.STOPPED, broadcast=True)
    async with (
        Store(path, InlineEngine()) as store,
        local_broker(store, participants=(paused, stopped, listener)) as broker,
    ):
        sent = await broker.send(Draft("operator", Kind.OPERATOR, "*", "all"))
        assert sent.recipients == ("alice", "damocles")
        assert [each.name for each in sent.skipped] == ["bob"]
        assert await mail_of(broker, "alice") == []
