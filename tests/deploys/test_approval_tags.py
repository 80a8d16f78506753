"""A tag that a message names exists, however an approval of a commit ends; real git."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from hive.store.deploys import DeployStep
from tests.deploys.test_deploy_requests import approved, reach
from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]


async def told(found: Field, *numbers: int) -> list[dict[str, Any]]:
    """Return what the manager is told about the ends of approvals."""
    manager, bodies = await found.manager(), dict[int, dict[str, Any]]()
    async with asyncio.timeout(20):
        while not bodies.keys() >= {*numbers}:
            for message in (await manager.ok("recv", wait_seconds=5, max=8))["messages"]:
                body = json.loads(message["body"])
                if body["event"] == "approval_resolved":
                    bodies[body["id"]] = body
    return [bodies[each] for each in numbers]


async def words_of(found: Field, tag: str) -> str:
    """Return the message of a tag of alice."""
    assert found.hive.parts is not None
    repositories = found.hive.parts.deploys._services.repositories
    shown = await repositories.applied("alice")._run("for-each-ref", "--format=%(contents)", tag)
    return shown.decode().strip()


async def building(found: Field) -> None:
    """Approve a second manifest, whose deploy is in the middle of its build then."""
    await found.deployed(TOML)
    found.runtime.hold("update", "alice")
    await approved(found)
    await reach(found, 2, DeployStep.BUILDING)


async def test_a_cancelled_deploy_has_the_tag_that_its_message_names(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await building(found)
        await (await found.host()).ok("cancel_deploy", id=2)
        (body,) = await told(found, 2)
        assert (body["status"], body["tag"]) == ("failed", "failed/2")
        assert (await found.tags())["failed/2"] == body["sha"]
        assert await words_of(found, "refs/tags/failed/2") == body["error"]
        assert "cancelled" in body["error"]


async def test_one_whose_agent_was_destroyed_has_it_too(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await building(found)
        number = await found.propose(await found.commit(f"{BIGGER}#\n"), "request_apply_commit")
        await (await found.host()).ok("approve", id=number)
        await (await found.host()).ok("destroy", name="alice")
        found.runtime.held[("update", "alice")].set()
        for body in await told(found, 2, number):
            assert "destroyed" in body["error"], body
            assert (await found.tags())[body["tag"]] == body["sha"]
        assert "alice" not in found.hive.parts.registry


async def test_a_decision_is_a_tag_with_who_decided_and_why(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        host = await found.host()
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        await host.ok("deny", id=number, note="not now")
        tags = await found.tags()  # at once: it is there when the decision is answered
        assert {"approved/1", "denied/2"} <= set(tags)
        assert {"approved/2", "failed/2"}.isdisjoint(tags)
        words = await words_of(found, "refs/tags/denied/2")
        assert words.startswith("denied by operator")
        assert words.endswith(": not now")


@pytest.mark.parametrize("gone", [True, False])
async def test_a_tag_that_cannot_be_made_is_not_named(site: Site, *, gone: bool) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        applied = found.hive.paths.applied("alice")
        if gone:
            await asyncio.to_thread(shutil.rmtree, applied)
        else:  # a name of git that is taken as a directory
            repositories = found.hive.parts.deploys._services.repositories
            await repositories.applied("alice").tag("denied/2/other", first, "x")
        await (await found.host()).ok("deny", id=number)
        (body,) = await told(found, number)
        assert "tag" not in body
        state = "its state is unknown" if gone else f"main is at {first[:12]}"
        assert body["repository"].startswith(f"{state}; there is no tag denied/2: ")
