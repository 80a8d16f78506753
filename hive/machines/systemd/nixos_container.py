"""Containers by `nixos-container`: NixOS systems built from a flake, on a NixOS host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import nixos_conf
from hive.machines.systemd.commands import Outcome, Run
from hive.machines.systemd.commands import run as run_command
from hive.machines.systemd.containers import ContainerRuntime
from hive.machines.systemd.files import Places
from hive.machines.systemd.host import ANSWER_SECONDS, Host, checked
from hive.machines.systemd.states import Step
from hive.machines.systemd.units import nspawn_flags
from hive.names import container_name
from hive.paths import Paths

BUILD_SECONDS = 3600.0
"""How long building a system may take."""

REMOVE_SECONDS = 300.0
"""How long removing a container may take."""

_COMMANDS = {Step.POWEROFF: "stop", Step.TERMINATE: "terminate"}


@frozen
class NixosContainer:
    """The `nixos-container` program as a tool of the container runtime.

    Attributes:
        flake: What containers are built from if the agent names nothing of its own; `{name}`
            stands for the agent.
        confs: Where NixOS keeps one `.conf` file for each container.
        profiles: Where NixOS keeps the built system of each container.
        run: Runs the program.
    """

    flake: str | None = None
    confs: Path = Path("/etc/nixos-containers")
    profiles: Path = Path("/nix/var/nix/profiles/per-container")
    run: Run = run_command
    name: str = field(default="nixos-container", init=False)
    programs: tuple[str, ...] = field(default=("nixos-container",), init=False)
    _building: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False, repr=False)

    def unit(self, container: str) -> str:
        """Return the service that runs a NixOS container."""
        return f"container@{container}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.conf` file with the host's network and our binds.

        Raises:
            FailedError: The container belongs to the host's own configuration.
        """
        container = container_name(spec.name)
        conf = self._conf(container)
        if not conf.exists():
            return {}
        flags = nspawn_flags(spec, places.guest_units(container))
        return {conf: nixos_conf.rewrite(conf.read_text(), flags=flags)}

    def start(self, container: str) -> tuple[str, ...]:
        """Return the command that starts it."""
        return ("nixos-container", "start", container)

    def end(self, step: Step, container: str) -> tuple[str, ...]:
        """Return the command that asks it to end."""
        return ("nixos-container", _COMMANDS[step], container)

    async def create(self, spec: MachineSpec) -> None:
        """Build the container's system from the flake if there is no such container.

        What `nixos-container create` leaves when it is cut off, a `.conf` file without a system, is
        finished: NixOS itself would do so with the wrong attribute of the flake.

        Raises:
            FailedError: There is no flake, it did not build, or the host's configuration has it.
        """
        container = container_name(spec.name)
        there, built = await asyncio.to_thread(self._found, container)
        if there and built:
            return
        flake = _flake(spec.origin or self.flake, spec.name)
        if not flake:
            raise FailedError(
                f"there is no container {container} and no flake to build it from; set the flake"
            )
        outcome = await self._build("update" if there else "create", container, flake)
        if not (there or outcome.ok):
            await self.remove(container)
        checked(outcome)

    async def update(self, spec: MachineSpec) -> None:
        """Build the container's system anew; one that runs switches to it.

        Raises:
            FailedError: It did not build; the container is as it was.
        """
        flake = _flake(spec.origin or self.flake, spec.name)
        checked(await self._build("update", container_name(spec.name), flake))

    async def _build(self, verb: str, container: str, flake: tuple[str, ...]) -> Outcome:
        """Build one system at a time: builds at once are in each other's way at Nix's caches.

        `nixos-container` takes what the link `.tmp` in its working directory leads to for the
        system that it has built, so it gets a directory of its own.
        """
        argv = ("nixos-container", verb, container, *flake)
        async with self._building:
            directory = Path(await asyncio.to_thread(mkdtemp, prefix="hive-build-"))
            try:
                return await self.run(argv, deadline=BUILD_SECONDS, directory=directory)
            finally:
                await asyncio.to_thread(rmtree, directory, ignore_errors=True)

    async def remove(self, container: str) -> None:
        """Destroy the container. Idempotent.

        Raises:
            FailedError: It could not be destroyed.
        """
        there, _ = await asyncio.to_thread(self._found, container)
        if there:
            destroy = ("nixos-container", "destroy", container)
            checked(await self.run(destroy, deadline=REMOVE_SECONDS))

    async def listed(self) -> tuple[str, ...]:
        """Return the containers that `nixos-container list` names, of this hive or not.

        Raises:
            FailedError: It could not say.
        """
        outcome = await self.run(("nixos-container", "list"), deadline=ANSWER_SECONDS)
        return tuple(checked(outcome).out.split())

    async def status(self, container: str) -> str:
        """Return what `nixos-container status` says: "up", "down" or "gone".

        Raises:
            FailedError: It said something else.
        """
        outcome = await self.run(("nixos-container", "status", container), deadline=ANSWER_SECONDS)
        word = outcome.out.strip()
        if word not in {"up", "down", "gone"}:
            raise FailedError(f"{outcome}; that is no status of a container")
        return word

    def _found(self, container: str) -> tuple[bool, bool]:
        """Return whether there is a container of that name, and whether its system was built."""
        system = self.profiles / container / "system"
        return self._conf(container).exists(), system.is_symlink()

    def _conf(self, container: str) -> Path:
        conf = self.confs / f"{container}.conf"
        if conf.is_symlink():
            raise FailedError(
                f"{container} belongs to the host's own NixOS configuration; hive-c0re leaves it "
                "alone: give the agent another name, or register it as a peer"
            )
        return conf


def _flake(flake: str | None, name: str) -> tuple[str, ...]:
    """Return the words that name an agent's flake; none if there is no flake."""
    return () if flake is None else ("--flake", flake.replace("{name}", name))


def runtime(
    paths: Paths, *, flake: str | None = None, confs: Path | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "nixos-container"`; see `NixosContainer`."""
    host = options.pop("host", None) or Host()
    tool = NixosContainer(flake, confs or NixosContainer().confs, run=host.run)
    return ContainerRuntime(tool, paths, host=host, **options)
