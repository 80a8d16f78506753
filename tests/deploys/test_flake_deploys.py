"""Deploys of NixOS systems: real git and a real Nix, a stub of nixpkgs, scripted containers."""

import asyncio
from collections import deque
from uuid import uuid4

import pytest

from hive.store.deploys import DeployStep
from tests.deploys.test_deploys import TOML, Field
from tests.flakes.test_flake_check import FLAKE, LOCK
from tests.support.hives import Site, site
from tests.support.nix_fields import builds, nix_field, nixpkgs
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

__all__ = ["nixpkgs", "site"]

pytestmark = builds


async def commit(found: Field, **files: str) -> str:
    def write() -> str:
        repository = Repository(found.hive.paths.proposed("alice"))
        return repository.commit({"agent.toml": TOML, **files})

    return await asyncio.to_thread(write)


async def propose(found: Field, nix: str) -> int:
    sha = await commit(found, **{"agent.nix": nix})
    verb = "request_apply_commit" if "alice" in found.hive.parts.registry else "request_spawn"
    return await found.propose(sha, verb)


async def test_systems_are_built_committed_and_restored(site: Site, nixpkgs: Repository) -> None:
    runtime = ScriptedRuntime()
    async with nix_field(site, runtime, nixpkgs) as found:
        deploys, hive, meta = found.hive.parts.deploys, found.hive, found.meta
        token = uuid4().hex  # Nix builds nothing twice
        row = await found.approve(await propose(found, f'{{ version = "{token}"; }}'))
        assert row["status"] == "done", row
        first = row["fetched_sha"]
        assert runtime.specs["alice"].origin == f"path:{hive.paths.meta_dir}#alice"
        lines = [line async for piece in deploys.follow(1) for line in piece]
        assert any(f"building {token}" in line for line in lines)

        runtime.failing_starts["alice"] = deque(["it does not boot"])
        row = await found.approve(await propose(found, "{ version = 2; }"))
        assert row["status"] == "failed"
        assert "it does not boot" in row["error"]
        text = await asyncio.to_thread((hive.paths.meta_dir / "flake.nix").read_text)
        assert first in text

        row = await found.approve(await propose(found, "{ version = nonsense; }"))
        assert "undefined variable 'nonsense'" in row["error"]
        assert (await deploys.get(3)).step is DeployStep.FAILED
        assert await meta.log() == [f"deploy alice: deploy 1, commit {first}"]


STALE = FLAKE.replace("/tools", "/others")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"flake.nix": FLAKE}, "there is no flake.lock"),
        ({"flake.nix": STALE, "flake.lock": LOCK}, "flake.lock does not fit flake.nix"),
        ({"flake.nix": FLAKE, "flake.lock": "{}"}, "flake.lock is no lock file"),
        ({"flake.nix": FLAKE.replace("+https", "+file"), "flake.lock": LOCK}, "read this machine"),
        ({"flake.nix": " " * (1 << 18) + FLAKE, "flake.lock": LOCK}, "flake.nix of"),
        ({"flake.nix": FLAKE, "flake.lock": LOCK + " " * (1 << 19)}, "flake.lock of"),
    ],
)
async def test_a_flake_that_cannot_be_built_is_refused_before_anything_waits(
    site: Site, nixpkgs: Repository, files: dict[str, str], sentence: str
) -> None:
    """Mistakes 29 and 30: it was found when the system was built, after the decision."""
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        sha = await commit(found, **{"agent.nix": "{ }", **files})
        line = await found.manager()
        _, error = await line.refused("request_spawn", name="alice", commit_ref=sha)
        assert sentence in error
        assert (await (await found.host()).ok("pending", max=10))["approvals"] == []
        assert not found.hive.paths.applied("alice").exists()


async def test_a_flake_that_fits_its_lock_may_be_proposed(site: Site, nixpkgs: Repository) -> None:
    async with nix_field(site, ScriptedRuntime(), nixpkgs) as found:
        files = {"agent.nix": "{ }", "flake.nix": FLAKE, "flake.lock": LOCK}
        number = await found.propose(await commit(found, **files))
        assert [each.id for each in found.hive.parts.approvals.pending] == [number]
