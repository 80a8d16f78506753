"""The runtime of systemd containers, shared by `machinectl` and `nixos-container`.

systemd runs the containers; this runtime sends requests and reads states. The daemon may end at
any time, and the next one adopts what runs. All state here is derived from that of systemd; the
rules are in `transitions`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve

from hive.cancellation import shield_until_done
from hive.clock import Clock, SystemClock
from hive.config.model import MachineProtection
from hive.errors import FailedError
from hive.exits import Ended
from hive.extras import how_to_install
from hive.machines.agent_files import purge_directory
from hive.machines.operations import Operations, StartRequest
from hive.machines.resource_use import ResourceUse, of_containers
from hive.machines.runtime import (
    AbortedError,
    MachineSpec,
    Running,
    Watcher,
    ignore_end,
    ignore_line,
)
from hive.machines.systemd import transitions
from hive.machines.systemd.backend import Backend
from hive.machines.systemd.container import Container, ContainerRun
from hive.machines.systemd.container_files import ContainerFiles
from hive.machines.systemd.container_freezer import ContainerFreezer
from hive.machines.systemd.container_output import ContainerOutput
from hive.machines.systemd.event_source import DBusSignals, EventSource, Polling, StateQueries
from hive.machines.systemd.external_restart import ExternalRestart
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.host_requirements import require_host
from hive.machines.systemd.journal import Journal, filter_of
from hive.machines.systemd.probing import PROBE_GRACE, probe_command
from hive.machines.systemd.restarter_check import RestarterCheck
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.start_stop import ContainerStarter, ContainerStopper
from hive.machines.systemd.takeover import MachineTakeover
from hive.machines.systemd.unit_state import ContainerState, UnitState
from hive.machines.systemd.unwatched import (
    OnExternalStart,
    UnwatchedContainers,
    agent_of,
    up_and_unwatched,
)
from hive.machines.systemd.watched_runs import WatchedRuns, end_of
from hive.machines.timed_output import LinesWanted, TimedLines
from hive.names import CONTAINER_PREFIX, MANAGER, check_agent_name, container_name
from hive.paths import Paths
from hive.restarters import Restarter
from hive.subprocesses import OnLine, Outcome, watch_command

RECONCILE_SECONDS = 30.0
"""Interval at which all units are read while signals arrive, in case one was lost."""

POLL_SECONDS = 1.0
"""Interval at which all units are read while no signals arrive."""

TRANSITION_SECONDS = 30.0
"""Seconds to wait for a container that is between two states, by another program's request."""

_CHANGE_SECONDS = 0.5
"""Interval at which such a container is read while no change is reported."""

_log = logging.getLogger(__name__)


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
        on_external_start: Called for each container that another program has started.
        listen: Whether to subscribe to D-Bus signals; False polls.
        protection: Limits of all containers together, and of their output.
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
        on_external_start: OnExternalStart | None = None,
        listen: bool = True,
        protection: MachineProtection | None = None,
    ) -> None:
        self.on_external_restart = on_external_restart
        self.event_source: EventSource = Polling("the runtime is not open")
        self._backend = backend
        self._paths = paths
        self._clock = clock or SystemClock()
        self._systemd = systemd or ServiceManager()
        self._places = places or Places.below(paths.run_dir)
        self._journal = Journal(self._systemd.run, self._places.nspawn_log)
        self._files = ContainerFiles(
            backend, self._systemd, self._places, protection or MachineProtection()
        )
        self._listen = listen
        self._watched_runs = WatchedRuns(self._places, self._systemd, self._journal)
        self._starter = ContainerStarter(self._systemd, self._journal)
        self._restarters = RestarterCheck(self._systemd.run)
        self._stopper = ContainerStopper(self._systemd, backend, self._restarters)
        self._takeover = MachineTakeover(self._systemd, backend)
        self._freezer = ContainerFreezer(self._systemd, lambda name: self._container(name).unit)
        self._output = ContainerOutput(self._journal, lambda name: self._container(name).unit)
        self._containers: dict[str, Container] = {}
        self._made: set[str] = set()
        self._look_soon = asyncio.Event()
        self._operations = Operations(backend.name)
        self._unwatched = UnwatchedContainers(self._systemd, self._operations, self._container)
        self._unwatched.on_start = on_external_start
        self._background: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """Name of the runtime in hive.toml."""
        return self._backend.name

    async def open(self) -> None:
        """Subscribe to state changes.

        Raises:
            ConfigError: systemd is not the init system here, or a program is missing.
        """
        await asyncio.to_thread(require_host, self._backend.programs, self.name)
        self._operations.open()
        self._background = [asyncio.create_task(self._reconcile(), name="containers: reconcile")]
        await self._subscribe()

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
        await self._unwatched.close()  # the last: nothing reports changes any more

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

    async def unwatched_end(self, name: str) -> Ended | None:
        """Return how the last run ended if no daemon was watching; see `WatchedRuns`.

        Raises:
            FailedError: Its state is unknown.
        """
        return await self._operations.finish(self._unwatched_end(name))

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Rebuild the container's system. It can be stopped meanwhile.

        Raises:
            NotReloadedError: It was built, but the running container could not switch to it.
            FailedError: The build failed; the container is unchanged.
        """
        await self._operations.interruptible(self._backend.update(spec, on_line))

    async def probe(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        *,
        deadline: float,
        on_line: OnLine = ignore_line,
    ) -> Outcome:
        """Run a command as a transient unit inside the container.

        `machinectl shell` would hide its exit status.
        """
        argv = probe_command(container_name(spec.name), spec, command, deadline)
        return await watch_command(argv, on_line, deadline=deadline + PROBE_GRACE)

    async def destroy(self, name: str, *, purge: bool, only_made: bool = False) -> None:
        """Remove a stopped container and its generated files; with `purge`, the agent's files too.

        With `only_made`, a container that this runtime has not made since it was opened stays.

        Raises:
            FailedError: It runs, or it could not be removed.
        """
        await self._operations.finish(self._destroy(name, purge, only_made))

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Power it off, terminate it if that has no effect, kill it after `deadline` seconds.

        Concurrent callers share one outcome.

        Raises:
            FailedError: It runs even after the kill.
        """
        return await self._operations.finish(self._end(name, deadline))

    async def kill(self, name: str) -> Ended | None:
        """Kill all processes of the container, also during a `stop` or a start, and wait.

        Raises:
            FailedError: It runs even after that.
        """
        return await self._operations.finish(self._end(name, 0))

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Freeze all processes of containers; see `ContainerFreezer`."""
        return await self._freezer.freeze(names)

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Let them go on."""
        return await self._freezer.thaw(names)

    async def running(self) -> tuple[str, ...]:
        """Return the agents whose unit is not down; FailedError if systemd does not answer."""
        units = await self._systemd.unit_states(self._patterns())
        named = ((agent_of(unit.id), unit) for unit in units)
        return tuple(sorted({name for name, unit in named if name and not unit.active.down}))

    async def is_running(self, name: str) -> bool:
        """Return whether the agent's unit is not down; raises like `running`."""
        return not (await self._systemd.unit_state(self._container(name).unit)).active.down

    def released_unit(self, name: str) -> str | None:
        """Return the service of the agent's container."""
        return self._container(name).unit

    async def release(self, name: str) -> None:
        """Stop watching a container and remove its generated files; it runs on, in its unit.

        Raises:
            FailedError: A file cannot be removed, or systemd cannot read its units again.
        """
        await self._operations.finish(self._release(name))

    async def can_take_over(self, machine: str, name: str, *, stop: bool = False) -> bool:
        """Return whether a container can become an agent's; see `MachineTakeover.find`."""
        own = self._container(name).machine
        return await self._operations.finish(self._takeover.find(machine, own, stop=stop))

    async def take_over(self, machine: str, name: str, *, stop: bool = False) -> None:
        """Give a container the name of an agent's; see `MachineTakeover.carry_out`."""
        own = self._container(name).machine
        await self._operations.finish(self._takeover.carry_out(machine, own, stop=stop))

    async def resources(self) -> Mapping[str, ResourceUse]:
        """Return what the control groups of the containers that run use."""
        up = {
            name: (each.unit, each.run.running.pid)
            for name, each in self._containers.items()
            if each.run is not None and each.run.running.pid is not None
        }
        return await asyncio.to_thread(of_containers, up) if up else {}

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's output, oldest first. Blocks: use a thread."""
        return self._output.last_lines(spec, lines)

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> TimedLines:
        """Return lines with the times at which the journal received them. Blocks: use a thread."""
        return self._output.timed_lines(spec, wanted)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's output, then each new one."""
        return self._output.follow(spec, lines)

    # Operations. Each holds the agent's lock while it reads a state and acts on it.

    async def _ensure_running(self, request: StartRequest) -> Running:
        container = self._container(request.spec.name)
        async with container.bringing_up(self._operations.lock(container.name)):
            found = await self._find(container)
            if isinstance(found, ContainerRun):
                return await self._take_over(container, found, request.spec, request.watcher)
            if await self._backend.create(request.spec):
                self._made.add(container.name)
            await shield_until_done(self._prepare(container, request.spec))
            if found.registered:
                await self._unregistered(container)
            await self._restarters.require_none(container.name, container.unit)
            request.check()
            argv = self._backend.start(container.machine)
            before, limit = found.unit.invocation, request.spec.start_timeout
            state = await self._starter.start(container, argv, before, limit)
            await self._watched_runs.begin(container, filter_of(state.unit))
            return self._watch(container, state, request.watcher, adopted=False).running

    async def _prepare(self, container: Container, spec: MachineSpec) -> None:
        """Write the files of a container that is down; half of them would be worse than none."""
        await self._files.copy_credentials(container, spec)
        await self._files.write(container, spec)
        await asyncio.to_thread(self._backend.prepare, spec, self._places)

    async def _adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        container = self._container(spec.name)
        async with container.bringing_up(self._operations.lock(container.name)):
            found = await self._find(container)
            if not isinstance(found, ContainerRun):
                return None
            return await self._take_over(container, found, spec, watcher)

    async def _unwatched_end(self, name: str) -> Ended | None:
        container = self._container(name)
        async with self._operations.lock(name):
            return await self._watched_runs.unwatched_end(container, self._clock.now())

    async def _take_over(
        self, container: Container, run: ContainerRun, spec: MachineSpec, watcher: Watcher
    ) -> Running:
        # First the watcher: the run may end while the files are written.
        run.watcher = watcher
        await self._files.write(container, spec)
        return evolve(run.running, adopted=True)

    async def _destroy(self, name: str, purge: bool, only_made: bool) -> None:
        container = self._container(name)
        async with self._operations.lock(name):
            unit = await self._systemd.unit_state(container.unit)
            if not unit.active.down:
                raise FailedError(f"{name} runs ({unit.id} is {unit.active}); stop it first")
            if only_made and name not in self._made:
                await asyncio.to_thread(self._backend.forget, container.machine, self._places)
            else:
                await self._backend.remove(container.machine)
            self._made.discard(name)
            await self._watched_runs.forget(container)
            await self._files.remove(container)
            await self._systemd.forget_failure(container.unit)
            if purge:
                await asyncio.to_thread(purge_directory, self._paths.state_dir, "agents", name)

    async def _release(self, name: str) -> None:
        container = self._container(name)
        async with self._operations.lock(name):
            if container.watching is not None:
                container.watching.cancel()
                await asyncio.wait([container.watching])
            if container.run is not None:
                container.run.abandon()
            del self._containers[name]
            await self._files.forget(container)
            await self._watched_runs.end(container)

    async def _end(self, name: str, deadline: float) -> Ended | None:
        container = self._container(name)
        run = await self._find_to_end(container, deadline)
        if not isinstance(run, ContainerRun):
            return None
        if deadline <= 0:
            run.killing.set()
        if run.stopping is None or run.stopping.done():
            plan = transitions.stop_plan(deadline)
            run.stopping = self._operations.begin(self._stopper.stop(container, run, plan))
        waits: tuple[asyncio.Future[Any], ...] = (run.ended, run.stopping)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not run.ended.done():
            await run.stopping
        return await asyncio.shield(run.ended)

    async def _find_to_end(
        self, container: Container, seconds: float
    ) -> ContainerRun | ContainerState:
        """Return the run to end, or the state of a container that is down.

        What brings the container up is waited for, and aborted after some seconds.
        """
        lock = self._operations.lock(container.name)
        if seconds > 0:
            with suppress(TimeoutError, AbortedError):
                async with asyncio.timeout(seconds), container.bringing_up(lock):
                    return container.run or await self._find(container)
        with container.overtaking() as was_coming_up:
            async with lock:
                if was_coming_up or not container.run:
                    await self._stopper.abort_start(container, is_requested=was_coming_up)
                return container.run or await self._find(container)

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
                # Others may have started it again since: then it has not ended for its watch.
                await asyncio.wait([container.run.ended], timeout=_CHANGE_SECONDS)
                continue
            if container.run:
                return container.run
            if down:
                return state
            late = loop.time() >= until
            # A container that machined does not know runs nevertheless and must be stoppable.
            if state.unit.active.up and (state.registered or late):
                await self._watched_runs.begin(container, filter_of(state.unit))
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
            except Exception:
                # No caller awaits this task, and only it reports the end.
                _log.exception("%s: its container cannot be looked at", container.name)

    async def _replace(self, container: Container, run: ContainerRun) -> None:
        state = await self._systemd.container_state(container.unit, container.machine)
        if not (state.registered and state.unit.active.up):
            return  # the next change is read again
        before, run.running = run.running, self._running(state, adopted=True)
        run.journal_filter = filter_of(state.unit)
        await self._watched_runs.end(container)
        await self._watched_runs.begin(container, run.journal_filter)
        found: tuple[Restarter, ...] = ()
        with suppress(FailedError):  # no answer: it is reported without the reason
            found = await self._restarters.find(container.unit)
        restart = ExternalRestart(container.name, container.unit, before, run.running, found)
        _log.warning("%s", restart)
        if self.on_external_restart:
            self.on_external_restart(restart)

    async def _report_end(self, container: Container, run: ContainerRun, unit: UnitState) -> None:
        lines = await self._journal.run_of(run.journal_filter)
        # First: whoever is notified may start the next run.
        await self._watched_runs.end(container)
        container.run = None
        run.report_end(end_of(unit, lines, self._clock.now()))

    def _running(self, state: ContainerState, *, adopted: bool) -> Running:
        age = time.monotonic() - state.unit.since_usec / 1e6
        since = self._clock.now() - age
        return Running(state.leader, since, state.unit.invocation, adopted, "systemd")

    async def _reconcile(self) -> None:
        while True:
            has_signals = isinstance(self.event_source, DBusSignals)
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONCILE_SECONDS if has_signals else POLL_SECONDS):
                    await self._look_soon.wait()
            self._look_soon.clear()
            try:
                await self._look_at_all()
            except FailedError as error:
                _log.warning("containers cannot be looked at: %s", error)
            except Exception:  # as in `_watch_run`
                _log.exception("containers cannot be looked at")

    async def _look_at_all(self) -> None:
        """Read all units, those of watched containers and those that systemd has loaded."""
        watched = [each for each in self._containers.values() if each.run]
        units = await self._systemd.unit_states(
            [*(each.unit for each in watched), *self._patterns()]
        )
        for container, unit in zip(watched, units, strict=False):
            run = container.run
            if run and transitions.has_changed(run.running.instance, unit):
                container.changed.set()
        for name in up_and_unwatched(units, (each.unit for each in watched)):
            self._unwatched.look_at(name)

    # State changes

    async def _subscribe(self) -> None:
        if not self._listen:
            self.event_source = Polling("asked to")
            return
        try:
            from hive.machines.systemd import dbus
        except ImportError as error:
            command = await asyncio.to_thread(how_to_install, "systemd")
            self.event_source = Polling(f"{error}; add the extra: {command}")
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
        if name:
            self._unwatched.look_at(name)
        else:
            self._look_soon.set()
        for container in self._containers.values():
            if name in {"", container.unit, container.machine}:
                container.changed.set()

    # Names

    def _container(self, name: str) -> Container:
        if name not in self._containers:
            machine = container_name(check_agent_name(name))
            self._containers[name] = Container(name, machine, self._backend.unit(machine))
        return self._containers[name]

    def _patterns(self) -> tuple[str, str]:
        """Return the patterns of the units of all containers of agents."""
        return self._backend.unit(f"{CONTAINER_PREFIX}*"), self._backend.unit(MANAGER)
