"""The external dependencies of a hive: paths, the runtime, time, chance, programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from attrs import frozen

from hive.clock import Clock
from hive.daemon.reloading import ReadConfig
from hive.git.runner import Git
from hive.machines.pressure import ReadPressures
from hive.machines.runtime import Runtime
from hive.participants.machine_specs import MachineDefaults
from hive.paths import Paths
from hive.store import Engine


@frozen
class Dependencies:
    """External dependencies of a hive, which a simulation replaces.

    Attributes:
        search_path: The `PATH` that agents inherit under the process runtime.
        relock: Restores the lock file of the run directory, which somebody has removed.
        config_file: The hive.toml; None for a hive without one.
    """

    paths: Paths
    runtime: Runtime
    clock: Clock
    random: Random
    engine: Engine
    git: Git | None
    nix: Path | None
    read_config: ReadConfig | None
    machine_defaults: MachineDefaults
    read_pressures: ReadPressures
    disks: tuple[Path, ...]
    search_path: str | None = None
    relock: Callable[[], object] = lambda: None
    config_file: Path | None = None
