"""The `nixos-container` backend: NixOS systems built from a flake, on a NixOS host.

`nixos-container create` fills in addresses in the container's `.conf` file, and any address makes
the container's start script give it a network of its own. It has no option for binds either; the
start script takes them from `EXTRA_NSPAWN_FLAGS`, split at white space. It ignores `.nspawn` files.
So the runtime rewrites the `.conf` file.

Users inside are those of the host. Only newer start scripts can give a container a range of users,
and the agent's unit is bound below /run/systemd, which such a container could not write to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from attrs import field, frozen

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec, NotReloadedError, ignore_line
from hive.machines.systemd import generated_files
from hive.machines.systemd.bind_sources import require_devices, require_sources
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.nixos_conf import check_conf, give_back, is_rewritten, rewrite_conf
from hive.machines.systemd.nixos_places import NixosPlaces, read_conf_file
from hive.machines.systemd.nixos_rename import NixosRename, require_own
from hive.machines.systemd.service_manager import ServiceManager, checked
from hive.machines.systemd.transitions import StopRequest
from hive.machines.systemd.unit_files import device_binds, nspawn_flags
from hive.names import container_name
from hive.paths import Paths
from hive.subprocesses import OnLine, Outcome, RunCommand, run_command, watch_command

BUILD_SECONDS = 3600.0
"""Deadline in seconds for building a system."""

REMOVE_SECONDS = 300.0
"""Deadline in seconds for removing a container."""

RELOAD_FAILED = "failed to reload container"
"""What `nixos-container update` says when the build has succeeded, and the reload has not."""

_COMMANDS = {StopRequest.POWEROFF: "stop", StopRequest.TERMINATE: "terminate"}


@frozen
class NixosContainer:
    """The `nixos-container` program as a backend of the container runtime.

    Attributes:
        flake: Flake of containers whose agent names none; `{name}` stands for the agent.
        places: NixOS's directories of containers.
        run: Runs the program.
    """

    flake: str | None = None
    places: NixosPlaces = field(factory=NixosPlaces)
    run: RunCommand = run_command
    name: str = field(default="nixos-container", init=False)
    programs: tuple[str, ...] = field(default=("nixos-container",), init=False)
    _building: asyncio.Lock = field(factory=asyncio.Lock, init=False, eq=False, repr=False)

    def unit(self, machine: str) -> str:
        """Return the service that runs a NixOS container."""
        return f"container@{machine}.service"

    def files(self, spec: MachineSpec, places: Places) -> Mapping[Path, str]:
        """Return the `.conf` file with the host's network and the binds.

        One that the hive has not written is kept beside it; `forget` gives that back.

        Raises:
            FailedError: The container belongs to the host's own configuration, its users have
                ids of their own, or its file cannot be used.
        """
        machine = container_name(spec.name)
        conf = self._conf(machine)
        if not conf.exists():
            return {}
        text = read_conf_file(conf)
        check_conf(text, conf)
        guest_units = places.guest_units(machine)
        kept = {} if is_rewritten(text, guest_units) else {self.places.given_back(machine): text}
        return {**kept, conf: rewrite_conf(text, flags=nspawn_flags(spec, guest_units))}

    def prepare(self, spec: MachineSpec, places: Places) -> None:
        """Make the sources of binds. Users inside are those of the host.

        Raises:
            FailedError: The source of a bind is missing.
        """
        require_sources(spec.name, spec.binds)
        require_devices(spec.name, device_binds(spec))

    def start(self, machine: str) -> tuple[str, ...]:
        """Return the command that starts a container."""
        return ("nixos-container", "start", machine)

    def end(self, request: StopRequest, machine: str) -> tuple[str, ...]:
        """Return the command that ends a container politely."""
        return ("nixos-container", _COMMANDS[request], machine)

    async def create(self, spec: MachineSpec) -> bool:
        """Build the container's system from the flake if the container does not exist.

        Returns whether it did not. An interrupted `nixos-container create` leaves a `.conf` file
        without a system. That is built here, since NixOS would build it from the wrong attribute
        of the flake.

        Raises:
            FailedError: There is no flake, the build failed, or the container belongs to the
                host's own configuration.
        """
        machine = container_name(spec.name)
        there, built = await asyncio.to_thread(self._exists, machine)
        if there and built:
            return False
        flake = _flake(spec.origin or self.flake, spec.name)
        if not flake:
            raise FailedError(
                f"there is no container {machine} and no flake to build it from; set the flake"
            )
        outcome = await self._build("update" if there else "create", machine, flake)
        built = await asyncio.to_thread(self.places.system(machine).exists)
        if not (there or (outcome.ok and built)):
            await self.remove(machine)
        checked(outcome)
        if not built:
            raise FailedError(
                f"{outcome}, but {self.places.system(machine)}, the system of the container, is "
                "missing; see whether the disk of /nix is full, then start the agent again"
            )
        await asyncio.to_thread(self._mark, machine)
        return not there

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Rebuild the container's system; a running container switches to it.

        Its output is passed on line by line: a build may take an hour. A container that does not
        exist yet is built when it is created.

        Raises:
            NotReloadedError: It was built, but the running container could not switch to it.
            FailedError: The build failed; the container is unchanged.
        """
        there, _ = await asyncio.to_thread(self._exists, container_name(spec.name))
        if not there:
            return
        flake = _flake(spec.origin or self.flake, spec.name)
        outcome = await self._build("update", container_name(spec.name), flake, on_line)
        if was_built(outcome):
            raise NotReloadedError(
                f"{spec.name}: its new system is built, and its next start applies it; the "
                f"container that ran could not switch to all of it: {outcome}"
            )
        checked(outcome)

    async def _build(
        self, verb: str, machine: str, flake: tuple[str, ...], on_line: OnLine | None = None
    ) -> Outcome:
        """Build a system; one at a time, since concurrent builds contend for Nix's caches.

        `nixos-container` takes the target of the link `.tmp` in its working directory for the
        system that it has built. So each build has a directory of its own.
        """
        argv = ("nixos-container", verb, machine, *flake)
        async with self._building:
            directory = Path(await asyncio.to_thread(mkdtemp, prefix="hive-build-"))
            try:
                if on_line is None:
                    return await self.run(argv, deadline=BUILD_SECONDS, directory=directory)
                return await watch_command(
                    argv, on_line, deadline=BUILD_SECONDS, directory=directory
                )
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
        await asyncio.to_thread(self.places.given_back(machine).unlink, missing_ok=True)

    def forget(self, machine: str, places: Places) -> None:
        """Take what the hive has set out of the `.conf` file.

        A container that was made by others gets back what its file said before.

        Raises:
            FailedError: The file cannot be read or written.
        """
        conf, kept = self.places.conf(machine), self.places.given_back(machine)
        if conf.is_symlink() or not conf.exists():
            return
        text = read_conf_file(conf)
        if is_rewritten(text, places.guest_units(machine)):
            before = read_conf_file(kept) if kept.exists() else None
            generated_files.write({conf: give_back(text, before)})
        kept.unlink(missing_ok=True)

    async def can_rename(self, old: str, new: str) -> bool:
        """Return whether there is such a container; see `NixosRename.is_possible`."""
        return await asyncio.to_thread(NixosRename(self.places, old, new).is_possible)

    async def rename(self, old: str, new: str) -> None:
        """Rename a stopped container; see `NixosRename.carry_out`."""
        await asyncio.to_thread(NixosRename(self.places, old, new).carry_out)

    def _mark(self, machine: str) -> None:
        """Note in the `.conf` file of a new container that the hive has made it."""
        conf = self.places.conf(machine)
        if conf.exists():
            generated_files.write({conf: rewrite_conf(read_conf_file(conf), flags="")})
        self.places.given_back(machine).unlink(missing_ok=True)

    def _exists(self, machine: str) -> tuple[bool, bool]:
        """Return whether the container exists, and whether its system was built.

        Raises:
            FailedError: It belongs to the host's own configuration, or another container has become
                it only in part.
        """
        record = next(self.places.confs.glob(f"{machine}.conf.from.*"), None)
        if record is not None:
            raise FailedError(
                f"{record} records a rename to {machine} that is not finished; the next start of "
                "the daemon goes on with it"
            )
        return self._conf(machine).exists(), self.places.system(machine).is_symlink()

    def _conf(self, machine: str) -> Path:
        conf = self.places.conf(machine)
        require_own(conf, machine)
        return conf


def was_built(outcome: Outcome) -> bool:
    """Return whether a failed `nixos-container update` has built and set the system.

    Its last step is the reload of a running container, whose `switch-to-configuration` fails when
    any unit inside does.
    """
    return not outcome.ok and RELOAD_FAILED in f"{outcome.out}\n{outcome.err}"


def _flake(flake: str | None, name: str) -> tuple[str, ...]:
    """Return the arguments for an agent's flake; none without a flake."""
    return () if flake is None else ("--flake", flake.replace("{name}", name))


def runtime(
    paths: Paths, *, flake: str | None = None, places: NixosPlaces | None = None, **options: Any
) -> ContainerRuntime:
    """Return the runtime of `runtime = "nixos-container"`; see `NixosContainer`."""
    systemd = options.pop("systemd", None) or ServiceManager()
    backend = NixosContainer(flake, places or NixosPlaces(), run=systemd.run)
    return ContainerRuntime(backend, paths, systemd=systemd, **options)
