"""Agents as plain processes of this machine: the runtime that needs nothing installed.

Each agent is a process in a session and process group of its own, with its output in a log file.
The daemon is disposable: agents go on when it ends, and the next one adopts them by the records in
`agents/<name>/process.json` and hears their end like that of its own children. (Under systemd the
daemon's unit needs `KillMode=process` for that.)

What this runtime does not do: it isolates nothing, `binds`, `memory_max` and `cpu_quota` have no
effect, and a process that the kernel's out-of-memory killer chose is reported as killed by SIGKILL,
which is all that the kernel tells about it. The container runtimes do all of that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from hive.clock import Clock, SystemClock
from hive.errors import FailedError, UnavailableError
from hive.exits import Ended, How, Unknown
from hive.machines import adoption, records
from hive.machines.conclusion import conclude
from hive.machines.output import DEFAULT_LIMIT, LineSplitter, OutputLog
from hive.machines.procfs import ProcFs
from hive.machines.purge import purge_directory
from hive.machines.records import RunRecord
from hive.machines.runtime import MachineSpec, Running, Watcher
from hive.machines.spawning import Held, child_environment, spawn
from hive.machines.watched import WatchedProcess
from hive.names import check_agent_name
from hive.paths import Paths

FOLLOW_SECONDS = 0.2
"""How often a followed log is looked at."""

ROTATE_SECONDS = 30.0
"""How often the sizes of the logs are looked at."""

_T = TypeVar("_T")
_P = ParamSpec("_P")


class ProcessRuntime:
    """Runs agents as process groups and adopts those that another daemon started.

    What touches files runs in threads. What was begun is always finished: a caller that is
    cancelled stops waiting, nothing else, and the process stays watched.

    Args:
        paths: Where the agents' directories are.
        clock: Tells when something started and ended.
        random: Makes the ids of runs.
        environment: What agents inherit, apart from what systemd tells the daemon about itself;
            this program's environment by default.
        log_limit: Bytes after which an agent's log is rotated; one older file is kept.
    """

    name = "process"

    def __init__(
        self,
        paths: Paths,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        environment: Mapping[str, str] | None = None,
        log_limit: int = DEFAULT_LIMIT,
    ) -> None:
        self._paths = paths
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self._environment = dict(os.environ if environment is None else environment)
        self._log_limit = log_limit
        self._procfs = ProcFs()
        self._processes: dict[str, WatchedProcess] = {}
        self._logs: dict[Path, OutputLog] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._at_work: set[asyncio.Task[Any]] = set()
        self._rotation: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin; the logs are kept small from now on.

        Raises:
            FailedError: This system has no process file descriptors.
        """
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (AttributeError, OSError) as error:
            raise FailedError(
                "the process runtime needs Linux 5.4 or newer (pidfd_open); "
                "choose another runtime in hive.toml"
            ) from error
        self._rotation = asyncio.create_task(self._rotate_logs(), name="process runtime: logs")

    async def close(self) -> None:
        """Let go of all processes; they go on, and the next daemon adopts them."""
        rotation, self._rotation = self._rotation, None
        if rotation:
            rotation.cancel()
            await asyncio.wait([rotation])
        while self._at_work:
            await asyncio.wait(self._at_work)
        while self._processes:
            self._processes.popitem()[1].let_go()

    async def create(self, spec: MachineSpec) -> None:
        """Make the agent's directories. Idempotent."""
        await self._finish(self._create(spec))

    async def update(self, spec: MachineSpec) -> None:
        """Do nothing: a program is what it is when it is started."""

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Forget a stopped agent; with `purge`, remove its directory below the state directory.

        Raises:
            FailedError: It runs, or its directory is not where it belongs.
        """
        await self._finish(self._destroy(name, purge))

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Return the agent's process if it runs, whoever started it; `watcher` hears its end.

        One that is watched already gets this watcher in place of the one it had. If it has ended
        unwatched, the processes it left behind are killed, and its log says so.
        """
        return await self._finish(self._adopt(spec.name, watcher))

    async def start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Start the agent's program; `watcher` hears its end.

        Raises:
            FailedError: It could not be started, or it runs already.
        """
        return await self._finish(self._start(spec, watcher))

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Send SIGTERM to the group, SIGKILL after `deadline` seconds, and wait for the end.

        Callers at the same time share one outcome. A process that waits in the kernel cannot be
        killed; this waits as long as it does.

        Raises:
            FailedError: The process is another user's now.
        """
        return await self._end(name, lambda process: process.terminate(deadline))

    async def kill(self, name: str) -> Ended | None:
        """Send SIGKILL to the group and wait for the end, also during a `stop`.

        Raises:
            FailedError: The process is another user's now.
        """
        return await self._end(name, WatchedProcess.kill)

    async def running(self) -> tuple[str, ...]:
        """Return the names of the agents whose process the kernel says is alive."""
        return await asyncio.to_thread(self._alive)

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines of the agent's log, oldest first; reads at most 128 KiB.

        It reads a file: on the loop's thread use `asyncio.to_thread`.
        """
        return self._log(spec.log_file).last_lines(lines)

    async def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines of the agent's log and then each new one, across rotations."""
        log, splitter = self._log(spec.log_file), LineSplitter()
        newest, position = await asyncio.to_thread(log.newest, lines)
        for line in newest:
            yield line
        while True:
            chunk, position = await asyncio.to_thread(log.read, position)
            for line in splitter.feed(chunk):
                yield line
            if not chunk:
                # The standard library has no inotify, and a regular file is always "readable".
                await asyncio.sleep(FOLLOW_SECONDS)

    async def _create(self, spec: MachineSpec) -> None:
        directories = (self._paths.agent_dir(spec.name), spec.state_dir, spec.log_file.parent)
        await _in_thread(spec.name, _make_directories, directories)

    async def _destroy(self, name: str, purge: bool) -> None:
        async with self._lock(name):
            process = await self._found(name)
            if process:
                raise FailedError(f"{name} runs (pid {process.held.pid}); stop it first")
            await _in_thread(name, records.remove, self._record_file(name))
            if purge:
                await _in_thread(name, purge_directory, self._paths.state_dir, "agents", name)

    async def _adopt(self, name: str, watcher: Watcher) -> Running | None:
        async with self._lock(name):
            process = await self._found(name)
            if process is None:
                return None
            process.watcher = watcher
            return process.running(adopted=True)

    async def _start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        if not spec.command:
            raise FailedError(f"{spec.name} has no command to start; give it one")
        async with self._lock(spec.name):
            process = await self._found(spec.name)
            if process:
                raise FailedError(
                    f"{spec.name} runs already (pid {process.held.pid}); adopt or stop it"
                )
            held = await _in_thread(spec.name, self._spawn, spec)
            return self._watch(held, watcher, adopted=False).running()

    async def _end(self, name: str, request: Callable[[WatchedProcess], None]) -> Ended | None:
        process = await self._finish(self._to_end(name))
        if process is None:
            return None
        try:
            request(process)
        except PermissionError as error:
            raise FailedError(
                f"{name} could not be signalled (pid {process.held.pid}): {error}; end it by hand"
            ) from error
        return await asyncio.shield(process.ended)

    async def _to_end(self, name: str) -> WatchedProcess | None:
        async with self._lock(name):
            return self._processes.get(name) or await self._found(name)

    async def _found(self, name: str) -> WatchedProcess | None:
        """Return the process that runs under this name, watched; call it with the lock held."""
        process = self._processes.get(name)
        if process and process.ending:
            await asyncio.wait([process.ended])
            process = None
        if process is None:
            held = await _in_thread(name, adoption.hold, self._record_file(name), self._procfs)
            process = self._watch(held, _nobody, adopted=True) if held else None
        return process

    def _watch(self, held: Held, watcher: Watcher, *, adopted: bool) -> WatchedProcess:
        process = WatchedProcess(held, watcher, self._begin_end, adopted=adopted)
        self._processes[held.record.name] = process
        return process

    def _begin_end(self, process: WatchedProcess) -> None:
        self._work(self._tell_end(process))

    async def _tell_end(self, process: WatchedProcess) -> None:
        ended = await asyncio.to_thread(self._find_out, process.held)
        del self._processes[process.held.record.name]
        process.tell(ended)

    def _find_out(self, held: Held) -> Ended:
        how: How
        record_file = self._record_file(held.record.name)
        log = self._log(Path(held.record.log_file))
        try:
            how, lines = conclude(held, record_file, log, self._procfs)
        except OSError as error:
            how, lines = Unknown(f"looking into it failed: {error}"), ()
        return Ended(how, self._clock.now(), lines)

    def _spawn(self, spec: MachineSpec) -> Held:
        log = self._log(spec.log_file)
        log.rotate()
        record = RunRecord(
            name=spec.name,
            run=f"{self._random.getrandbits(128):032x}",
            boot_id=self._procfs.boot_id(),
            started_at=self._clock.now(),
            log_file=str(spec.log_file),
            log_start=log.size(),
        )
        return spawn(
            spec,
            record,
            self._record_file(spec.name),
            environment=child_environment(self._environment, spec, record),
            log=log,
            procfs=self._procfs,
        )

    def _alive(self) -> tuple[str, ...]:
        files = self._paths.agent_dir("any").parent.glob(f"*/{records.FILE_NAME}")
        found = []
        for file in sorted(files):
            with suppress(FailedError):  # adopting or starting that agent will say what is wrong
                record = records.read(file)
                if record and adoption.leader_of(record, self._procfs):
                    found.append(record.name)
        return tuple(found)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            logs = {Path(process.held.record.log_file) for process in self._processes.values()}
            for log in map(self._log, logs):
                # A full disk is not for this task to report; the next round tries again.
                with suppress(OSError):
                    await asyncio.to_thread(log.rotate)

    def _record_file(self, name: str) -> Path:
        return self._paths.agent_dir(check_agent_name(name)) / records.FILE_NAME

    def _log(self, path: Path) -> OutputLog:
        return self._logs.setdefault(path, OutputLog(path, self._log_limit))

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _finish(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for some work that goes on to its end even if this wait is cancelled."""
        if self._rotation is None:
            work.close()
            raise UnavailableError("the process runtime is closed; start the daemon")
        return await asyncio.shield(self._work(work))

    def _work(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work, name="process runtime")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return task


def _nobody(ended: Ended) -> None:
    """Hear the end of a process that is only watched to be stopped."""


def _make_directories(directories: Iterable[Path]) -> None:
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)


async def _in_thread(name: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise FailedError(f"{name}: {error}") from error
