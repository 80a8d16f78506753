"""Proposals, approvals and deploys in a whole hive with scripted containers and real git."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hive.approvals import approval_queue
from hive.approvals.approval_queue import Decider
from hive.approvals.decisions import OperatorChoice
from hive.daemon.hive import Hive
from hive.deploys import deploy_queue
from hive.deploys.deploy_queue import DeployQueue
from hive.store import ParticipantOrigin, Store, StoreError
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.store.deploys import DeployStep, newest
from hive.store.transaction import Op
from tests.support.hives import Line, Site, site, swarm
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

TOML = 'exec = ["agent"]\n'
BIGGER = 'exec = ["agent"]\nmemory_max = "8G"\n'


class Field:
    """An open hive with a manager and its proposed repository of alice."""

    def __init__(self, hive: Hive, runtime: ScriptedRuntime) -> None:
        self.hive = hive
        self.runtime = runtime
        self.lines: list[Line] = []

    async def commit(self, text: str = TOML, name: str = "alice") -> str:
        def write() -> str:
            repository = Repository(self.hive.paths.proposed(name))
            return repository.commit({"agent.toml": text})

        return await asyncio.to_thread(write)

    async def manager(self) -> Line:
        return await self._line(self.hive.paths.agent_socket("hm1nd"))

    async def host(self) -> Line:
        return await self._line(self.hive.paths.host_socket)

    async def _line(self, path: Path) -> Line:
        self.lines.append(await Line.to(path))
        return self.lines[-1]

    async def propose(self, sha: str, verb: str = "request_spawn", **fields: Any) -> int:
        line = await self.manager()
        subject = {"name": "alice"} if verb == "request_spawn" else {"agent": "alice"}
        answer = await line.ok(verb, commit_ref=sha, **subject, **fields)
        return int(answer["approval"])

    async def approve(self, number: int) -> dict[str, Any]:
        line = await self.host()
        await line.ok("approve", id=number)
        while True:
            row: dict[str, Any] = (await line.ok("approval", id=number))["approval"]
            if "resolved_at" in row:
                return row
            await asyncio.sleep(0.02)

    async def deployed(self, text: str) -> str:
        """Propose and approve a manifest of alice; return its commit."""
        sha = await self.commit(text)
        known = "alice" in self.hive.parts.registry
        verb = "request_apply_commit" if known else "request_spawn"
        row = await self.approve(await self.propose(sha, verb))
        assert row["status"] == "done", row
        return sha

    @property
    def memory(self) -> str | None:
        return self.runtime.specs["alice"].memory_max

    async def tags(self) -> dict[str, str]:
        assert self.hive.parts is not None
        repositories = self.hive.parts.deploys._services.repositories
        return dict(await repositories.applied("alice").tags())


@asynccontextmanager
async def field(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Field]:
    async with site.real(runtime, swarm(manager=True)) as hive:
        found = Field(hive, runtime)
        try:
            yield found
        finally:
            for line in found.lines:
                line.writer.close()


async def test_a_proposed_agent_is_spawned_when_it_is_approved(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        number = await found.propose(sha, description="a helper")
        assert "alice" not in found.hive.parts.registry
        row = await found.approve(number)
        assert (row["status"], row["fetched_sha"]) == ("done", sha)
        record = found.hive.parts.registry.agent("alice").record
        assert (record.origin, record.applied) == (ParticipantOrigin.REPOSITORY, sha)
        assert "alice" in found.runtime.machines
        assert await found.tags() == dict.fromkeys(
            ("proposal/1", "approved/1", "building/1", "deployed/1"), sha
        )


async def test_a_new_configuration_is_applied_by_a_restart(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        second = await found.deployed(BIGGER)
        assert found.memory == "8G"
        host = await found.host()
        rows = (await host.ok("deploys"))["deploys"]
        assert [row["step"] for row in rows] == ["deployed", "deployed"]
        assert rows[1]["sha"] == second


async def test_a_deploy_of_a_frozen_agent_says_that_it_waits_for_the_thaw(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        host = await found.host()
        await host.ok("estop", names=["alice"])
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        await host.ok("approve", id=number)
        while (row := (await host.ok("deploys"))["deploys"][-1])["step"] != "restarting":
            assert "waits" not in row
            await asyncio.sleep(0.02)
        assert row["waits"].startswith("waits: 'alice' is frozen by 'hive-c0re estop' at ")
        assert row["waits"].endswith("'hive-c0re thaw alice' lets it go on")
        await host.ok("thaw")
        while (row := (await host.ok("deploys"))["deploys"][-1])["step"] != "deployed":
            await asyncio.sleep(0.02)
        assert "waits" not in row


async def test_the_time_for_which_an_agent_is_frozen_is_not_that_of_a_step(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        monkeypatch.setattr(DeployQueue, "_limit", lambda queue, deploy: 0.5)
        host = await found.host()
        await host.ok("estop", names=["alice"])
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        await host.ok("approve", id=number)
        while (row := (await host.ok("deploys"))["deploys"][-1])["step"] != "restarting":
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        row = (await host.ok("deploys"))["deploys"][-1]
        assert (row["step"], row.get("error")) == ("restarting", None)
        monkeypatch.undo()
        await host.ok("thaw")
        while (row := (await host.ok("deploys"))["deploys"][-1])["step"] != "deployed":
            await asyncio.sleep(0.02)


async def test_a_cancelled_deploy_ends_although_the_disk_is_full_at_that_moment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold its approval for ever, and the next daemon would carry it out after all."""
    monkeypatch.setattr(deploy_queue, "RETRY_SECONDS", 0.01)
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        found.runtime.hold("update", "alice")
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        host = await found.host()
        await host.ok("approve", id=number)
        while (await host.ok("deploys"))["deploys"][-1]["step"] != "building":
            await asyncio.sleep(0.02)
        fail_once(monkeypatch, found.hive.parts.store)
        cancelled = await found.hive.parts.deploys.cancel(2, "no more")
        assert cancelled.step is DeployStep.CANCELLED
        ended = await asyncio.wait_for(found.hive.parts.approvals.wait_carried_out(number), 10)
        assert ended.state is ApprovalState.FAILED
        [stored] = [each for each in await found.hive.parts.store.read(newest(9)) if each.id == 2]
        assert stored.step is DeployStep.CANCELLED


async def test_the_outcome_of_an_approval_is_stored_once_the_disk_takes_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval_queue, "RETRY_SECONDS", 0.01)
    async with field(site, ScriptedRuntime()) as found:
        approvals = found.hive.parts.approvals
        held = asyncio.Event()

        async def carry_out(approval: Approval) -> None:
            await held.wait()

        approvals.register(ApprovalKind.INIT_CONFIG, carry_out)
        draft = Approval(ApprovalKind.INIT_CONFIG, "alice", "hm1nd", 1.0)
        number = (await approvals.submit(draft)).id
        await approvals.decide(number, OperatorChoice.APPROVE, Decider())
        fail_once(monkeypatch, found.hive.parts.store)
        held.set()
        assert (await approvals.wait_carried_out(number)).state is ApprovalState.DONE


def fail_once(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Let the next write fail as on a full disk."""
    write, failures = store.write, iter([StoreError("the disk is full")])

    def full(op: Op[Any], *arguments: Any) -> Any:
        for error in failures:
            raise error
        return write(op, *arguments)

    monkeypatch.setattr(store, "write", full)


async def test_a_deploy_that_cannot_start_is_rolled_back(site: Site) -> None:
    """Mistake 27: what failed to build had moved the branch of what runs."""
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        sha = await found.commit(BIGGER)
        number = await found.propose(sha, "request_apply_commit")
        found.runtime.failing_starts["alice"] = deque(["no such image"])
        row = await found.approve(number)
        assert row["status"] == "failed"
        assert "no such image" in row["error"]
        record = found.hive.parts.registry.agent("alice").record
        assert record.applied == first
        assert found.memory == "4G"
        tags = await found.tags()
        assert (
            await found.hive.parts.deploys._services.repositories.applied("alice").head() == first
        )
        assert tags["failed/2"] == sha
        assert "deployed/2" not in tags


@pytest.mark.parametrize("verb", ["approve", "deny", "pending", "approval", "audit", "rollback"])
async def test_no_participant_can_decide(site: Site, verb: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.propose(await found.commit())
        line = await found.manager()
        answer = await line.ask(verb, id=1, name="alice")
        assert not answer["ok"]
        assert [each.id for each in found.hive.parts.approvals.pending] == [1]


async def test_rollback_returns_to_the_deploy_before(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        await found.deployed(BIGGER)
        host = await found.host()
        queued = (await host.ok("rollback", name="alice"))["deploy"]
        deploy = await found.hive.parts.deploys.get(queued["id"])
        await found.hive.parts.deploys.wait_ended(deploy)
        assert found.hive.parts.registry.agent("alice").record.applied == first
        assert found.memory == "4G"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            TOML + 'image = "debian"\n',
            ", line 2: image: 'image' is for the runtime 'machinectl'",
        ),
        (
            TOML + 'network = "veth"\n',
            ", line 2: network: the network 'veth' is for the runtime",
        ),
        ('run = ["a"]\ntime_limit = "1h"\n', ", line 2: time_limit: the lease (900 s) must be"),
        (TOML + 'projekt = "x"\n', ", line 2: projekt: there is no such key; did you mean"),
        (TOML + "#" * (1 << 16), "has 65553 bytes, at most 65536 are allowed"),
    ],
)
async def test_a_manifest_that_does_not_fit_the_hive_is_refused_before_anything_waits(
    site: Site, text: str, sentence: str
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit(text)
        line = await found.manager()
        _, error = await line.refused("request_spawn", name="alice", commit_ref=sha)
        assert sentence in error
        assert (await (await found.host()).ok("pending"))["approvals"] == []
