"""Proposals that cannot be used are refused before anything waits, and leave nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hive.config import MANIFEST_BYTES
from hive.names import OPERATOR
from tests.deploys.test_deploys import BIGGER, TOML, Field, field, site
from tests.support.hives import Site
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")

Build = Callable[[Repository], str]


def of_blob(mode: str, content: bytes) -> Build:
    def build(repository: Repository) -> str:
        blob = repository.blob(content)
        return repository.commit_tree(repository.tree((mode, "agent.toml", blob)))

    return build


def no_manifest(repository: Repository) -> str:
    return repository.commit({"README": "x\n"})


def directory(repository: Repository) -> str:
    return repository.commit({"agent.toml/x": TOML})


def submodule(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("160000", "agent.toml", "1" * 40)))


REFUSED: dict[str, tuple[Build, str]] = {
    "none": (no_manifest, "has no plain file agent.toml"),
    "directory": (directory, "has no plain file agent.toml"),
    "submodule": (submodule, "is a submodule"),
    "link": (of_blob("120000", b"other"), "has no plain file agent.toml"),
    "long": (of_blob("100644", b"#" * (4 << 20)), f"at most {MANIFEST_BYTES} are allowed"),
    "empty": (of_blob("100644", b""), "run"),
    "nul": (of_blob("100644", b'exec = ["a\0"]'), "Illegal character"),
    "bom": (of_blob("100644", b"\xef\xbb\xbf" + TOML.encode()), ", line 1: "),
    "utf-16": (of_blob("100644", TOML.encode("utf-16")), "not UTF-8 at byte 0"),
    "unknown key": (of_blob("100644", b'exce = ["a"]\n'), ", line 1: exce"),
    "escape": (of_blob("100644", b'exec = ["\\u001b[2J"]\nx = 1\n'), ", line 2: "),
}


async def write(found: Field, build: Build, name: str = "alice") -> str:
    repository = await asyncio.to_thread(Repository, found.hive.paths.proposed(name))
    return await asyncio.to_thread(build, repository)


async def propose(found: Field, sha: str, name: str = "alice") -> dict[str, Any]:
    return await (await found.manager()).ask("request_spawn", name=name, commit_ref=sha)


@pytest.mark.parametrize("case", REFUSED)
async def test_a_manifest_that_cannot_be_used(site: Site, case: str) -> None:
    """Mistakes 29 and 30 of the existing hyperhive: bad proposals found late, phantom rows."""
    build, words = REFUSED[case]
    async with field(site, ScriptedRuntime()) as found:
        answer = await propose(found, await write(found, build))
        assert not answer["ok"]
        assert words in answer["error"]
        assert "\x1b" not in answer["error"]
        assert found.hive.parts.approvals.pending == ()
        assert not found.hive.paths.applied("alice").exists(), "nothing is left"


@pytest.mark.parametrize("content", [TOML.replace("\n", "\r\n"), TOML])
@pytest.mark.parametrize("mode", ["100644", "100755"])
async def test_an_unusual_manifest_that_can_be_used(site: Site, content: str, mode: str) -> None:
    async with field(site, ScriptedRuntime()) as found:
        answer = await propose(found, await write(found, of_blob(mode, content.encode())))
        assert answer["ok"], answer


async def test_without_a_repository_the_answer_says_what_to_do(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        for fields in ({}, {"commit_ref": "1234567"}):
            answer = await host.ask("request_spawn", name="alice", **fields)
            assert not answer["ok"]
            assert str(found.hive.paths.proposed("alice")) in answer["error"]
            assert "agent.toml" in answer["error"]
        assert not found.hive.paths.applied("alice").exists()


async def test_a_repeated_proposal_leaves_no_objects(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        assert (await propose(found, sha))["ok"]
        applied = found.hive.paths.applied("alice")
        before = await asyncio.to_thread(lambda: sorted(applied.rglob("*")))
        answer = await propose(found, sha)
        assert "asks for the same and waits already" in answer["error"]
        assert await asyncio.to_thread(lambda: sorted(applied.rglob("*"))) == before


async def test_what_an_interrupted_import_left_is_removed_at_the_next_start(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        await found.deployed(TOML)
        applied, deployed = found.hive.paths.applied("alice"), found.hive.paths.deployed_dir
    left: list[Path] = [applied / "incoming-x" / "objects", deployed / "alice" / ".writing-y"]
    for path in left:
        path.mkdir(parents=True)
    async with field(site, ScriptedRuntime()):
        async with asyncio.timeout(10):
            while any(path.exists() for path in left):
                await asyncio.sleep(0.02)
        assert (applied / "HEAD").exists()


@pytest.mark.parametrize("base", ["--output=proof", "main", "HEAD", "-S", "abc", "proposal/1"])
async def test_the_base_of_a_difference_is_an_id(site: Site, base: str) -> None:
    """The host's socket is open to a group; git's options are not."""
    async with field(site, ScriptedRuntime()) as found:
        await found.propose(await found.commit())
        answer = await (await found.host()).ask("diff", id=1, base=base)
        assert answer["code"] == "bad_request"
        assert "7 to 40 hexadecimal digits" in answer["error"]


async def test_a_base_that_the_agent_has_not_is_an_unknown_one(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        await found.propose(sha)
        host = await found.host()
        for base in ("ab" * 20, "abcdef0"):
            code, error = await host.refused("diff", id=1, base=base)
            assert code == "not_found"
            assert f"has no commit {base}; 'hive-c0re history alice'" in error
        assert (await host.ok("diff", id=1, base=sha[:7]))["diff"] == ""


async def test_a_difference_has_its_commit(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        await found.propose(sha)
        answer = await (await found.host()).ok("diff", id=1)
        assert answer["sha"] == sha
        assert f"+{TOML}" in answer["diff"]


async def test_what_was_approved_can_be_looked_at_afterwards(site: Site) -> None:
    async with field(site, ScriptedRuntime()) as found:
        host = await found.host()
        await found.deployed(TOML)
        number = await found.propose(await found.commit(BIGGER), "request_apply_commit")
        before = (await host.ok("diff", id=number))["diff"]
        assert "memory_max" in before
        assert (await found.approve(number))["status"] == "done"
        assert (await host.ok("diff", id=number))["diff"] == before
        await found.deployed(TOML + "# again\n")
        assert (await host.ok("diff", id=number))["diff"] == before, "also when it runs no more"
        assert f"+{TOML}" in (await host.ok("diff", id=1))["diff"], "the first one has no before"


async def test_another_repository_of_the_manager_is_no_source(site: Site) -> None:
    """Mistake 48: a name with '..' in it reached directories of others."""
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.commit()
        for name in ("../proposed/alice", ".", "..", "alice/", "Alice", OPERATOR, "hm1nd"):
            answer = await propose(found, sha, name)
            assert not answer["ok"], name
        assert found.hive.parts.approvals.pending == ()
