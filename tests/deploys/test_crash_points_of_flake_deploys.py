"""A daemon that ends at any write of a deploy of NixOS systems, between two steps or within one.

The next one finishes the deploy, or returns every agent to what it ran; the flake is the old or the
new one, and its log has successful deploys only.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from attrs import define, field

from hive.deploys.deploy_queue import DeployQueue
from hive.store.deploys import DeployStep
from tests.support.fake_nix import make_fake_nix, set_revision
from tests.support.hives import Site, site
from tests.support.kills import KillPoint
from tests.support.nix_fields import NixField, nix_field
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")

OLD, NEW = "a" * 40, "b" * 40


@define
class Crash:
    """Stops a deploy at one of its writes, as a kill of the daemon would."""

    patch: pytest.MonkeyPatch
    at: int
    reached: asyncio.Event = field(factory=asyncio.Event)
    point: KillPoint = field(init=False)
    step: DeployStep | None = None

    def __attrs_post_init__(self) -> None:
        self.point = KillPoint(self.patch, self.at, self._stop)
        self.point.wrap(self.patch, DeployQueue, "_save", lambda _: "save")

    async def _stop(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The nixpkgs of a fake Nix."""
    monkeypatch.setenv("HYPERHIVE_NIX", str(make_fake_nix(tmp_path)))
    set_revision(tmp_path / "nixpkgs", OLD)
    return tmp_path / "nixpkgs"


async def begin_update(found: NixField, source: Path) -> int:
    await found.deploy_system("alice")
    await found.deploy_system("bob")
    set_revision(source, NEW)
    return await found.update_inputs()


async def begin_commit(found: NixField, source: Path) -> int:
    await found.deploy_system("alice")
    await found.deploy_system("bob")
    sha = await found.commit('exec = ["agent"]\nmemory_max = "8G"\n')
    return await found.propose(sha, "request_apply_commit")


async def crash_during(
    site: Site,
    source: Path,
    runtime: ScriptedRuntime,
    crash: Crash,
    begin: Callable[[NixField, Path], Awaitable[int]],
    *,
    failing: str | None = None,
) -> bool:
    """Approve a deploy and end the daemon during it; return whether it got that far."""
    async with nix_field(site, runtime, source) as found:
        number = await begin(found, source)
        if failing is not None:
            runtime.failing_starts[failing] = deque(["it does not boot"])
        crash.point.arm()
        line = await found.host()
        await line.ok("approve", id=number)
        ended = asyncio.ensure_future(found.hive.parts.approvals.wait_carried_out(number))
        reached = asyncio.ensure_future(crash.reached.wait())
        async with asyncio.timeout(30):
            await asyncio.wait([ended, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        crash.step = (await found.hive.parts.deploys.get(3)).step
        await found.hive.close(keep_agents=True)
        await asyncio.gather(ended, reached, return_exceptions=True)
    return crash.reached.is_set()


async def after(
    site: Site, source: Path, runtime: ScriptedRuntime
) -> tuple[DeployStep, list[str], str, str]:
    """Open the next daemon; return the last step, the log, nixpkgs, and what is not committed."""
    async with nix_field(site, runtime, source) as found:
        deploys = found.hive.parts.deploys
        async with asyncio.timeout(30):
            ended = await deploys.wait_ended(await deploys.get(3))
        assert {"alice", "bob"} <= runtime.machines.keys()
        text = await asyncio.to_thread((found.meta.path / "flake.lock").read_text)
        revision = json.loads(text)["nodes"]["nixpkgs"]["locked"]["rev"]
        log, changes = await found.meta.log(), await found.changes()
        return ended.step, log, revision, changes


def kinds(log: list[str]) -> list[str]:
    return [word for word in log if word not in {"show", "rev-parse"}]


UPDATE = [
    *("save", "nix build", "save"),
    *("move flake.lock", "move inputs.json", "move flake.nix", "save"),
    *("save", "save", "save"),  # alice, bob, and the step
    *("save", "add", "diff", "commit", "save"),
]
"""The writes of an update of inputs, without what only reads."""


async def test_each_write_of_an_update_is_one_that_the_tests_kill_at(
    site: Site, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, crash = ScriptedRuntime(), Crash(monkeypatch, 1000)
    assert not await crash_during(site, source, runtime, crash, begin_update)
    assert kinds(crash.point.log) == UPDATE
    assert len(crash.point.log) == len(UPDATE) + READS


READS = 3
"""Runs of git that read, before the build."""


@pytest.mark.parametrize("at", range(len(UPDATE) + READS))
async def test_an_update_is_finished_by_the_next_daemon(
    site: Site, source: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    runtime = ScriptedRuntime()
    with monkeypatch.context() as patched:
        crash = Crash(patched, at)
        assert await crash_during(site, source, runtime, crash, begin_update)
    step, log, revision, changes = await after(site, source, runtime)
    assert (step, revision, changes) == (DeployStep.DEPLOYED, NEW, ""), crash.point.log
    assert log[0] == "update inputs of alice, bob: deploy 3"
    assert len(log) == 3


@pytest.mark.parametrize("at", range(10, 22, 2))
async def test_an_update_that_fails_is_taken_back_by_the_next_daemon(
    site: Site, source: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    runtime = ScriptedRuntime()
    with monkeypatch.context() as patched:
        crash = Crash(patched, at)
        await crash_during(site, source, runtime, crash, begin_update, failing="bob")
    if crash.step is not DeployStep.ROLLING_BACK:
        starts = 1 if "bob" in runtime.machines else 2  # the next daemon starts what does not run
        runtime.failing_starts["bob"] = deque(["it does not boot"] * starts)
    step, log, revision, changes = await after(site, source, runtime)
    assert (step, revision, changes) == (DeployStep.FAILED, OLD, ""), crash.point.log
    assert len(log) == 2


@pytest.mark.parametrize("at", range(0, 24, 3))
async def test_a_deploy_of_one_system_is_finished_by_the_next_daemon(
    site: Site, source: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    runtime = ScriptedRuntime()
    with monkeypatch.context() as patched:
        crash = Crash(patched, at)
        reached = await crash_during(site, source, runtime, crash, begin_commit)
    step, log, revision, changes = await after(site, source, runtime)
    assert (step, revision, changes) == (DeployStep.DEPLOYED, OLD, ""), (reached, crash.point.log)
    assert log[0].startswith("deploy alice: deploy 3, commit ")
    assert len(log) == 3
