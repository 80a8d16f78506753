"""Participants can store nothing while the disk has less than its reserve; the operator can."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest

from actors.testing import advance
from hive.config import Limits, in_units
from hive.daemon.hive import Hive
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.metering import ALLOWED_IN_SHORTAGE
from hive.store import InlineEngine
from hive.store.disk_reserve import LOOK_SECONDS
from hive.wire import agent as wire
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

RESERVE = 1 << 20


def engine_of(hive: Hive) -> InlineEngine:
    engine = hive.parts.store._engine
    assert isinstance(engine, InlineEngine)
    return engine


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    """A hive with a small reserve."""
    config = attrs.evolve(swarm("alice", "bob"), limits=Limits(disk_reserve=RESERVE))
    async with site.simulated(ScriptedRuntime(), config) as opened:
        yield opened


async def shorten(hive: Hive, host: Line) -> None:
    """Use up the disk, and store something, so that it is looked at."""
    await advance(LOOK_SECONDS)
    engine_of(hive).free = RESERVE - 1
    await host.ok("send", to="bob", body="make room")
    await advance(0.1)


async def test_participants_are_refused_with_the_numbers_and_what_to_do(
    hive: Hive, alice: Line, bob: Line, host: Line
) -> None:
    await alice.ok("send", to="bob", body="before")
    await shorten(hive, host)
    for verb, fields in (
        ("send", {"to": "bob", "body": "x"}),
        ("set_status", {"text": "x"}),
        ("ask", {"question": "x"}),
        ("remind", {"message": "x", "delay_seconds": 5}),
    ):
        answer = await alice.ask(verb, **fields)
        assert answer["code"] == "unavailable"
        assert f"has {in_units(RESERVE - 1)} left" in answer["error"]
        assert "operator has to make room" in answer["error"]
    found = await bob.ok("recv", max=9)
    assert len(found["messages"]) == 2
    await bob.ok("ack", ids=[each["id"] for each in found["messages"]])


async def test_the_operator_still_works_and_is_told(hive: Hive, alice: Line, host: Line) -> None:
    await alice.ok("whoami")
    await shorten(hive, host)
    await host.ok("send", to="alice", body="wait")
    assert "participants can store nothing" in (await host.ok("agent_status"))["trouble"]
    state = await host.ok("store")
    assert state["writable"]
    assert f"less than the reserve of {in_units(RESERVE)}" in state["shortage"]
    kinds = [each["event"] for each in (await host.ok("events", max=50))["events"]]
    assert kinds.count("disk_short") == 1


async def test_it_ends_when_there_is_room_without_any_write(
    hive: Hive, alice: Line, host: Line
) -> None:
    await alice.ok("whoami")
    await shorten(hive, host)
    assert (await alice.ask("send", to="bob", body="x"))["code"] == "unavailable"
    engine_of(hive).free = RESERVE
    await advance(2 * LOOK_SECONDS)
    await alice.ok("send", to="bob", body="x")
    assert "trouble" not in await host.ok("agent_status")
    kinds = [each["event"] for each in (await host.ok("events", max=50))["events"]]
    assert "disk_recovered" in kinds


async def test_a_new_connection_is_refused_too(hive: Hive, host: Line) -> None:
    await shorten(hive, host)
    async with connected(hive.paths.agent_socket("alice")) as line:
        assert (await line.ask("send", to="bob", body="x"))["code"] == "unavailable"


def test_a_verb_that_nobody_thought_of_is_refused() -> None:
    refused = set(AgentConnection.handlers) - ALLOWED_IN_SHORTAGE
    assert {wire.Send, wire.Nack, wire.Wake, wire.TurnRecord, wire.Limited} < refused
    for request, handler in AgentConnection.handlers_in_shortage.items():
        is_same = handler is AgentConnection.handlers[request]
        assert is_same is (request in ALLOWED_IN_SHORTAGE)
