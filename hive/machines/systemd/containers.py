"""The runtime that `machinectl` and `nixos-container` share.

systemd keeps the containers; this only asks for them and looks. The daemon may end at any time, and
the next one adopts what runs. All state here is derived from what systemd shows.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, frozen

from hive.clock import Clock, SystemClock
from hive.errors import BadRequestError, FailedError, UnavailableError
from hive.exits import Ended
from hive.machines.purge import purge_directory
from hive.machines.runtime import MachineSpec, Running, Watcher
from hive.machines.systemd import causes, files, journal, states, units
from hive.machines.systemd.commands import Outcome
from hive.machines.systemd.files import Places
from hive.machines.systemd.hearing import Hearing, Line, Polling, Signals
from hive.machines.systemd.host import Host
from hive.machines.systemd.journal import Journal, trace_of
from hive.machines.systemd.slots import Run, Slot
from hive.machines.systemd.starting import Starter
from hive.machines.systemd.stopping import Stopper
from hive.machines.systemd.tool import Tool
from hive.machines.systemd.views import Unit, View
from hive.names import CONTAINER_PREFIX, MANAGER, check_agent_name, container_name
from hive.paths import Paths

RECONCILE_SECONDS = 30.0
"""How often all containers are looked at although nothing was heard: the safety net."""

POLL_SECONDS = 1.0
"""How often they are looked at while nothing can be heard."""

SETTLE_SECONDS = 30.0
"""How long a container that somebody else starts or stops is waited for."""

_PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")

_BOOTED = Path("/run/systemd/system")
"""It exists where systemd is in charge; see sd_booted(3)."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@frozen
class ExternalRestart:
    """A container that we had started or adopted was restarted, and not by us.

    Attributes:
        name: The agent.
        before: The run that is over; nobody was told of its end.
        now: The run that is watched in its place.
    """

    name: str
    before: Running
    now: Running

    def __str__(self) -> str:
        return f"{self.name} was restarted by somebody else; see `journalctl -u` for who asked"


class ContainerRuntime:
    """Runs each agent in a container of its own.

    What was begun is always finished: a caller that is cancelled stops waiting, nothing else.

    Args:
        tool: The program behind it.
        paths: Where sockets and the agents' directories are.
        clock: Tells when something ended.
        host: Who is asked for states.
        places: Where generated files go.
        on_external_restart: Called on the loop for each restart that was not ours.
        listen: Whether to hear systemd's signals; False polls.
    """

    def __init__(
        self,
        tool: Tool,
        paths: Paths,
        *,
        clock: Clock | None = None,
        host: Host | None = None,
        places: Places | None = None,
        on_external_restart: Callable[[ExternalRestart], None] | None = None,
        listen: bool = True,
    ) -> None:
        self.on_external_restart = on_external_restart
        self.hearing: Hearing = Polling("the runtime is not open")
        self._tool = tool
        self._paths = paths
        self._clock = clock or SystemClock()
        self._host = host or Host()
        self._journal = Journal(self._host.run)
        self._places = places or Places.below(paths.run_dir)
        self._listen = listen
        self._starter = Starter(self._host, self._journal)
        self._stopper = Stopper(self._host, tool)
        self._slots: dict[str, Slot] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._open = False

    @property
    def name(self) -> str:
        """The name used in hive.toml."""
        return self._tool.name

    async def open(self) -> None:
        """Begin to hear what happens to containers.

        Raises:
            FailedError: This machine has no running systemd, or a program is missing.
        """
        await asyncio.to_thread(_check_machine, (*_PROGRAMS, *self._tool.programs), self.name)
        self._open = True
        self._background = [asyncio.create_task(self._reconcile(), name="containers: reconcile")]
        self._begin_to_listen()

    async def close(self) -> None:
        """Let go of all containers; they go on, and the next daemon adopts them."""
        self._open = False
        while self._work:
            await asyncio.wait(self._work)
        watching = [slot.watching for slot in self._slots.values() if slot.watching]
        self._slots.clear()
        for task in (*watching, *self._background):
            task.cancel()
        if watching or self._background:
            await asyncio.wait([*watching, *self._background])
        self._background = []

    async def create(self, spec: MachineSpec) -> None:
        """Make the container if it is not there, and bring its files in line with the spec.

        Raises:
            FailedError: It could not be made.
        """
        await self._finish(self._create(spec))

    async def update(self, spec: MachineSpec) -> None:
        """Build the container's system anew; one that runs goes on, and can be stopped meanwhile.

        Raises:
            FailedError: It did not build; the container is as it was.
        """
        await self._finish(self._tool.update(spec))

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove a stopped container and its generated files; with `purge`, the agent's own, too.

        Raises:
            FailedError: It runs, or could not be removed.
        """
        await self._finish(self._destroy(name, purge))

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Return the agent's container if it runs, whoever started it; `watcher` hears its end.

        One that is watched already gets this watcher in place of the one it had.

        Raises:
            FailedError: Nobody can say whether it runs.
        """
        return await self._finish(self._adopt(spec, watcher))

    async def start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Start the agent's container; `watcher` hears its end.

        Raises:
            FailedError: It could not be started, or it runs already.
        """
        return await self._finish(self._start(spec, watcher))

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Power it off, terminate it if that has no effect, kill it after `deadline` seconds.

        Callers at the same time share one outcome.

        Raises:
            FailedError: It is not even gone after a kill.
        """
        return await self._finish(self._end(name, states.stop_plan(deadline)))

    async def kill(self, name: str) -> Ended | None:
        """Kill everything in the container, also during a `stop`, and wait for the end.

        Raises:
            FailedError: It is not gone after that.
        """
        return await self._finish(self._end(name, states.KILL_PLAN))

    async def running(self) -> tuple[str, ...]:
        """Return the agents whose containers systemd says are up.

        Raises:
            FailedError: It does not answer.
        """
        patterns = (self._tool.unit(f"{CONTAINER_PREFIX}*"), self._tool.unit(MANAGER))
        shown = await self._host.units(patterns)
        named = ((self._agent_of(unit), unit) for unit in shown)
        return tuple(sorted({name for name, unit in named if name and not unit.active.down}))

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines of the agent's output, oldest first; blocks: use a thread."""
        return journal.newest_now(self._slot(spec.name).unit, lines)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines of the agent's output and then each new one."""
        unit = self._slot(spec.name).unit
        return self._journal.follow(unit, lines, agent=bool(spec.command))

    async def run_inside(self, name: str, argv: Sequence[str], *, deadline: float) -> Outcome:
        """Run a command inside a container, with its true exit status.

        Not `machinectl shell`, which exits with 0 whatever happened inside.
        """
        inside = ("systemd-run", f"--machine={container_name(name)}", "--wait", "--pipe")
        return await self._host.run(
            (*inside, "--quiet", "--collect", "--", *argv), deadline=deadline
        )

    def shell(self, name: str) -> tuple[str, ...]:
        """Return the command line that gives a person a shell inside."""
        return ("machinectl", "shell", container_name(check_agent_name(name)))

    async def _create(self, spec: MachineSpec) -> None:
        async with self._slot(spec.name).lock:
            await self._tool.create(spec)
            await self._prepare(spec)

    async def _prepare(self, spec: MachineSpec) -> None:
        written = await asyncio.to_thread(self._write, spec)
        if self._places.drop_in(self._slot(spec.name).unit) in written:
            await self._host.reload()

    def _write(self, spec: MachineSpec) -> tuple[Path, ...]:
        slot = self._slot(spec.name)
        guest = self._places.guest_units(slot.container)
        generated = {
            **self._tool.files(spec, self._places),
            self._places.drop_in(slot.unit): units.drop_in(spec),
        }
        generated |= {guest / file: text for file, text in units.guest_files(spec).items()}
        files.make_directories(spec)
        return files.write(generated)

    async def _destroy(self, name: str, purge: bool) -> None:
        slot = self._slot(name)
        async with slot.lock:
            unit = await self._host.unit(slot.unit)
            if not unit.active.down:
                raise FailedError(f"{name} runs ({unit.id} is {unit.active}); stop it first")
            await self._tool.remove(slot.container)
            await asyncio.to_thread(files.remove, self._generated(slot))
            await self._host.reload()
            if purge:
                await asyncio.to_thread(purge_directory, self._paths.state_dir, "agents", name)

    def _generated(self, slot: Slot) -> tuple[Path, ...]:
        guest = self._places.guest_units(slot.container)
        host = (self._places.nspawn_file(slot.container), self._places.drop_in(slot.unit))
        # The deepest first, so that each directory is empty when its last file goes.
        return (*host, *(guest / file for file in reversed(units.GUEST_FILES)))

    async def _adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        slot = self._slot(spec.name)
        async with slot.lock:
            found = await self._found(slot)
            if not isinstance(found, Run):
                return None
            await self._prepare(spec)
            found.watcher = watcher
            return evolve(found.running, adopted=True)

    async def _start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        slot = self._slot(spec.name)
        async with slot.lock:
            found = await self._found(slot)
            if isinstance(found, Run):
                raise FailedError(
                    f"{spec.name} runs already (pid {found.running.pid}); adopt or stop it"
                )
            await self._prepare(spec)
            if found.registered:
                await self._forgotten(slot)
            argv = self._tool.start(slot.container)
            view = await self._starter.start(slot, argv, found.unit.invocation)
            return self._watch(slot, view, watcher, adopted=False).running

    async def _end(self, name: str, plan: tuple[states.Stage, ...]) -> Ended | None:
        slot = self._slot(name)
        async with slot.lock:
            run = slot.run or await self._found(slot)
        if not isinstance(run, Run):
            return None
        if plan is states.KILL_PLAN:
            run.killing.set()
        if run.ending is None or run.ending.done():
            run.ending = self._begin(self._stopper.stop(slot, run, plan))
        waits: tuple[asyncio.Future[Any], ...] = (run.ended, run.ending)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not run.ended.done():
            await run.ending
        return await asyncio.shield(run.ended)

    async def _found(self, slot: Slot) -> Run | View:
        """Return the run of a container that is up, watched, or how one looks that is down.

        Call it with the lock held.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLE_SECONDS
        while True:
            view = await self._host.view(slot.unit, slot.container)
            down = view.unit.active.down and not view.unit.job
            if slot.run and down:
                slot.hinted.set()
                await asyncio.wait([slot.run.ended])
            if slot.run:
                return slot.run
            if down:
                return view
            late = loop.time() >= until
            # One that machined does not know runs all the same, and has to be ended somehow.
            if view.unit.active.up and (view.registered or late):
                return self._watch(slot, view, _nobody, adopted=True)
            if late:
                raise FailedError(
                    f"{slot.name}: {slot.unit} has been {view.unit.active} for "
                    f"{SETTLE_SECONDS:g} s; see `systemctl status {slot.unit}`"
                )
            await slot.hint(0.5)

    async def _forgotten(self, slot: Slot) -> None:
        """Wait until machined has forgotten the last container of that name, or terminate it."""
        for _ in states.RETRY_DELAYS:
            if await self._host.leader(slot.container) is None:
                return
            await slot.hint(0.5)
        argv = self._tool.end(states.Step.TERMINATE, slot.container)
        await self._host.run(argv, deadline=states.TERMINATE_SECONDS)

    def _watch(self, slot: Slot, view: View, watcher: Watcher, *, adopted: bool) -> Run:
        run = Run(
            self._running(view, adopted=adopted),
            trace_of(view.unit),
            watcher,
            asyncio.get_running_loop().create_future(),
        )
        slot.run = run
        slot.hinted.set()  # what happened since the view is not to be missed
        slot.watching = asyncio.create_task(self._look(slot, run), name=f"watch {slot.container}")
        return run

    async def _look(self, slot: Slot, run: Run) -> None:
        """Look at a container whenever there is a reason to, until it has ended."""
        while not run.ended.done():
            await slot.hinted.wait()
            slot.hinted.clear()
            try:
                unit = await self._host.unit(slot.unit)
                match states.observe(run.running.instance, unit):
                    case states.Replaced():
                        await self._replace(slot, run)
                    case states.Gone():
                        await self._conclude(slot, run, unit)
                    case states.Same():
                        pass
            except FailedError as error:
                # The next hint or round tries again: what is unknown is not reported as an end.
                _log.warning("%s: %s", slot.name, error)

    async def _replace(self, slot: Slot, run: Run) -> None:
        view = await self._host.view(slot.unit, slot.container)
        if not (view.registered and view.unit.active.up):
            return  # the next hint tells how it went on
        before, run.running = run.running, self._running(view, adopted=True)
        run.trace = trace_of(view.unit)
        restart = ExternalRestart(slot.name, before, run.running)
        _log.warning("%s", restart)
        if self.on_external_restart:
            self.on_external_restart(restart)

    async def _conclude(self, slot: Slot, run: Run, unit: Unit) -> None:
        lines = await self._journal.run_of(run.trace)
        shown = journal.newest(lines, journal.REASON_LINES)
        slot.run = None
        how, result = causes.how(unit, lines), causes.result(unit, lines)
        run.tell(Ended(how, self._clock.now(), shown, result))

    def _running(self, view: View, *, adopted: bool) -> Running:
        age = time.monotonic() - view.unit.since_usec / 1e6
        since = self._clock.now() - age
        return Running(view.leader, since, view.unit.invocation, adopted, "systemd")

    async def _reconcile(self) -> None:
        while True:
            heard = isinstance(self.hearing, Signals)
            await asyncio.sleep(RECONCILE_SECONDS if heard else POLL_SECONDS)
            watched = [slot for slot in self._slots.values() if slot.run]
            try:
                shown = await self._host.units([slot.unit for slot in watched]) if watched else ()
            except FailedError as error:
                _log.warning("containers cannot be looked at: %s", error)
                continue
            for slot, unit in zip(watched, shown, strict=False):
                run = slot.run
                if run and states.observe(run.running.instance, unit) != states.Same():
                    slot.hinted.set()

    def _begin_to_listen(self) -> None:
        if not self._listen:
            self.hearing = Polling("asked to")
            return
        try:
            from hive.machines.systemd import bus
        except ImportError as error:
            self.hearing = Polling(f"{error}; install the extra: pip install 'hyperhive[systemd]'")
            _log.warning("this runtime %s", self.hearing)
            return
        self.hearing = Polling("the bus is not connected yet")
        listening = bus.listen(self._hint, self._hear, connected=self._connected)
        self._background.append(asyncio.create_task(listening, name="containers: listen"))

    def _connected(self, line: Line | None) -> None:
        self._host.line = line

    def _hear(self, hearing: Hearing) -> None:
        if hearing != self.hearing:
            _log.info("this runtime %s", hearing)
        self.hearing = hearing

    def _hint(self, name: str) -> None:
        for slot in self._slots.values():
            if name in {"", slot.unit, slot.container}:
                slot.hinted.set()

    def _slot(self, name: str) -> Slot:
        if name not in self._slots:
            container = container_name(check_agent_name(name))
            self._slots[name] = Slot(name, container, self._tool.unit(container))
        return self._slots[name]

    def _agent_of(self, unit: Unit) -> str | None:
        container = unit.id.partition("@")[2].removesuffix(".service")
        name = container if container == MANAGER else container.removeprefix(CONTAINER_PREFIX)
        try:
            return check_agent_name(name)
        except BadRequestError:
            return None

    async def _finish(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for some work that goes on to its end even if this wait is cancelled."""
        if not self._open:
            work.close()
            raise UnavailableError(f"the {self.name} runtime is closed; start the daemon")
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work, name=f"{self.name} runtime")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task


def _nobody(ended: Ended) -> None:
    """Hear the end of a container that is only watched to be stopped."""


def _check_machine(programs: Sequence[str], runtime: str) -> None:
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
