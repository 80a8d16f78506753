"""A container like ours that systemd restarts, observed in the same way as ours."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from hive.config.model import MachineProtection
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import dbus
from hive.machines.systemd.event_source import EventSource, StateQueries
from hive.machines.systemd.generated_files import Places, make_directories, write
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.unit_files import Settings, drop_in, guest_files, nspawn_file
from hive.machines.systemd.unit_state import ContainerState
from hive.subprocesses import run_command

_PATIENCE = 60.0


@define
class Theirs:
    """The container. It is named `theirs`, so that no hive adopts it."""

    name: str
    systemd: ServiceManager = field(factory=ServiceManager)
    hinted: asyncio.Event = field(factory=asyncio.Event)
    before: ContainerState | None = None

    @property
    def unit(self) -> str:
        """Return its service."""
        return f"systemd-nspawn@{self.name}.service"

    async def kill(self) -> float:
        """Kill its first process; return the seconds until another run is up and registered."""
        self.before = before = await self.systemd.container_state(self.unit, self.name)
        assert before.leader is not None
        killed = time.monotonic()
        os.kill(before.leader, signal.SIGKILL)
        await self.until_up()
        return time.monotonic() - killed

    async def until_up(self) -> None:
        """Wait until another run is up, by the rule that the runtime uses."""
        known = self.before.unit.invocation if self.before else ""
        while True:
            self.hinted.clear()
            view = await self.systemd.container_state(self.unit, self.name)
            if view.unit.active.up and view.registered and view.unit.invocation != known:
                return
            await self.hinted.wait()

    def on_signal(self, name: str) -> None:
        """Check the state again if a signal is about the container."""
        if name in {"", self.unit, self.name}:
            self.hinted.set()

    def connected(self, queries: StateQueries | None) -> None:
        """Use this connection for queries from now on."""
        self.systemd.queries = queries


@asynccontextmanager
async def restarted_by_systemd(
    spec: MachineSpec, image: str, settings: Settings
) -> AsyncIterator[Theirs]:
    """Start a container with our settings, but for `Restart=on-failure`; end it afterwards."""
    other = Theirs(spec.name)
    await asyncio.to_thread(_prepare, spec, settings, other.unit)
    listening = asyncio.create_task(
        dbus.listen(other.on_signal, _ignore, on_connection=other.connected)
    )
    for argv in (
        ("machinectl", "clone", image, other.name),
        ("systemctl", "daemon-reload"),
        ("machinectl", "start", other.name),
    ):
        outcome = await run_command(argv, deadline=_PATIENCE)
        assert outcome.ok, str(outcome)
    try:
        await other.until_up()
        yield other
    finally:
        await run_command(("systemctl", "stop", other.unit), deadline=_PATIENCE)
        listening.cancel()
        await asyncio.wait([listening])


def _prepare(spec: MachineSpec, settings: Settings, unit: str) -> None:
    places = Places.below(spec.socket_dir)
    guest = places.guest_units(spec.name)
    make_directories(spec)
    write(
        {
            places.nspawn_file(spec.name): nspawn_file(spec, guest, settings, None),
            places.drop_in(unit): drop_in(
                spec, MachineProtection(), places.nspawn_log(unit)
            ).replace("Restart=no", "Restart=on-failure"),
            **{guest / file: text for file, text in guest_files(spec).items()},
        }
    )


def _ignore(event_source: EventSource) -> None:
    """Do nothing: the benchmark requires D-Bus, and would hang without its signals."""
