"""An open hive that builds NixOS systems with git, Nix and a stub of nixpkgs, without a network."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import evolve

from hive.config import Containers, RuntimeName
from hive.flakes.meta_flake import MetaFlake
from hive.flakes.nix_runner import find_nix
from tests.deploys.test_deploys import TOML, Field
from tests.support.hives import Site, swarm
from tests.support.repositories import Repository
from tests.support.runtimes import ScriptedRuntime

NIXPKGS = """
{
  outputs = { self }: {
    lib.nixosSystem = { modules }:
      let
        read = module:
          if builtins.isAttrs module then module
          else if builtins.isFunction module then module { options.boot = { }; }
          else import module;
        all = builtins.foldl' (a: b: a // b) { } (map read modules);
        say = "echo building ${toString all.version}; ${all.fails or ""}";
      in {
        config.system.build.toplevel = derivation {
          name = "system-${all.networking.hostName}";
          system = all.nixpkgs.hostPlatform;
          builder = "/bin/sh";
          args = [ "-c" "${say} echo ok > $out" ];
        };
      };
  };
}
"""

NIX = find_nix()

builds = [
    pytest.mark.skipif(NIX is None, reason="this machine has no nix"),
    pytest.mark.skipif(os.geteuid() != 0, reason="this store belongs to root"),
    pytest.mark.loops("asyncio"),
]
"""Marks of tests that build with the real Nix."""


@pytest.fixture
def nixpkgs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository of a stub of nixpkgs; Nix is set up to build without a network."""
    options = ("build-users-group =", "sandbox = false", "substituters =")
    monkeypatch.setenv("NIX_CONFIG", "\n".join(options))
    repository = Repository(tmp_path / "nixpkgs")
    repository.commit({"flake.nix": NIXPKGS})
    return repository


class NixField(Field):
    """An open hive under the runtime of NixOS containers, with a repository of nixpkgs."""

    nixpkgs: Repository

    @property
    def meta(self) -> MetaFlake:
        found = self.hive.parts.deploys._services.meta
        assert found is not None
        return found

    async def publish(self, text: str = NIXPKGS) -> str:
        """Commit a newer nixpkgs and return its revision."""
        return await asyncio.to_thread(self.nixpkgs.commit, {"flake.nix": text})

    async def deploy_system(self, name: str, nix: str = "{ version = 1; }") -> str:
        """Propose and approve an agent with a system; return its commit."""

        def write() -> str:
            repository = Repository(self.hive.paths.proposed(name))
            return repository.commit({"agent.toml": TOML, "agent.nix": nix})

        sha = await asyncio.to_thread(write)
        is_new = name not in self.hive.parts.registry
        subject = {"name": name} if is_new else {"agent": name}
        verb = "request_spawn" if is_new else "request_apply_commit"
        line = await self.manager()
        answer = await line.ok(verb, commit_ref=sha, **subject)
        row = await self.approve(int(answer["approval"]))
        assert row["status"] == "done", row
        return sha

    async def update_inputs(self, *inputs: str) -> int:
        """Submit newer inputs; return the number of the approval."""
        line = await self.host()
        answer = await line.ok("update_inputs", inputs=list(inputs))
        return int(answer["approval"]["id"])

    async def revision(self) -> str:
        """Return the revision of nixpkgs that the flake is at, as the files have it."""
        text = await asyncio.to_thread((self.meta.path / "flake.lock").read_text)
        found = await asyncio.to_thread(self.nixpkgs.git, "rev-list", "--all")
        (rev,) = [each for each in found.splitlines() if each in text]
        return rev

    async def changes(self) -> str:
        """Return what of the flake is not committed."""
        return (await self.meta._run_git("status", "--porcelain")).decode()


@asynccontextmanager
async def nix_field(
    site: Site,
    runtime: ScriptedRuntime,
    nixpkgs: Repository | Path,
    *,
    hyperhive: str | None = None,
) -> AsyncIterator[NixField]:
    """Open a hive whose nixpkgs is on this machine: a repository, or that of the fake Nix.

    Args:
        hyperhive: The flake reference of hyperhive.
    """
    reference = f"path:{nixpkgs}"
    if isinstance(nixpkgs, Repository):
        reference = f"git+file://{nixpkgs.path}"
    config = evolve(
        swarm(manager=True),
        runtime=RuntimeName.NIXOS_CONTAINER,
        containers=Containers(nixpkgs=reference, hyperhive=hyperhive),
    )
    async with site.real(runtime, config) as hive:
        found = NixField(hive, runtime)
        if isinstance(nixpkgs, Repository):
            found.nixpkgs = nixpkgs
        try:
            yield found
        finally:
            for line in found.lines:
                line.writer.close()
