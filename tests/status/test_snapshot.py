"""Status rows: all at once equal each alone, and are cheap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from hive.config import AgentManifest, manifest_from_json, manifest_to_json
from hive.daemon.hive import Hive
from hive.participants import participant as participant_module
from hive.status import snapshot
from tests.support.hives import Site, swarm
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
