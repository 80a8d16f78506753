"""What a hive can build with the programs of this machine: git for proposals, Nix for systems."""

from __future__ import annotations

from hive.config import HiveConfig, RuntimeName
from hive.daemon.dependencies import Dependencies
from hive.flakes.flake_texts import SharedInputs
from hive.flakes.meta_flake import MetaFlake
from hive.flakes.nix_runner import NixRunner
from hive.wire.enums import Capability


def meta_flake_of(config: HiveConfig, dependencies: Dependencies) -> MetaFlake | None:
    """Return the flake with the systems of all agents; None where none are built."""
    git, nix, paths = dependencies.git, dependencies.nix, dependencies.paths
    if config.runtime is not RuntimeName.NIXOS_CONTAINER or git is None or nix is None:
        return None
    containers = config.containers
    runner = NixRunner(nix, git.program, paths.nix_cache_dir)
    shared = SharedInputs(containers.nixpkgs, containers.hyperhive)
    return MetaFlake(git, runner, paths.meta_dir, shared)


def capabilities_of(config: HiveConfig, dependencies: Dependencies) -> tuple[Capability, ...]:
    """Return what the manager can ask for, since the hive could carry it out."""
    if dependencies.git is None:
        return ()
    inputs = (Capability.INPUTS,) if meta_flake_of(config, dependencies) is not None else ()
    return (Capability.PROPOSALS, *inputs)
