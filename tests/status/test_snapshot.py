"""Status rows: all at once equal each alone, and are cheap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from types import SimpleNamespace

import pytest
from attrs import evolve

from actors.testing import advance, settle
from hive.config import AgentManifest, HiveConfig, PeerConfig, manifest_from_json, manifest_to_json
from hive.daemon.hive import Hive
from hive.machines.observer import ObservedState
from hive.participants import participant as participant_module
from hive.status import snapshot
from hive.wire import WAIT_MAX
from tests.support.hives import Site, connected, echo, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    agents = swarm("alice", "bob", peers=["damocles", "eve"])
    async with site.simulated(ScriptedRuntime(), agents) as opened:
        for name in ("alice", "bob"):
            await opened.until_state(name, "running")
        yield opened


async def test_all_rows_at_once_are_those_of_each_participant(hive: Hive) -> None:
    await hive.stop("bob")
    rows = await hive.parts.snapshot.rows()
    assert [row.name for row in rows] == ["alice", "bob", "damocles", "eve"]
    assert rows == [await hive.status(row.name) for row in rows]
    assert [row.state for row in rows] == ["running", "stopped", "away", "away"]


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        ("active (running)", True),
        ("reloading (reload)", True),
        ("activating (start)", False),
        ("inactive (dead)", False),
        ("failed (failed)", False),
        ("not known to systemd", False),
    ],
)
async def test_a_peer_runs_while_its_unit_is_active(hive: Hive, state: str, runs: bool) -> None:
    peer = hive.parts.registry.peer("damocles")
    assert not (await hive.status("damocles")).running, "neither connected nor observed"
    peer.observed_state = ObservedState("container@damocles.service", state, 1.0, 0)
    assert (await hive.status("damocles")).running is runs
    assert not (await hive.status("eve")).running


async def test_a_peer_runs_while_it_is_connected(hive: Hive) -> None:
    peer = hive.parts.registry.peer("damocles")
    peer.observed_state = ObservedState("container@damocles.service", "inactive (dead)", 1.0, 0)
    peer.presence.on_connect(1.0)
    assert (await hive.status("damocles")).running
    peer.presence.on_disconnect(2.0)
    assert not (await hive.status("damocles")).running


async def test_a_status_text_ends_with_the_run_it_belongs_to(hive: Hive) -> None:
    registry = hive.parts.registry
    alice, damocles = registry.agent("alice"), registry.peer("damocles")
    for participant in (alice, damocles):
        await registry.save(participant, status_text="busy", status_set_at=5.0)
    assert (await hive.status("alice")).status_text == "busy"
    await hive.stop("alice")
    row = await hive.status("alice")
    assert (row.status_text, row.status_set_at) == (None, None)
    await hive.start("alice")
    assert alice.running is not None
    alice.running = evolve(alice.running, since=5.5)
    row = await hive.status("alice")
    assert (row.running, row.status_text, row.status_set_at) == (True, None, None)
    assert (await hive.status("damocles")).status_text == "busy", "a peer has no runs here"


async def test_the_loop_serves_others_while_many_rows_are_assembled(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def turns_of_others(rows_per_turn: int) -> int:
        monkeypatch.setattr(snapshot, "ROWS_PER_TURN", rows_per_turn)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        await hive.parts.snapshot.rows()
        task.cancel()
        await asyncio.wait([task])
        return turns

    assert await turns_of_others(1) >= await turns_of_others(50) + 3


async def test_a_manifest_is_read_when_it_changes_and_never_for_a_row(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(text: str) -> AgentManifest:
        read.append(text)
        return manifest_from_json(text)

    monkeypatch.setattr(participant_module, "manifest_from_json", reading)
    registry = hive.parts.registry
    alice = registry.agent("alice")
    manifests = [AgentManifest(exec=("x",), stop_timeout=seconds) for seconds in (21.0, 22.0)]
    for manifest in manifests:
        await registry.save(alice, manifest=manifest_to_json(manifest))
        assert alice.settings == manifest
        registry.touch(alice)
        registry.save_soon(alice, last_reason="exited")
        for _ in range(3):
            await hive.status("alice")
            await hive.parts.snapshot.rows()
    assert read == [manifest_to_json(each) for each in manifests]


async def test_the_observed_unit_of_a_peer_is_read_when_it_changes_and_never_for_a_row(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(text: str) -> object:
        read.append(text)
        return json.loads(text)

    monkeypatch.setattr(participant_module, "json", SimpleNamespace(loads=reading))
    registry = hive.parts.registry
    damocles = registry.peer("damocles")
    for manifest, observed in (('{"observe": "a.service"}', "a.service"), ("{}", None)):
        await registry.save(damocles, manifest=manifest)
        assert damocles.observe == observed
        registry.on_connect(damocles)
        registry.on_disconnect(damocles)
        await hive.parts.snapshot.rows()
    assert read == ['{"observe": "a.service"}', "{}"]


# The last sign of life


async def last_seen(hive: Hive, name: str = "damocles") -> float:
    row = await hive.status(name)
    [seen] = [each for each in hive.parts.snapshot.who() if each.name == name]
    assert seen.last_seen == row.last_seen
    assert row.last_seen is not None
    return datetime.fromisoformat(row.last_seen).timestamp() - hive.parts.events._clock.now()


@pytest.mark.parametrize("role", ["harness", "tool"])
@pytest.mark.parametrize(
    "request_",
    [
        {"cmd": "whoami"},
        {"cmd": "status"},
        {"cmd": "recv"},
        {"cmd": "send", "to": "alice", "body": "hi"},
        {"cmd": "heartbeat"},
        {"cmd": "set_status", "text": "busy"},
        {"cmd": "recent"},
        {"cmd": "ack", "ids": [99]},
    ],
    ids=lambda each: each["cmd"],
)
async def test_any_request_is_a_sign_of_life(
    hive: Hive, role: str, request_: dict[str, object]
) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("hello", role=role)
        await advance(540)
        assert await last_seen(hive) == pytest.approx(-540, abs=0.01)
        await line.ask(**request_)  # type: ignore[arg-type]
        assert await last_seen(hive) == pytest.approx(0, abs=0.01)
        await advance(10)
        assert await last_seen(hive) == pytest.approx(-10, abs=0.01)


async def test_the_end_of_a_connection_is_the_last_sign_of_life(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("whoami")
        await advance(300)
    await settle()
    assert await last_seen(hive) == pytest.approx(0, abs=0.01)
    await advance(50)
    assert await last_seen(hive) == pytest.approx(-50, abs=0.01)
    await advance(50)
    assert (await hive.status("eve")).last_seen is None


async def test_an_idle_agent_that_waits_for_mail_is_seen_as_often_as_it_asks(site: Site) -> None:
    async with site.simulated(agents={"alice": echo}) as hive:
        await hive.until_state("alice", "running")
        for _ in range(10):
            await advance(100)
            assert await last_seen(hive, "alice") >= -WAIT_MAX - 1


# What a participant is


async def test_a_description_is_in_every_row(site: Site) -> None:
    config = HiveConfig(
        agents={"alice": AgentManifest(exec=("agent",), description="the parser")},
        peers={"damocles": PeerConfig(description="d" * 1000), "eve": PeerConfig()},
    )
    async with site.simulated(ScriptedRuntime(), config) as hive:
        await hive.until_state("alice", "running")
        assert (await hive.status("alice")).description == "the parser"
        assert (await hive.status("damocles")).description == "d" * 1000
        await settle()
        async with connected(hive.paths.agent_socket("eve")) as line:
            rows = {each["name"]: each for each in (await line.ok("who"))["participants"]}
        assert rows["alice"]["description"] == "the parser"
        assert rows["damocles"]["description"] == "d" * 200 + "..."
        assert "description" not in rows["eve"]
        async with connected(hive.paths.host_socket) as line:
            listed = await line.ok("list")
        assert listed["descriptions"] == {"alice": "the parser", "damocles": "d" * 1000}
