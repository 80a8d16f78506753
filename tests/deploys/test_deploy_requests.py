"""Outputs, probes, cancellations and the operator's verbs during a deploy."""

import asyncio
import stat
from collections import deque
from contextlib import suppress

import pytest

from hive.deploys.deploy_logs import DeployLog
from hive.errors import ConflictError, NotFoundError
from hive.git.applied import AppliedRepository
from hive.store import Desired
from hive.store.deploys import Deploy, DeployStep
from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Line, Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

PROBED = 'exec = ["agent"]\nmemory_max = "8G"\nprobe = ["./check.sh"]\n'


async def known(found: Field, number: int) -> Deploy:
    """Return a deploy as soon as its approval has requested it."""
    async with asyncio.timeout(10):
        while True:
            with suppress(NotFoundError):
                return await found.hive.parts.deploys.get(number)
            await asyncio.sleep(0.005)


async def reach(found: Field, number: int, step: DeployStep) -> Deploy:
    async with asyncio.timeout(10):
        while (deploy := await known(found, number)).step is not step:
            await asyncio.sleep(0.005)
    return deploy


async def ended(found: Field, number: int) -> Deploy:
    return await found.hive.parts.deploys.wait_ended(await known(found, number))


async def approved(found: Field, text: str = BIGGER) -> None:
    """Approve a second manifest of alice, without waiting for its deploy."""
    number = await found.propose(await found.commit(text), "request_apply_commit")
    await (await found.host()).ok("approve", id=number)


async def until_built(found: Field) -> None:
    async with asyncio.timeout(10):
        while "update" not in found.runtime.verbs("alice")[-1:]:
            await asyncio.sleep(0.005)


async def followed(line: Line, number: int) -> tuple[list[str], dict[str, object]]:
    line.write({"cmd": "follow_deploy", "id": number})
    lines: list[str] = []
    while True:
        answer = await line.read()
        lines += answer.get("lines", ())
        if "deploy" in answer:
            return lines, answer["deploy"]


async def test_the_output_of_a_build_is_followed_from_its_beginning_to_its_end(site: Site) -> None:
    runtime = ScriptedRuntime(build_lines=["building '/nix/store/x'", "\x1b[2Jgone\x07"])
    async with field(site, runtime) as found:
        held = runtime.hold("update", "alice")
        sha = await found.commit(TOML)
        await (await found.host()).ok("approve", id=await found.propose(sha))
        await until_built(found)
        following = asyncio.ensure_future(followed(await found.host(), 1))
        await asyncio.sleep(0)
        held.set()
        lines, row = await following
        assert row["step"] == "deployed"
        steps = [line.split()[-1] for line in lines if not line.startswith(" ")]
        wanted = ["queued", "building", "applying", "restarting", "checking", "committing"]
        wanted.append("deployed")
        assert steps == wanted
        assert lines[2:4] == ["    building '/nix/store/x'", "    \\x1b[2Jgone\\x07"]
        again, _ = await followed(await found.host(), 1)
        assert again == lines
        file = found.hive.paths.deploys_dir / "1.log"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_a_long_output_the_beginning_and_the_end_are_kept() -> None:
    log = DeployLog()
    for number in range(100_000):
        log.add(f"line {number}")
    lines, position = log.after(0)
    assert position == 100_000
    assert (lines[0], lines[-1]) == ("line 0", "line 99999")
    gaps = [line for line in lines if "left out" in line]
    assert gaps == [f"[hive] {100_000 - len(lines) + 1} lines left out"]
    assert sum(len(line) + 1 for line in lines) <= 256 * 1024 + 100
    assert log.after(position) == ([], position)
    log.add("one more")
    assert log.after(position) == (["one more"], position + 1)


async def test_a_deploy_whose_probe_fails_is_rolled_back_with_its_last_lines(site: Site) -> None:
    runtime = ScriptedRuntime(probes=deque([(3, ("looking", "port \x1b[1m8080 is closed"))]))
    async with field(site, runtime) as found:
        first = await found.deployed(TOML)
        await approved(found, PROBED)
        deploy = await ended(found, 2)
        assert deploy.step is DeployStep.FAILED
        assert deploy.error is not None
        assert "exited with status 3: looking; port \\x1b[1m8080 is closed" in deploy.error
        assert found.hive.parts.registry.agent("alice").record.applied == first


async def test_a_deploy_whose_probe_succeeds_is_kept(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with field(site, runtime) as found:
        await found.deployed(TOML)
        second = await found.deployed(PROBED)
        assert runtime.verbs("alice").count("probe") == 1
        assert found.hive.parts.registry.agent("alice").record.applied == second


async def test_a_deploy_is_cancelled_while_it_is_built(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        held = found.runtime.hold("update", "alice")
        await approved(found)
        await reach(found, 2, DeployStep.BUILDING)
        await until_built(found)
        row = (await (await found.host()).ok("cancel_deploy", id=2))["deploy"]
        assert row["step"] == "cancelled"
        async with asyncio.timeout(5):  # the next one need not wait for the build
            assert found.hive.parts.deploys._building is None
            held.set()
            third = await found.deployed('exec = ["agent"]\nmemory_max = "9G"\n')
        assert (await ended(found, 2)).step is DeployStep.CANCELLED
        assert third != first
        assert found.memory == "9G"


async def test_a_deploy_that_has_changed_its_agent_is_not_cancelled(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        held = found.runtime.hold("stop", "alice")
        await approved(found)
        await reach(found, 2, DeployStep.RESTARTING)
        with pytest.raises(ConflictError, match="is restarting and cannot be cancelled"):
            await found.hive.parts.deploys.cancel(2, "too late")
        held.set()
        assert (await ended(found, 2)).step is DeployStep.DEPLOYED


async def test_approvals_are_deployed_in_the_order_of_the_decisions(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = [0.2, 0.1, 0.0]  # the first git of all is the slowest
    read_head = AppliedRepository.head

    async def slow_head(self: AppliedRepository) -> str | None:
        await asyncio.sleep(delays.pop(0) if delays else 0.0)
        return await read_head(self)

    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        numbers = [
            await found.propose(
                await found.commit(f'exec = ["agent"]\nmemory_max = "{size}G"\n'),
                "request_apply_commit",
            )
            for size in (5, 6, 7)
        ]
        monkeypatch.setattr(AppliedRepository, "head", slow_head)
        host = await found.host()
        for number in numbers:
            await host.ok("approve", id=number)
        await found.hive.parts.approvals.wait_carried_out(numbers[-1])
        rows = (await host.ok("deploys"))["deploys"]
        assert [each["approval"] for each in rows] == [1, *numbers]
        assert found.memory == "7G"


async def test_a_newer_deploy_replaces_one_that_still_waits(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        held = found.runtime.hold("update", "alice")
        for size in (5, 6, 7):
            await approved(found, f'exec = ["agent"]\nmemory_max = "{size}G"\n')
        await until_built(found)
        await reach(found, 4, DeployStep.QUEUED)
        held.set()
        second, third, fourth = [await ended(found, number) for number in (2, 3, 4)]
        assert second.step is DeployStep.DEPLOYED
        assert third.step is DeployStep.CANCELLED
        assert third.error == "deploy 4 of 'alice' replaces it"
        assert fourth.step is DeployStep.DEPLOYED
        assert found.memory == "7G"


async def held_deploy(found: Field, verb: str) -> asyncio.Event:
    """Deploy alice's second change up to `verb`; return the event that lets it go on."""
    await found.deployed(TOML)
    held = found.runtime.hold(verb, "alice")
    before = len(found.runtime.verbs("alice"))
    await approved(found)
    async with asyncio.timeout(10):
        while verb not in found.runtime.verbs("alice")[before:]:
            await asyncio.sleep(0.005)
    return held


@pytest.mark.parametrize("verb", ["update", "stop", "start"])
async def test_an_agent_that_the_operator_stops_during_a_deploy_is_changed_and_stays_stopped(
    site: Site, verb: str
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        held = await held_deploy(found, verb)
        host = await found.host()
        stopping = asyncio.ensure_future(host.ok("kill", name="alice"))
        async with asyncio.timeout(10):
            while found.hive.parts.registry.agent("alice").record.desired is Desired.RUNNING:
                await asyncio.sleep(0.005)
        held.set()
        await stopping
        assert (await ended(found, 2)).step is DeployStep.DEPLOYED
        assert "alice" not in found.runtime.machines
        await host.ok("start", scope={"agent_names": ["alice"]})
        assert found.memory == "8G"


@pytest.mark.parametrize("verb", ["update", "start"])
async def test_an_agent_that_is_destroyed_during_a_deploy_is_not_made_anew(
    site: Site, verb: str
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        held = await held_deploy(found, verb)
        host = await found.host()
        destroying = asyncio.ensure_future(host.ok("destroy", name="alice"))
        await asyncio.sleep(0.05)
        held.set()
        await destroying
        deploy = await ended(found, 2)
        # Once it is restarted, the deploy may end before the removal of the agent begins.
        if verb == "update" or deploy.step is not DeployStep.DEPLOYED:
            assert deploy.step is DeployStep.FAILED
            assert "destroyed" in (deploy.error or "")
        assert "alice" not in found.hive.parts.registry
        assert "alice" not in found.runtime.machines


async def test_a_restart_by_the_operator_during_the_check_is_no_failure(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await approved(found)
        await reach(found, 2, DeployStep.CHECKING)
        await (await found.host()).ok("restart", name="alice")
        assert (await ended(found, 2)).step is DeployStep.DEPLOYED
