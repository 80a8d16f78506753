"""The runtime is the one that hive.toml names; modules of others are not imported."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hive.clock import SystemClock
from hive.config import Containers, HiveConfig, RuntimeName
from hive.daemon.runtimes import machine_defaults_of, runtime_of
from hive.errors import FailedError
from hive.machines.runtime import ByOthers, MachineSpec
from hive.machines.systemd.machinectl import Machinectl
from hive.machines.systemd.nixos_container import NixosContainer
from hive.machines.systemd.nixos_places import NixosPlaces
from hive.participants.machine_specs import MachineDefaults
from hive.paths import Paths
from hive.subprocesses import Outcome

PATHS = Paths(Path("/run/h"), Path("/var/lib/h"))


async def _appeared(name: str) -> None:
    """Take a start by another program."""


@pytest.mark.parametrize("name", RuntimeName)
def test_the_runtime_is_the_one_that_is_named(name: RuntimeName) -> None:
    config = HiveConfig(runtime=name, containers=Containers(programs=Path("/opt/hive")))
    by_others = ByOthers(_appeared, lambda *restart: None)
    runtime = runtime_of(config, PATHS, SystemClock(), {}, by_others)
    assert runtime.name == name
    defaults = machine_defaults_of(config)
    if name is RuntimeName.PROCESS:
        assert defaults == MachineDefaults()
    else:
        assert defaults.harness("agent") == ("/opt/hive/hive-ag3nt",)


def test_a_hive_of_processes_loads_nothing_of_systemd() -> None:
    program = """
import sys, asyncio, tempfile
from hive.daemon.hive import Hive
async def main():
    async with Hive(config=None, run_dir=tempfile.mkdtemp()):
        pass
asyncio.run(main())
loaded = [name for name in sys.modules if "dbus" in name or "machines.systemd" in name]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True)


class Recorder:
    """Records commands; no image or container exists, and every command succeeds."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._act = act

    async def __call__(
        self, argv: Any, *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        self.ran.append(tuple(argv))
        await asyncio.to_thread(self._act)
        status, words = (1, "No image 'h-alice' known") if "show-image" in argv else (0, "")
        return Outcome(tuple(argv), status, "", words, deadline)


def spec(origin: str | None) -> MachineSpec:
    return MachineSpec(
        name="alice",
        command=("x",),
        socket_dir=Path("/run/h/agents/alice"),
        state_dir=Path("/var/lib/h/agents/alice/state"),
        log_file=Path("/dev/null"),
        origin=origin,
    )


@pytest.mark.parametrize(("own", "copied"), [(None, "base"), ("big", "big")])
async def test_an_agents_own_image_comes_before_the_hives(
    own: str | None, copied: str, tmp_path: Path
) -> None:
    run = Recorder()
    await Machinectl("base", images=tmp_path, run=run).create(spec(own))
    assert run.ran[-1] == ("machinectl", "clone", copied, "h-alice")


@pytest.mark.parametrize(("own", "built"), [(None, "base#alice"), ("big#x", "big#x")])
async def test_an_agents_own_flake_comes_before_the_hives(
    own: str | None, built: str, tmp_path: Path
) -> None:
    places = NixosPlaces(tmp_path, profiles=tmp_path)
    create = ("nixos-container", "create", "h-alice", "--flake", built)
    system = tmp_path / "h-alice/system"
    run = Recorder(lambda: system.mkdir(parents=True))
    await NixosContainer("base#{name}", places, run=run).create(spec(own))
    assert run.ran == [create]


async def test_a_system_that_was_not_built_is_an_error(tmp_path: Path) -> None:
    places = NixosPlaces(tmp_path, profiles=tmp_path)
    backend = NixosContainer("base#{name}", places, run=Recorder())
    with pytest.raises(FailedError, match=r"status 0, but .*h-alice/system, .* is missing; see"):
        await backend.create(spec(None))  # it reports success, and there is nothing
