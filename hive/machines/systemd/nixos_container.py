"""The `nixos-container` backend: NixOS systems built from a flake, on a NixOS host.

`nixos-container create` fills in addresses in the container's `.conf` file, and any address makes
the container's start script give it a network of its own. It has no option for binds either; the
start script takes them from `EXTRA_NSPAWN_FLAGS`, split at white space. It ignores `.nspawn` files.
So the runtime rewrites the `.conf` file.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.service_manager import ServiceManager, checked
from hive.machines.systemd.transitions import StopRequest
from hive.machines.systemd.unit_files import nspawn_flags
from hive.names import container_name
from hive.paths import Paths
from hive.subprocesses import Outcome, RunCommand, run_command

CLEARED = ("HOST_ADDRESS", "LOCAL_ADDRESS", "HOST_ADDRESS6", "LOCAL_ADDRESS6", "HOST_BRIDGE")
"""Variables that would force a network of its own."""

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_conf(text: str) -> dict[str, str]:
    """Return the variables of a `.conf` file. Pure."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {line[1]: line[2].strip("\"'") for line in found if line}


def rewrite_conf(text: str, *, flags: str) -> str:
    """Return the file with the host's network and these flags; all other lines are unchanged.

    Pure and idempotent.
    """
    ours = {
        "PRIVATE_NETWORK": "0",
        **dict.fromkeys(CLEARED, ""),
        "EXTRA_NSPAWN_FLAGS": f'"{flags}"',
    }
    kept = [line for line in text.splitlines() if _variable(line) not in ours]
    return "\n".join([*kept, *_assignments(ours), ""])


def _variable(line: str) -> str | None:
    found = _LINE.fullmatch(line.strip())
    return found[1] if found else None


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in variables.items()]


BUILD_SECONDS = 3600.0
"""Deadline in seconds for building a system."""

REMOVE_SECONDS = 300.0
"""Deadline in seconds for removing a container."""

_COMMANDS = {StopRequest.POWEROFF: "stop", StopRequest.TERMINATE: "terminate"}


@frozen
class NixosContainer:
    """The `nixos-container` program as a backend of the container runtime.

    Attributes:
        flake: Flake of containers whose agent names none; `{name}` stands for the agent.
        confs: NixOS's directory of the containers' `.conf` files.
        profiles: NixOS's directory of the containers' built systems.
        run: Runs the program.
    """

    flake: str | None = None
    confs: Path = Path("/etc/nixos-containers")
    profiles: Path = Path("/nix/var/nix/profiles/per-container")
    run: RunCommand = run_command
    name: str = field(default="nixos-container", init=False)
    programs: tuple[str, ...] = field(default=("nixos-container",), init=False)
    _building: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False, repr=False)

    def unit(self, machine: str) -> str:
        """Return the service that runs a NixOS container."""
        return f"container@{machine}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.conf` file with the host's network and the binds.

        Raises:
            FailedError: The container belongs to the host's own configuration.
        """
        machine = container_name(spec.name)
        conf = self._conf(machine)
        if not conf.exists():
            return {}
        flags = nspawn_flags(spec, places.guest_units(machine))
        return {conf: rewrite_conf(conf.read_text(), flags=flags)}

    def start(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts a container."""
        return ("nixos-container", "start", machine)

    def end(self, request: StopRequest, machine: str) -> tuple[str, ...]:
        """Return the command that ends a container politely."""
        return ("nixos-container", _COMMANDS[request], machine)

    async def create(self, spec: MachineSpec) -> None:
        """Build the container's system from the flake if the container does not exist.

        An interrupted `nixos-container create` leaves a `.conf` file without a system. That is
        built here, since NixOS would build it from the wrong attribute of the flake.

        Raises:
            FailedError: There is no flake, the build failed, or the container belongs to the
                host's own configuration.
        """
        machine = container_name(spec.name)
        there, built = await asyncio.to_thread(self._exists, machine)
        if there and built:
            return
        flake = _flake(spec.origin or self.flake, spec.name)
        if not flake:
            raise FailedError(
                f"there is no container {machine} and no flake to build it from; set the flake"
            )
        outcome = await self._build("update" if there else "create", machine, flake)
        if not (there or outcome.ok):
            await self.remove(machine)
        checked(outcome)

    async def update(self, spec: MachineSpec) -> None:
        """Rebuild the container's system; a running container switches to it.

        Raises:
            FailedError: The build failed; the container is unchanged.
        """
        flake = _flake(spec.origin or self.flake, spec.name)
        checked(await self._build("update", container_name(spec.name), flake))

    async def _build(self, verb: str, machine: str, flake: tuple[str, ...]) -> Outcome:
        """Build a system; one at a time, since concurrent builds contend for Nix's caches.

        `nixos-container` takes the target of the link `.tmp` in its working directory for the
        system that it has built. So each build has a directory of its own.
        """
        argv = ("nixos-container", verb, machine, *flake)
        async with self._building:
            directory = Path(await asyncio.to_thread(mkdtemp, prefix="hive-build-"))
            try:
                return await self.run(argv, deadline=BUILD_SECONDS, directory=directory)
            finally:
                await asyncio.to_thread(rmtree, directory, ignore_errors=True)

    async def remove(self, machine: str) -> None:
        """Destroy the container. Idempotent.

        Raises:
            FailedError: It could not be destroyed.
        """
        there, _ = await asyncio.to_thread(self._exists, machine)
        if there:
            destroy = ("nixos-container", "destroy", machine)
            checked(await self.run(destroy, deadline=REMOVE_SECONDS))

    def _exists(self, machine: str) -> tuple[bool, bool]:
        """Return whether the container exists, and whether its system was built."""
        system = self.profiles / machine / "system"
        return self._conf(machine).exists(), system.is_symlink()

    def _conf(self, machine: str) -> Path:
        conf = self.confs / f"{machine}.conf"
        if conf.is_symlink():
            raise FailedError(
                f"{machine} belongs to the host's own NixOS configuration; hive-c0re leaves it "
                "alone: give the agent another name, or register it as a peer"
            )
        return conf


def _flake(flake: str | None, name: str) -> tuple[str, ...]:
    """Return the arguments for an agent's flake; none without a flake."""
    return () if flake is None else ("--flake", flake.replace("{name}", name))


def runtime(
    paths: Paths, *, flake: str | None = None, confs: Path | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "nixos-container"`; see `NixosContainer`."""
    systemd = options.pop("systemd", None) or ServiceManager()
    backend = NixosContainer(flake, confs or NixosContainer().confs, run=systemd.run)
    return ContainerRuntime(backend, paths, systemd=systemd, **options)
