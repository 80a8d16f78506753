"""What a status row has besides the state: each value with its source and age, or unknown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.testing import advance, settle
from hive.daemon.hive import Hive
from hive.exits import Exited
from hive.machines.observer import ObservedState
from hive.machines.resource_use import ResourceUse
from hive.status import resource_samples
from hive.wire import WAIT_MAX
from hive.wire.rows import StatusRow
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    agents = swarm("alice", "bob", peers=["damocles"])
    async with site.simulated(runtime, agents) as opened:
        for name in ("alice", "bob"):
            await opened.until_state(name, "running")
        yield opened


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", role="harness", driver="claude")
        yield line


def now() -> float:
    return 1_700_000_000.0 + asyncio.get_running_loop().time()


async def rows(hive: Hive) -> dict[str, StatusRow]:
    await settle()
    return {row.name: row for row in await hive.parts.snapshot.rows()}


async def row(hive: Hive, name: str = "alice") -> StatusRow:
    return (await rows(hive))[name]


async def test_without_a_report_everything_about_its_work_is_unknown(hive: Hive) -> None:
    found = await row(hive)
    assert (found.tier, found.tier_since) == ("unknown", found.since)
    unknown = ("unread_since", "turn_since", "context_fill", "context_at", "tokens_today", "cause")
    unknown += ("cost_today_usd", "memory_bytes", "cpu_percent", "resources_at", "verdict")
    assert {name: getattr(found, name) for name in unknown} == dict.fromkeys(unknown)


async def test_the_turn_and_the_context_are_those_of_the_report(hive: Hive, alice: Line) -> None:
    began, measured = now() - 5, now() - 60
    report: dict[str, Any] = {"state": "working", "since": began}
    await alice.ok("report", **report, context_fill=0.25, context_at=measured)
    found = await row(hive)
    assert (found.tier, found.tier_since, found.turn_since) == (
        *("running", found.activity_since, found.activity_since),
    )
    assert (found.context_fill, found.context_at is not None) == (0.25, True)
    await alice.ok("report", state="idle", since=now())
    found = await row(hive)
    assert (found.tier, found.turn_since, found.context_fill) == ("idle", None, None)


@pytest.mark.parametrize("fill", [-0.1, 1.1, "much"])
async def test_a_fill_that_is_none_is_refused(alice: Line, fill: object) -> None:
    code, _ = await alice.refused("report", state="idle", since=now(), context_fill=fill)
    assert code == "bad_request"


async def test_a_question_to_the_operator_waits_and_its_answer_ends_that(
    hive: Hive, alice: Line
) -> None:
    await alice.ok("report", state="idle", since=now())
    await advance(10)
    asked = now()
    number = (await alice.ok("ask", question="go?"))["id"]
    await advance(10)
    await alice.ok("ask", question="or this?")
    await alice.ok("ask", question="and you?", to="bob")
    found = await row(hive)
    assert found.tier == "waiting"
    assert found.tier_since is not None
    assert now() - asked > 9
    first = found.tier_since
    async with connected(hive.paths.host_socket) as operator:
        await operator.ok("answer", id=number, answer="yes")
        later = await row(hive)
        assert (later.tier, later.tier_since != first) == ("waiting", True)
        await operator.ok("answer", id=number + 1, answer="yes")
    assert (await row(hive)).tier == "idle"
    assert (await row(hive, "bob")).tier == "unknown", "a question to it is not one of it"


async def test_the_oldest_unread_message_has_an_age(hive: Hive) -> None:
    await hive.send("alice", "one")
    first = (await row(hive)).unread_since
    await advance(60)
    await hive.send("alice", "two")
    found = await row(hive)
    assert (found.unread, found.unread_since) == (2, first)
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("recv")
        await line.ok("ack_turn")
    found = await row(hive)
    assert (found.unread, found.unread_since != first) == (1, True)
    assert (await row(hive, "bob")).unread_since is None


async def test_tokens_and_cost_are_those_of_today_s_turns(hive: Hive, alice: Line) -> None:
    record = {"wake": "message", "outcome": "done", "input_tokens": 10, "output_tokens": 5}
    for number in range(2):
        await alice.ok("turn", started_at=now() + number, ended_at=now() + number, **record)
    await alice.ok("turn", started_at=now(), ended_at=now(), cost_usd=0.5, **record)
    found = await row(hive)
    assert (found.tokens_today, found.cost_today_usd) == (30, 0.5)
    await advance(86_400)
    assert (await row(hive)).tokens_today is None


async def test_memory_and_processors_are_read_once_for_all_and_only_for_a_look(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.uses = {"alice": ResourceUse(1 << 20, 1.0), "bob": ResourceUse(2 << 20, 1.0)}
    await advance(100)
    assert runtime.looks == 0
    found = await rows(hive)
    assert [found[name].memory_bytes for name in ("alice", "bob")] == [1 << 20, 2 << 20]
    assert (found["alice"].cpu_percent, found["damocles"].memory_bytes) == (None, None)
    runtime.uses = {"alice": ResourceUse(1 << 20, 2.5)}
    await advance(3)
    await rows(hive)
    found = await rows(hive)
    assert found["alice"].cpu_percent == 50.0
    assert found["bob"].memory_bytes is None, "what is not known any more is unknown"
    assert runtime.looks == 2
    await advance(100)
    sampled = (await hive.status("alice")).resources_at
    assert (sampled, runtime.looks) == (found["alice"].resources_at, 2), "with its age"


async def test_an_observed_peer_has_the_use_of_its_control_group(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = "/system.slice/container@damocles.service"
    groups = {group: ResourceUse(7, 1.0)}
    monkeypatch.setattr(resource_samples, "of_control_group", groups.get)
    peer = hive.parts.registry.peer("damocles")
    peer.observed_state = ObservedState("u", "active (running)", 1.0, 0, control_group=group)
    assert (await row(hive, "damocles")).memory_bytes == 7


async def test_a_peer_whose_unit_is_down_is_stopped_and_one_that_is_silent_unknown(
    hive: Hive,
) -> None:
    peer = hive.parts.registry.peer("damocles")
    assert (await row(hive, "damocles")).tier == "unknown"
    peer.observed_state = ObservedState("u", "inactive (dead)", 1.0, 0)
    found = await row(hive, "damocles")
    assert (found.tier, found.tier_since) == ("stopped", found.since)
    peer.presence.on_connect(5.0)
    assert (await row(hive, "damocles")).tier == "unknown"


async def test_a_failure_has_its_cause_in_words(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.end("alice", Exited(4), "starting", "boom: no such key")
    await settle()
    found = await row(hive)
    assert (found.state, found.reason) == ("backoff", "exited with status 4")
    assert (found.cause, found.tier) == ("boom: no such key", "failed")
    assert found.tier_since == found.last_end_at
    await advance(15)
    found = await row(hive)
    assert (found.state, found.cause) == ("running", None)
    await hive.stop("bob")
    found = await row(hive, "bob")
    assert (found.tier, found.cause) == ("stopped", None)


async def test_a_receiver_that_waits_is_a_sign_of_life_at_every_moment(
    hive: Hive, alice: Line
) -> None:
    alice.write({"cmd": "recv", "wait_seconds": WAIT_MAX})
    await advance(100)
    waiting = await row(hive)
    await advance(5)
    later = await row(hive)
    assert waiting.last_seen is not None
    assert later.last_seen is not None
    assert later.last_seen > waiting.last_seen
    agent = hive.parts.registry.agent("alice")
    await hive.parts.freezes.estop([agent])
    await advance(5)
    frozen = await row(hive)
    assert frozen.last_seen is not None
    assert frozen.last_seen < waiting.last_seen


async def test_a_row_that_cannot_be_assembled_costs_no_other(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = hive.parts.snapshot
    conflict_of = snapshot.conflict_of

    def failing(record: Any) -> str | None:
        if record.name in {"alice", "damocles"}:
            raise KeyError("no such thing")
        return conflict_of(record)

    whole = await rows(hive)
    monkeypatch.setattr(snapshot, "conflict_of", failing)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            found = await rows(hive)
    assert list(found) == list(whole)
    for name, kind in (("alice", "agent"), ("damocles", "peer")):
        broken = found[name]
        assert (broken.state, broken.kind, broken.tier) == ("unknown", kind, "unknown")
        assert broken.reason is not None
        assert "KeyError: 'no such thing'" in broken.reason
    assert found["bob"] == whole["bob"]
    assert [record.message for record in caplog.records] == [
        "the status row of 'alice' cannot be assembled",
        "the status row of 'damocles' cannot be assembled",
    ]
    monkeypatch.undo()
    assert (await rows(hive))["alice"].state == "running"


async def test_the_tokens_of_today_outlive_the_daemon(site: Site) -> None:
    config = swarm("alice")
    record = {"wake": "message", "outcome": "done", "input_tokens": 10, "cost_usd": 0.5}
    for _ in range(2):
        async with site.simulated(ScriptedRuntime(), config) as hive:
            await hive.until_state("alice", "running")
            found = await row(hive)
            async with connected(hive.paths.agent_socket("alice")) as line:
                await line.ok("hello", role="harness")
                await line.ok("turn", started_at=now(), ended_at=now(), **record)
    assert (found.tokens_today, found.cost_today_usd) == (10, 0.5)


async def test_a_sample_alone_is_no_change_of_the_status(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.uses = {"alice": ResourceUse(1 << 20, 1.0)}
    agent = hive.parts.registry.agent("alice")
    async with connected(hive.paths.host_socket) as host:
        await host.ok("subscribe_agent_status")
        hive.parts.registry.changed(agent)
        assert "memory_bytes" not in (await host.read())["agent_statuses"][0]
        await rows(hive)
        hive.parts.registry.changed(agent)
        await settle()
        await hive.parts.registry.save(agent, status_text="busy", status_set_at=now())
        [pushed] = (await host.read())["agent_statuses"]
    assert (pushed["status_text"], pushed["memory_bytes"]) == ("busy", 1 << 20)
