"""A drain: no turn begins any more, those that run end, and the wait for them has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.testing import advance, settle
from hive.daemon.hive import Hive
from hive.participants.drains import work_of
from hive.participants.participant import Agent
from hive.store import Kind, ParticipantRecord
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = swarm("alice", "bob", peers=["damocles"])
    async with site.simulated(ScriptedRuntime(), config) as opened:
        await opened.until_state("alice", "running")
        await opened.until_state("bob", "running")
        yield opened


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("alice")) as line:
        yield line


async def take(line: Line, operator: Line, to: str = "alice") -> list[int]:
    await operator.ok("send", to=to, body="work")
    return [each["id"] for each in (await line.ok("recv", wait_seconds=5))["messages"]]


def ended(asked: asyncio.Future[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    answer = asked.result()
    assert answer["ok"], answer
    return {row["name"]: row for row in answer["agents"]}


async def test_it_returns_when_the_last_turn_has_ended(operator: Line, alice: Line) -> None:
    ids = await take(alice, operator)
    asked = asyncio.ensure_future(operator.ask("drain", wait_seconds=600))
    await advance(100)
    assert not asked.done()
    await alice.ok("ack", ids=ids)
    await advance(1)
    assert ended(asked) == {
        "alice": {"name": "alice", "changed": True},
        "bob": {"name": "bob", "changed": True},
    }


async def test_no_turn_begins_meanwhile_nor_afterwards_until_resume(
    hive: Hive, operator: Line, alice: Line
) -> None:
    await operator.ok("drain", names=["alice"])
    await operator.ok("send", to="alice", body="later")
    await operator.ok("send", to="queue:jobs", body="job")
    assert (await alice.ok("recv"))["messages"] == []
    assert (await alice.ok("recv", queue="jobs"))["messages"] == []
    alice.write({"cmd": "recv", "queue": "jobs", "wait_seconds": 60})
    await settle()
    await operator.ok("set_paused", name="alice", paused=False)
    assert [each["body"] for each in (await alice.read())["messages"]] == ["job"]
    assert [each["body"] for each in (await alice.ok("recv"))["messages"]] == ["later"]


async def test_a_deadline_ends_the_wait_and_names_who_works(operator: Line, alice: Line) -> None:
    await take(alice, operator)
    asked = asyncio.ensure_future(operator.ask("drain", wait_seconds=30))
    await advance(31)
    assert ended(asked)["alice"]["working"] == "holds 1 message"
    assert "working" not in ended(asked)["bob"]
    again = await operator.ok("drain", names=["alice"])
    assert again["agents"] == [{"name": "alice", "changed": False, "working": "holds 1 message"}]


async def test_work_on_a_queue_is_waited_for(operator: Line, alice: Line) -> None:
    await operator.ok("send", to="queue:jobs", body="job")
    assert len((await alice.ok("recv", queue="jobs"))["messages"]) == 1
    [row] = (await operator.ok("drain", names=["alice"]))["agents"]
    assert row["working"] == "holds 1 message"


async def test_a_harness_that_works_without_mail_is_waited_for(operator: Line, alice: Line) -> None:
    await alice.ok("hello", role="harness")
    await alice.ok("report", state="compacting", since=0.0)
    asked = asyncio.ensure_future(operator.ask("drain", wait_seconds=600))
    await advance(5)
    assert not asked.done()
    await alice.ok("report", state="paused", since=0.0)
    await advance(1)
    assert "working" not in ended(asked)["alice"]


async def test_an_agent_that_is_resumed_meanwhile_is_not_waited_for(
    hive: Hive, operator: Line, alice: Line
) -> None:
    await take(alice, operator)
    asked = asyncio.ensure_future(operator.ask("drain", wait_seconds=600))
    await advance(5)
    await hive.parts.lifecycle.set_paused("alice", paused=False)
    await advance(1)
    assert ended(asked)["alice"]["working"] == "holds 1 message"


async def test_peers_are_not_drained(hive: Hive, operator: Line) -> None:
    await operator.refused("drain", names=["damocles"])
    await operator.ok("drain")
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        assert len(await take(peer, operator, "damocles")) == 1


def test_a_frozen_agent_is_said_to_be_so() -> None:
    frozen = Agent(ParticipantRecord("alice", Kind.AGENT, frozen_at=1.0))
    assert work_of(frozen, 0) is None
    assert work_of(frozen, 2) == "holds 2 messages, and is frozen: 'hive-c0re thaw alice'"
