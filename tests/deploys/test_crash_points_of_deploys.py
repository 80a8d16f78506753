"""A daemon that ends at any point of a deploy: the next one finishes it, or returns to before."""

import asyncio
from collections import deque

import pytest

from hive.deploys.deploy_queue import DeployQueue
from hive.store.deploys import Deploy, DeployStep
from tests.deploys.test_deploys import BIGGER, TOML, field, site
from tests.support.hives import Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]


class Crash:
    """Stops a deploy at one of its writes, before or after it, as a kill of the daemon would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self.reached = asyncio.Event()
        self.armed = False
        save = DeployQueue._save
        crash, left = self, at

        async def stopping(self: DeployQueue, deploy: Deploy) -> None:
            nonlocal left
            is_last = crash.armed and left == 0
            if is_last and not after:
                crash.reached.set()
                await asyncio.Event().wait()
            await save(self, deploy)
            if is_last:
                crash.reached.set()
                await asyncio.Event().wait()
            left -= crash.armed

        monkeypatch.setattr(DeployQueue, "_save", stopping)


async def crash_during(
    site: Site, runtime: ScriptedRuntime, crash: Crash, *, failing: bool
) -> tuple[str, str]:
    """Deploy twice, and end the daemon during the second; return both commits."""
    async with field(site, runtime) as found:
        first = await found.deployed(TOML)
        second = await found.commit(BIGGER)
        number = await found.propose(second, "request_apply_commit")
        if failing:
            runtime.failing_starts["alice"] = deque(["no such image"])
        crash.armed = True
        host = await found.host()
        await host.ok("approve", id=number)
        async with asyncio.timeout(20):
            await crash.reached.wait()
        await found.hive.close(keep_agents=True)
    return first, second


POINTS = [(at, after) for at in range(7) for after in (False, True)]
"""Begin, build, apply (twice: what was before, and the step), restart, check, commit."""


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(("at", "after"), POINTS)
async def test_a_good_deploy_is_finished_by_the_next_daemon(
    site: Site, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    runtime = ScriptedRuntime()
    crash = Crash(monkeypatch, at, after=after)
    _, second = await crash_during(site, runtime, crash, failing=False)
    monkeypatch.undo()
    async with field(site, runtime) as found:
        deploy = await found.hive.parts.deploys.get(2)
        ended = await found.hive.parts.deploys.wait_ended(deploy)
        assert (ended.step, ended.error) == (DeployStep.DEPLOYED, None)
        record = found.hive.parts.registry.agent("alice").record
        assert record.applied == second
        assert found.memory == "8G"
        assert (await found.tags())["deployed/2"] == second
        while (await found.hive.parts.approvals.get(2)).ended_at is None:
            await asyncio.sleep(0.02)
        assert (await found.hive.parts.approvals.get(2)).state.value == "done"


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(("at", "after"), [(4, False), (4, True), (5, False)])
async def test_a_bad_deploy_is_rolled_back_by_the_next_daemon(
    site: Site, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    runtime = ScriptedRuntime()
    crash = Crash(monkeypatch, at, after=after)
    first, second = await crash_during(site, runtime, crash, failing=True)
    monkeypatch.undo()
    if not after and at == 4:
        runtime.failing_starts["alice"] = deque(["no such image"] * 2)
    async with field(site, runtime) as found:
        deploy = await found.hive.parts.deploys.get(2)
        ended = await found.hive.parts.deploys.wait_ended(deploy)
        assert ended.step is DeployStep.FAILED
        record = found.hive.parts.registry.agent("alice").record
        assert record.applied == first
        assert (await found.tags())["failed/2"] == second
