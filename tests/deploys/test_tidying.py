"""What old deploys leave behind is bounded; what is needed stays."""

import asyncio

from hive.deploys import tidying
from hive.deploys.tidying import InUse, commits_in_use, surplus_tags
from hive.store.deploys import Deploy, DeploySource, DeployStep
from tests.deploys.test_deploys import Field, field, site
from tests.support.hives import Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

TAGS = {
    **{f"deployed/{number}": f"d{number}" for number in range(60)},
    **{f"proposal/{number}": f"p{number}" for number in range(60)},
}


def deploy(number: int, sha: str, step: DeployStep = DeployStep.DEPLOYED) -> Deploy:
    return Deploy("alice", DeploySource.APPROVAL, sha, 0.0, id=number, step=step, previous="p")


def test_the_oldest_tags_beyond_the_limits_are_deleted() -> None:
    wanted = [*(f"deployed/{each}" for each in range(10)), *(f"proposal/{n}" for n in range(10))]
    assert surplus_tags(TAGS, InUse()) == wanted
    assert surplus_tags(dict(list(TAGS.items())[:50]), InUse()) == []


def test_a_tag_of_an_open_approval_or_of_a_needed_commit_stays() -> None:
    kept = surplus_tags(TAGS, InUse({"3"}, {"d4", "p5"}))
    assert not {"proposal/3", "deployed/3", "deployed/4", "proposal/5"} & set(kept)
    assert len(kept) == 16


def test_what_runs_what_ran_before_and_what_waits_is_in_use() -> None:
    past = [deploy(1, "a"), deploy(2, "b"), deploy(3, "x", DeployStep.FAILED), deploy(4, "c")]
    assert commits_in_use("c", past, []) == {"b", "c"}
    assert commits_in_use("c", past, [deploy(5, "a", DeployStep.QUEUED)]) == {"a", "b", "c", "p"}
    assert commits_in_use(None, [], []) == set()


def files_of(found: Field) -> set[str]:
    directory = found.hive.paths.deployed_of("alice")
    return {entry.name for entry in directory.iterdir()}


async def test_a_deploy_removes_the_files_and_tags_of_old_ones(site, monkeypatch) -> None:
    """Mistake 31 of the existing hyperhive: up to five tags for each approval, and none removed."""
    monkeypatch.setattr(tidying, "DEPLOYED_TAGS", 2)
    monkeypatch.setattr(tidying, "OTHER_TAGS", 2)
    await _deploy_four_times(site)


async def _deploy_four_times(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        shas = [
            await found.deployed(f'exec = ["agent"]\nmemory_max = "{size}G"\n')
            for size in (5, 6, 7, 8)
        ]
        async with asyncio.timeout(10):
            while await asyncio.to_thread(files_of, found) != set(shas[-2:]):
                await asyncio.sleep(0.01)
        tags = await found.tags()
        assert {tag for tag in tags if tag.startswith("deployed/")} == {"deployed/3", "deployed/4"}
        others = {tag for tag in tags if not tag.startswith("deployed/")}
        assert others == {
            f"{word}/{number}" for word in ("proposal", "approved", "building") for number in (3, 4)
        }
        host = await found.host()
        queued = (await host.ok("rollback", name="alice"))["deploy"]
        deploys = found.hive.parts.deploys
        await deploys.wait_ended(await deploys.get(queued["id"]))
        assert found.memory == "7G"
