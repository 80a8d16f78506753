"""A stop overtakes a build, and a failed reload does not keep an agent from its restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.testing import settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import ConflictError, FailedError
from hive.machines.runtime import MachineSpec, NotReloadedError, ignore_line
from hive.subprocesses import OnLine
from tests.support.hives import Site, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


class Building(ScriptedRuntime):
    """A runtime whose next builds succeed without a reload."""

    reloads = True
    cancelled = 0

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        try:
            await super().update(spec, on_line)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if not self.reloads:
            raise NotReloadedError("alice: its new system is built: failed to reload container")


@pytest.fixture
async def runtime() -> Building:
    return Building()


@pytest.fixture
async def hive(site: Site, runtime: Building) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice")) as opened:
        await opened.until_state("alice", "running")
        runtime.calls.clear()
        yield opened


async def begun(hive: Hive, runtime: Building) -> tuple[asyncio.Future[str | None], asyncio.Event]:
    """Begin a rebuild whose build waits for the returned event."""
    release = runtime.hold("update", "alice")
    rebuild = asyncio.ensure_future(hive.parts.lifecycle.rebuild("alice"))
    await settle()
    assert runtime.verbs("alice") == ["update"]
    return rebuild, release


async def test_a_rebuild_builds_and_restarts(hive: Hive, runtime: Building) -> None:
    assert await hive.parts.lifecycle.rebuild("alice") is None
    assert [v for v in runtime.verbs("alice") if v != "adopt"] == [
        *("update", "stop", "create", "start")
    ]


async def test_a_stop_at_once_ends_the_build(hive: Hive, runtime: Building) -> None:
    rebuild, _ = await begun(hive, runtime)
    await hive.parts.lifecycle.stop("alice", force=True)
    with pytest.raises(ConflictError, match="was stopped by another request meanwhile"):
        await rebuild
    assert runtime.cancelled == 1
    assert (await hive.status("alice")).state == "stopped"
    assert "start" not in runtime.verbs("alice")


@pytest.mark.parametrize("starts_again", [False, True])
async def test_a_stop_during_a_build_is_final(
    hive: Hive, runtime: Building, starts_again: bool
) -> None:
    rebuild, release = await begun(hive, runtime)
    await hive.stop("alice")
    if starts_again:
        await hive.start("alice")
    calls = list(runtime.calls)
    release.set()
    with pytest.raises(ConflictError, match="was stopped by another request meanwhile"):
        await rebuild
    assert runtime.calls == calls, "the build restarts nothing"
    assert (await hive.status("alice")).state == ("running" if starts_again else "stopped")


async def test_a_stop_after_a_build_concerns_no_later_one(hive: Hive, runtime: Building) -> None:
    await hive.parts.lifecycle.rebuild("alice")
    await hive.stop("alice")
    await hive.parts.lifecycle.rebuild("alice")
    assert (await hive.status("alice")).state == "running"


async def test_a_cancelled_rebuild_cancels_the_build(hive: Hive, runtime: Building) -> None:
    rebuild, _ = await begun(hive, runtime)
    rebuild.cancel()
    await asyncio.wait([rebuild])
    assert (rebuild.cancelled(), runtime.cancelled) == (True, 1)
    assert (await hive.status("alice")).state == "running"


async def test_a_build_that_fails_changes_nothing(hive: Hive, runtime: Building) -> None:
    runtime.broken["update"] = "it does not build"
    with pytest.raises(FailedError, match="it does not build"):
        await hive.parts.lifecycle.rebuild("alice")
    assert runtime.verbs("alice") == ["update"]


async def test_a_failed_reload_restarts_the_agent_and_says_so(
    hive: Hive, runtime: Building
) -> None:
    runtime.reloads = False
    notice = await hive.parts.lifecycle.rebuild("alice")
    assert notice is not None
    assert "failed to reload container" in notice
    assert [v for v in runtime.verbs("alice") if v != "adopt"] == [
        *("update", "stop", "create", "start")
    ]
    await settle()
    troubles = [e for e in await hive.parts.events.recent(20) if e.event == "trouble"]
    assert [(e.name, e.detail["what"]) for e in troubles] == [("alice", notice)]


async def test_a_failed_reload_fails_no_deploy(hive: Hive, runtime: Building) -> None:
    runtime.reloads = False
    lines: list[str] = []
    await hive.parts.lifecycle.build("alice", AgentManifest(exec=("agent",)), lines.append)
    assert ["failed to reload container" in line for line in lines] == [True]
