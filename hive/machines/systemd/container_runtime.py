"""The runtime of systemd containers, shared by `machinectl` and `nixos-container`.

systemd runs the containers; this runtime sends requests and reads states. The daemon may end at
any time, and the next one adopts what runs. All state here is derived from that of systemd; the
rules are in `transitions`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from hive.clock import Clock, SystemClock
from hive.errors import BadRequestError, FailedError
from hive.exits import Ended
from hive.machines.operations import Operations, StartRequest, purge_directory
from hive.machines.runtime import REASON_LINES, MachineSpec, Running, Watcher, ignore_end
from hive.machines.systemd import exit_cause, generated_files, journal, transitions, unit_files
from hive.machines.systemd.backend import Backend
from hive.machines.systemd.container import Container, ContainerRun
from hive.machines.systemd.event_source import DBusSignals, EventSource, Polling, StateQueries
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.journal import Journal, filter_of
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.start_stop import ContainerStarter, ContainerStopper
from hive.machines.systemd.unit_state import ContainerState, UnitState
from hive.names import CONTAINER_PREFIX, MANAGER, check_agent_name, container_name
from hive.paths import Paths

RECONCILE_SECONDS = 30.0
"""Interval at which all units are read while signals arrive, in case one was lost."""

POLL_SECONDS = 1.0
"""Interval at which all units are read while no signals arrive."""

TRANSITION_SECONDS = 30.0
"""Seconds to wait for a container that is between two states, by another program's request."""

_CHANGE_SECONDS = 0.5
"""Interval at which such a container is read while no change is reported."""

_PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")

_BOOTED = Path("/run/systemd/system")
"""Directory that exists where systemd is the init system; see sd_booted(3)."""

_log = logging.getLogger(__name__)


@frozen
class ExternalRestart:
    """A restart of a watched container that this runtime did not request.

    Attributes:
        name: Name of the agent.
        unit: The container's unit.
        before: The run that is over; its end is not reported.
        now: The run that is watched in its place.
    """

    name: str
    unit: str
    before: Running
    now: Running

    def __str__(self) -> str:
        return (
            f"{self.name} was restarted by another program; "
            f"`journalctl -u {self.unit}` shows by whom"
        )


class ContainerRuntime:
    """Runs each agent in a container of its own.

    An operation runs to its end even if its caller is cancelled.

    Args:
        backend: The program that makes and starts containers.
        paths: Directories of the hive.
        clock: Wall time, for the times of ends.
        systemd: The service manager.
        places: Directories of generated files.
        on_external_restart: Called on the loop for each restart by another program.
        listen: Whether to subscribe to D-Bus signals; False polls.
    """

    def __init__(
        self,
        backend: Backend,
        paths: Paths,
        *,
        clock: Clock | None = None,
        systemd: ServiceManager | None = None,
        places: Places | None = None,
        on_external_restart: Callable[[ExternalRestart], None] | None = None,
        listen: bool = True,
    ) -> None:
        self.on_external_restart = on_external_restart
        self.event_source: EventSource = Polling("the runtime is not open")
        self._backend = backend
        self._paths = paths
        self._clock = clock or SystemClock()
        self._systemd = systemd or ServiceManager()
        self._journal = Journal(self._systemd.run)
        self._places = places or Places.below(paths.run_dir)
        self._listen = listen
        self._starter = ContainerStarter(self._systemd, self._journal)
        self._stopper = ContainerStopper(self._systemd, backend)
        self._containers: dict[str, Container] = {}
        self._operations = Operations(backend.name)
        self._background: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """Name of the runtime in hive.toml."""
        return self._backend.name

    async def open(self) -> None:
        """Subscribe to state changes.

        Raises:
            FailedError: systemd is not the init system here, or a program is missing.
        """
        await asyncio.to_thread(_check_host, (*_PROGRAMS, *self._backend.programs), self.name)
        self._operations.open()
        self._background = [asyncio.create_task(self._reconcile(), name="containers: reconcile")]
        self._subscribe()

    async def close(self) -> None:
        """Stop watching all containers; they go on, and the next daemon adopts them."""
        await self._operations.close()
        watching = [each.watching for each in self._containers.values() if each.watching]
        self._containers.clear()
        for task in (*watching, *self._background):
            task.cancel()
        if watching or self._background:
            await asyncio.wait([*watching, *self._background])
        self._background = []

    async def ensure_running(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Adopt the agent's container if it is up; otherwise make it if necessary, and start it.

        Its generated files are brought in line with the spec in both cases.

        Raises:
            FailedError: Its state is unknown, or it could not be made or started.
        """
        request = StartRequest(spec, watcher)
        return await self._operations.finish(self._ensure_running(request), request=request)

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Watch the agent's container if it is up, in place of its present watcher.

        Raises:
            FailedError: Its state is unknown.
        """
        return await self._operations.finish(self._adopt(spec, watcher))

    async def update(self, spec: MachineSpec) -> None:
        """Rebuild the container's system. It can be stopped meanwhile.

        Raises:
            FailedError: The build failed; the container is unchanged.
        """
        await self._operations.finish(self._backend.update(spec))

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove a stopped container and its generated files; with `purge`, the agent's files too.

        Raises:
            FailedError: It runs, or it could not be removed.
        """
        await self._operations.finish(self._destroy(name, purge))

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Power it off, terminate it if that has no effect, kill it after `deadline` seconds.

        Concurrent callers share one outcome.

        Raises:
            FailedError: It runs even after the kill.
        """
        return await self._operations.finish(self._end(name, transitions.stop_plan(deadline)))

    async def kill(self, name: str) -> Ended | None:
        """Kill all processes of the container, also during a `stop`, and wait for the end.

        Raises:
            FailedError: It runs even after that.
        """
        return await self._operations.finish(self._end(name, transitions.KILL_PLAN))

    async def running(self) -> tuple[str, ...]:
        """Return the agents whose unit is not down, as systemd shows it.

        Raises:
            FailedError: systemd does not answer.
        """
        patterns = (self._backend.unit(f"{CONTAINER_PREFIX}*"), self._backend.unit(MANAGER))
        units = await self._systemd.unit_states(patterns)
        named = ((self._agent_of(unit), unit) for unit in units)
        return tuple(sorted({name for name, unit in named if name and not unit.active.down}))

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's output, oldest first. Blocks: use a thread."""
        return journal.newest_now(self._container(spec.name).unit, lines)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's output, then each new one."""
        unit = self._container(spec.name).unit
        return self._journal.follow(unit, lines, agent=bool(spec.command))

    # Operations. Each holds the agent's lock while it reads a state and acts on it.

    async def _ensure_running(self, request: StartRequest) -> Running:
        container = self._container(request.spec.name)
        async with self._operations.lock(container.name):
            found = await self._find(container)
            if isinstance(found, ContainerRun):
                return await self._take_over(found, request.spec, request.watcher)
            await self._backend.create(request.spec)
            await self._write_files(request.spec)
            if found.registered:
                await self._unregistered(container)
            request.check()
            argv = self._backend.start(container.machine)
            state = await self._starter.start(container, argv, found.unit.invocation)
            return self._watch(container, state, request.watcher, adopted=False).running

    async def _adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        container = self._container(spec.name)
        async with self._operations.lock(container.name):
            found = await self._find(container)
            if not isinstance(found, ContainerRun):
                return None
            return await self._take_over(found, spec, watcher)

    async def _take_over(self, run: ContainerRun, spec: MachineSpec, watcher: Watcher) -> Running:
        # First the watcher: the run may end while the files are written.
        run.watcher = watcher
        await self._write_files(spec)
        return evolve(run.running, adopted=True)

    async def _destroy(self, name: str, purge: bool) -> None:
        container = self._container(name)
        async with self._operations.lock(name):
            unit = await self._systemd.unit_state(container.unit)
            if not unit.active.down:
                raise FailedError(f"{name} runs ({unit.id} is {unit.active}); stop it first")
            await self._backend.remove(container.machine)
            await asyncio.to_thread(generated_files.remove, self._generated(container))
            await self._systemd.reload()
            if purge:
                await asyncio.to_thread(purge_directory, self._paths.state_dir, "agents", name)

    async def _end(self, name: str, plan: tuple[transitions.StopStage, ...]) -> Ended | None:
        container = self._container(name)
        async with self._operations.lock(name):
            run = container.run or await self._find(container)
        if not isinstance(run, ContainerRun):
            return None
        if plan is transitions.KILL_PLAN:
            run.killing.set()
        if run.stopping is None or run.stopping.done():
            run.stopping = self._operations.begin(self._stopper.stop(container, run, plan))
        waits: tuple[asyncio.Future[Any], ...] = (run.ended, run.stopping)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not run.ended.done():
            await run.stopping
        return await asyncio.shield(run.ended)

    async def _find(self, container: Container) -> ContainerRun | ContainerState:
        """Return the watched run of a container that is up, or the state of one that is down.

        A container between the two is waited for. Call it with the lock held.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + TRANSITION_SECONDS
        while True:
            state = await self._systemd.container_state(container.unit, container.machine)
            down = state.unit.active.down and not state.unit.job
            if container.run and down:
                container.changed.set()
                await asyncio.wait([container.run.ended])
            if container.run:
                return container.run
            if down:
                return state
            late = loop.time() >= until
            # A container that machined does not know runs nevertheless and must be stoppable.
            if state.unit.active.up and (state.registered or late):
                return self._watch(container, state, ignore_end, adopted=True)
            if late:
                raise FailedError(
                    f"{container.name}: {container.unit} has been {state.unit.active} for "
                    f"{TRANSITION_SECONDS:g} s; see `systemctl status {container.unit}`"
                )
            await container.wait_for_change(_CHANGE_SECONDS)

    async def _unregistered(self, container: Container) -> None:
        """Wait until machined has unregistered the last container of that name.

        If it does not, terminate that container.
        """
        for _ in transitions.RETRY_DELAYS:
            if await self._systemd.leader(container.machine) is None:
                return
            await container.wait_for_change(_CHANGE_SECONDS)
        argv = self._backend.end(transitions.StopRequest.TERMINATE, container.machine)
        await self._systemd.run(argv, deadline=transitions.TERMINATE_SECONDS)

    # Generated files

    async def _write_files(self, spec: MachineSpec) -> None:
        written = await asyncio.to_thread(self._write, spec)
        if self._places.drop_in(self._container(spec.name).unit) in written:
            await self._systemd.reload()

    def _write(self, spec: MachineSpec) -> tuple[Path, ...]:
        container = self._container(spec.name)
        guest = self._places.guest_units(container.machine)
        secret = dict(self._backend.files(spec, self._places))
        secret |= {guest / file: text for file, text in unit_files.guest_files(spec).items()}
        public = {self._places.drop_in(container.unit): unit_files.drop_in(spec)}
        generated_files.make_private(self._places.machines)
        generated_files.make_directories(spec)
        return (
            *generated_files.write(secret),
            *generated_files.write(public, generated_files.PUBLIC_MODE),
        )

    def _generated(self, container: Container) -> tuple[Path, ...]:
        guest = self._places.guest_units(container.machine)
        host = (self._places.nspawn_file(container.machine), self._places.drop_in(container.unit))
        # The deepest first, so that each directory is empty when its last file is removed.
        return (*host, *(guest / file for file in reversed(unit_files.GUEST_FILES)))

    # Watching

    def _watch(
        self, container: Container, state: ContainerState, watcher: Watcher, *, adopted: bool
    ) -> ContainerRun:
        run = ContainerRun(
            self._running(state, adopted=adopted),
            filter_of(state.unit),
            watcher,
            asyncio.get_running_loop().create_future(),
        )
        container.run = run
        container.changed.set()  # it may have ended since its state was read
        watching = self._watch_run(container, run)
        container.watching = asyncio.create_task(watching, name=f"watch {container.machine}")
        return run

    async def _watch_run(self, container: Container, run: ContainerRun) -> None:
        """Read the unit after each change until the run has ended."""
        while not run.ended.done():
            await container.changed.wait()
            container.changed.clear()
            try:
                unit = await self._systemd.unit_state(container.unit)
                match transitions.transition(run.running.instance, unit):
                    case transitions.RunReplaced():
                        await self._replace(container, run)
                    case transitions.RunEnded():
                        await self._report_end(container, run, unit)
                    case transitions.RunUnchanged():
                        pass
            except FailedError as error:
                # An unknown state is not reported as an end; the next change or round reads again.
                _log.warning("%s: %s", container.name, error)

    async def _replace(self, container: Container, run: ContainerRun) -> None:
        state = await self._systemd.container_state(container.unit, container.machine)
        if not (state.registered and state.unit.active.up):
            return  # the next change is read again
        before, run.running = run.running, self._running(state, adopted=True)
        run.journal_filter = filter_of(state.unit)
        restart = ExternalRestart(container.name, container.unit, before, run.running)
        _log.warning("%s", restart)
        if self.on_external_restart:
            self.on_external_restart(restart)

    async def _report_end(self, container: Container, run: ContainerRun, unit: UnitState) -> None:
        lines = await self._journal.run_of(run.journal_filter)
        last_lines = journal.newest(lines, REASON_LINES)
        container.run = None
        how, result = exit_cause.cause_of(unit, lines), exit_cause.result_of(unit, lines)
        run.report_end(Ended(how, self._clock.now(), last_lines, result))

    def _running(self, state: ContainerState, *, adopted: bool) -> Running:
        age = time.monotonic() - state.unit.since_usec / 1e6
        since = self._clock.now() - age
        return Running(state.leader, since, state.unit.invocation, adopted, "systemd")

    async def _reconcile(self) -> None:
        while True:
            has_signals = isinstance(self.event_source, DBusSignals)
            await asyncio.sleep(RECONCILE_SECONDS if has_signals else POLL_SECONDS)
            watched = [each for each in self._containers.values() if each.run]
            if not watched:
                continue
            try:
                units = await self._systemd.unit_states([each.unit for each in watched])
            except FailedError as error:
                _log.warning("containers cannot be looked at: %s", error)
                continue
            for container, unit in zip(watched, units, strict=False):
                run = container.run
                if run and transitions.has_changed(run.running.instance, unit):
                    container.changed.set()

    # State changes

    def _subscribe(self) -> None:
        if not self._listen:
            self.event_source = Polling("asked to")
            return
        try:
            from hive.machines.systemd import dbus
        except ImportError as error:
            why = f"{error}; install the extra: pip install 'hyperhive[systemd]'"
            self.event_source = Polling(why)
            _log.warning("this runtime %s", self.event_source)
            return
        self.event_source = Polling("the bus is not connected yet")
        listening = dbus.listen(
            self._on_change, self._on_event_source, on_connection=self._on_connection
        )
        self._background.append(asyncio.create_task(listening, name="containers: listen"))

    def _on_connection(self, queries: StateQueries | None) -> None:
        self._systemd.queries = queries

    def _on_event_source(self, event_source: EventSource) -> None:
        if event_source != self.event_source:
            _log.info("this runtime %s", event_source)
        self.event_source = event_source

    def _on_change(self, name: str) -> None:
        for container in self._containers.values():
            if name in {"", container.unit, container.machine}:
                container.changed.set()

    # Names

    def _container(self, name: str) -> Container:
        if name not in self._containers:
            machine = container_name(check_agent_name(name))
            self._containers[name] = Container(name, machine, self._backend.unit(machine))
        return self._containers[name]

    def _agent_of(self, unit: UnitState) -> str | None:
        machine = unit.id.partition("@")[2].removesuffix(".service")
        name = machine if machine == MANAGER else machine.removeprefix(CONTAINER_PREFIX)
        try:
            return check_agent_name(name)
        except BadRequestError:
            return None


def _check_host(programs: Sequence[str], runtime: str) -> None:
    if not _BOOTED.is_dir():
        raise FailedError(
            f"the {runtime} runtime needs systemd as this machine's first process; "
            "choose another runtime in hive.toml"
        )
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise FailedError(
            f"the {runtime} runtime needs {', '.join(missing)} on PATH; install the package "
            "(systemd-container on Debian) or choose another runtime in hive.toml"
        )
