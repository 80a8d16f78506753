"""`history`: what an agent ran, who decided on it, and what it runs now."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")


async def history(found: Field, name: str = "alice", **fields: Any) -> dict[str, Any]:
    return await (await found.host()).ok("history", name=name, **fields)


async def test_it_has_each_deploy_with_who_decided_and_how_it_ended(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        sha = await found.commit(BIGGER)
        number = await found.propose(sha, "request_apply_commit", description="more memory")
        found.runtime.failing_starts["alice"] = deque(["no such image"])
        await found.approve(number)
        answer = await history(found)
        good, bad = answer["entries"]
        assert (good["sha"], good["outcome"], good["runs"]) == (first, "deployed", True)
        assert (good["approval"], good["requested_by"]) == (1, "hm1nd")
        assert good["decided_by"].startswith("operator (uid ")
        assert (bad["sha"], bad["outcome"], bad["description"]) == (sha, "failed", "more memory")
        assert "no such image" in bad["error"]
        assert "runs" not in bad
        assert answer["runs"] == f"agent.toml of {first[:12]}"


async def test_after_a_rollback_the_rollback_runs(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        second = await found.deployed(BIGGER)
        host = await found.host()
        queued = (await host.ok("rollback", name="alice"))["deploy"]
        await found.hive.parts.deploys.wait_ended(await found.hive.parts.deploys.get(queued["id"]))
        rows = (await history(found))["entries"]
        assert [(each["sha"], each["source"]) for each in rows] == [
            *((first, "approval"), (second, "approval"), (first, "rollback")),
        ]
        assert [each["deploy"] for each in rows if each.get("runs")] == [3]
        assert rows[2]["decided_by"] == "operator"
        assert [each["subject"] for each in rows] == ["a change"] * 3, "also of the rollback"
        assert [each["deploy"] for each in (await history(found, max=2))["entries"]] == [2, 3]


async def test_it_is_read_backwards_and_marks_only_what_runs(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        first = await found.deployed(TOML)
        await found.deployed(BIGGER)
        host = await found.host()
        queued = (await host.ok("rollback", name="alice"))["deploy"]
        await found.hive.parts.deploys.wait_ended(await found.hive.parts.deploys.get(queued["id"]))
        whole = (await history(found))["entries"]
        [newest] = (await history(found, max=1))["entries"]
        assert (newest["subject"], newest["runs"]) == ("a change", True)
        before = (await history(found, max=1, before=3))["entries"]
        assert [*(await history(found, before=2))["entries"], *before, newest] == whole
        assert (whole[0]["sha"], whole[0].get("runs")) == (first, None), "its rollback runs"
        assert (await history(found, before=1))["entries"] == []


async def test_of_one_that_was_destroyed_the_history_stays(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await (await found.host()).ok("destroy", name="alice")
        answer = await history(found)
        assert [each["outcome"] for each in answer["entries"]] == ["deployed"]
        assert "runs" not in answer
        assert "runs" not in answer["entries"][0]


async def test_of_one_that_was_released_the_history_stays(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        await (await found.host()).ok("release", name="alice")
        answer = await history(found)
        assert [each["outcome"] for each in answer["entries"]] == ["deployed"]
        assert "runs" not in answer


@pytest.mark.parametrize("verb", ["deploys", "audit"])
async def test_a_name_that_nothing_is_about_is_unknown(site: Site, verb: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        host = await found.host()
        code, error = await host.refused(verb, name="alise")
        assert (code, "did you mean 'alice'?" in error) == ("unknown_name", True)
        await host.ok("destroy", name="alice")
        await host.ok(verb, name="alice")
        await host.ok(verb, name="hm1nd")


@pytest.mark.parametrize("verb", ["deploys", "history"])
async def test_an_agent_whose_spawn_was_just_approved_is_known(site: Site, verb: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit(TOML)
        approval = await found.propose(sha)
        host = await found.host()
        await host.ok("approve", id=approval)
        answer = await host.ok(verb, name="alice")
        assert [row["sha"] for row in answer.get("deploys", ())] in ([], [sha])


async def test_an_agent_without_deploys_says_where_its_manifest_comes_from(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        assert await history(found, "hm1nd") == {
            "version": 1,
            "ok": True,
            "name": "hm1nd",
            "entries": [],
            "runs": "hive.toml",
        }


async def test_a_name_that_is_none(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.hive.register_peer("damocles")
        host = await found.host()
        assert "no participant 'alise'" in (await host.refused("history", name="alise"))[1]
        assert "is a peer" in (await host.refused("history", name="damocles"))[1]
