"""What waits: withdrawn by who asked, ended with its agent, shown with what is behind it."""

import asyncio
import json
from collections import deque
from typing import Any

import attrs
import pytest

from hive.approvals.approval_queue import PENDING_MAX
from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Line, Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")


async def notices_of(found: Field, event: str) -> list[dict[str, Any]]:
    """Return the operator's notices of an event once there is one: they follow the change."""
    async with asyncio.timeout(5):
        while True:
            bodies = [json.loads(message.body) for message in await found.hive.inbox("operator")]
            if notices := [body for body in bodies if body.get("event") == event]:
                return notices
            await asyncio.sleep(0.01)


async def test_the_manager_sees_and_withdraws_what_it_asked_for(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        manager = await found.manager()
        assert (await manager.ok("loose_ends"))["approvals"] == []
        await found.propose(await found.commit(), description="a helper")
        (row,) = (await manager.ok("loose_ends"))["approvals"]
        assert (row["id"], row["status"], row["description"]) == (1, "pending", "a helper")
        await manager.ok("cancel", kind="approval", id=1)
        assert (await manager.ok("loose_ends"))["approvals"] == []
        answer = await manager.ask("cancel", kind="approval", id=1)
        assert "it cannot be cancelled" in answer["error"]
        assert found.hive.parts.approvals.pending == ()


async def test_nobody_withdraws_what_another_asked_for(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await found.propose(await found.commit(BIGGER), "request_apply_commit")
        await found.commit(name="bob")
        host = await found.host()
        await host.ok("request_spawn", name="bob")
        alice = await Line.to(found.hive.paths.agent_socket("alice"))
        found.lines.append(alice)
        assert "approvals" not in await alice.ok("loose_ends")
        for line, number in ((alice, 2), (alice, 99), (await found.manager(), 3)):
            answer = await line.ask("cancel", kind="approval", id=number)
            assert answer["code"] == "not_found"
            assert f"has asked for no approval {number}" in answer["error"]
        assert [each.id for each in found.hive.parts.approvals.pending] == [2, 3]


async def test_an_approval_ends_with_its_agent(site: Site) -> None:
    """Mistake 30: approvals of an agent whose state was wiped stayed."""
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await found.propose(await found.commit(BIGGER), "request_apply_commit")
        host = await found.host()
        await host.ok("destroy", name="alice")
        await host.ok("approve", id=2)
        row = await found.approve(2)
        assert row["status"] == "failed"
        assert "'alice' was destroyed" in row["error"]
        assert "alice" not in found.hive.parts.registry
        await found.commit(TOML + "# again\n")
        number = await found.propose(await found.commit(TOML + "# more\n"))
        await found.hive.parts.proposals.cancel_orphans()
        assert [each.id for each in found.hive.parts.approvals.pending] == [number], "a spawn stays"


async def test_what_waits_about_a_destroyed_agent_is_cancelled(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await found.propose(await found.commit(BIGGER), "request_apply_commit")
        await (await found.host()).ok("destroy", name="alice")
        await found.hive.parts.proposals.cancel_orphans()
        row = (await (await found.host()).ok("approval", id=2))["approval"]
        assert (row["status"], row["note"]) == ("cancelled", "alice was removed")


async def test_what_is_behind_an_approval_is_shown(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.commit()
        await found.propose(first)
        second = await found.commit(BIGGER)
        await found.propose(second)
        answer = await (await found.host()).ok("approval", id=1)
        assert (answer["other_approvals"], answer["open_deploys"]) == ([2], [])
        assert answer["unread"] == 0


async def test_very_many_requests_are_one_notice(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        queue = found.hive.parts.approvals
        await found.propose(await found.commit())
        (draft,) = queue.pending
        for number in range(PENDING_MAX - 1):
            await queue.submit(attrs.evolve(draft, id=0, sha=f"{number:040x}"))
        assert len(queue.pending) == PENDING_MAX
        asked = await notices_of(found, "approval_requested")
        assert len(asked) == 1
        assert (asked[0]["waiting"], asked[0]["agent"]) == (1, "alice")


async def test_a_failure_is_told_to_the_operator_and_a_success_is_not(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        found.runtime.failing_starts["alice"] = deque(["no such image"])
        assert (await found.approve(number))["status"] == "failed"
        (failed,) = await notices_of(found, "approval_resolved")
        assert (failed["id"], failed["agent"], failed["status"]) == (number, "alice", "failed")
        assert "no such image" in failed["error"]


@pytest.mark.parametrize(("on_expiry", "priority"), [("escalate", "high"), ("hold", None)])
async def test_an_overdue_approval_is_told_to_the_operator(
    site: Site, on_expiry: str, priority: str | None
) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.propose(await found.commit(), ttl_seconds=1, on_expiry=on_expiry)
        await asyncio.sleep(1.1)
        await found.hive.parts.approvals.expire()
        held: list[Any] = []
        async with asyncio.timeout(5):
            while not held:
                rows = (await (await found.host()).ok("inbox", name="operator"))["messages"]
                held = [row for row in rows if '"approval_held"' in row["body"]]
        assert held[0].get("priority") == priority
