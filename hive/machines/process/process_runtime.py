"""Agents as plain processes of this machine: the runtime that needs nothing installed.

Each agent is a process in a session and process group of its own, with its output in a log file.
Agents survive the daemon. The next daemon adopts them by the run files
`agents/<name>/process.json` and detects their ends as it does those of its own children. (Under
systemd, the daemon's unit needs `KillMode=process` for that.)

Limits of this runtime: it isolates nothing; `binds`, `memory_max` and `cpu_quota` have no effect;
and a process that the kernel's out-of-memory killer chose is reported as killed by SIGKILL, since
the kernel reports no more. The container runtimes do all of that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import ParamSpec, TypeVar

from attrs import evolve

from hive.clock import Clock, SystemClock
from hive.errors import FailedError
from hive.exits import Ended, How, Unknown
from hive.machines.operations import Operations, StartRequest, purge_directory
from hive.machines.output_log import DEFAULT_LIMIT, LineSplitter, OutputLog
from hive.machines.process import pidfd, runfile
from hive.machines.process.procfs import Process, ProcFs
from hive.machines.process.reap import describe, kill_marked, reap
from hive.machines.process.runfile import RunRecord
from hive.machines.process.spawn import ProcessHandle, child_environment, spawn
from hive.machines.process.watch import WatchedProcess
from hive.machines.runtime import MachineSpec, Running, Watcher, ignore_end
from hive.names import check_agent_name
from hive.paths import STATE_DIR_MODE, Paths, make_directory

FOLLOW_SECONDS = 0.2
"""Interval at which a followed log is read."""

ROTATE_SECONDS = 30.0
"""Interval at which the sizes of the logs are checked."""

_T = TypeVar("_T")
_P = ParamSpec("_P")


def leader_of(record: RunRecord, procfs: ProcFs) -> Process | None:
    """Return the living process of a record; None if it has ended.

    A record has no pid if the daemon died between its two writes. The process is then the oldest
    session leader that carries the run id.
    """
    if record.boot_id != procfs.boot_id():
        return None
    if record.pid is not None and record.start_ticks is not None:
        return procfs.living(record.pid, record.start_ticks)
    leaders = [p for p in procfs.marked(record.mark) if p.session == p.pid]
    return min(leaders, key=lambda p: p.start_ticks, default=None)


def find_running(run_file: Path, procfs: ProcFs) -> ProcessHandle | None:
    """Return the running process of a run file; None if there is none.

    If the process has ended, the processes that it left behind are killed, its log says so, and
    the run file is removed.

    Raises:
        FailedError: The run file is damaged.
        OSError: The run file could not be updated.
    """
    record = runfile.read(run_file)
    if record is None:
        return None
    handle = _open(record, procfs)
    if handle is None:
        _clean_up(record, procfs)
        runfile.remove(run_file)
    elif handle.record != record:
        runfile.write(run_file, handle.record)
    return handle


def _open(record: RunRecord, procfs: ProcFs) -> ProcessHandle | None:
    leader = leader_of(record, procfs)
    if leader is None:
        return None
    try:
        fd = os.pidfd_open(leader.pid)
    except ProcessLookupError:
        return None
    # Only from now on does the pid belong to one process: check that it is the right one.
    if procfs.living(leader.pid, leader.start_ticks) is None:
        os.close(fd)
        return None
    return ProcessHandle(
        evolve(record, pid=leader.pid, start_ticks=leader.start_ticks), leader.pid, fd
    )


def _clean_up(record: RunRecord, procfs: ProcFs) -> None:
    killed: tuple[Process, ...] = ()
    if record.boot_id == procfs.boot_id():
        _collect_zombie(record, procfs)
        killed = kill_marked(procfs, record.mark)
    if record.pid is not None or killed:
        addition = f"; {describe(killed)}" if killed else ""
        OutputLog(Path(record.log_file)).note(f"it ended while no daemon was watching{addition}")


def _collect_zombie(record: RunRecord, procfs: ProcFs) -> None:
    # If a runtime was closed and opened again in one program, the process is still its child.
    if record.pid is None or not procfs.since(record.pid, record.start_ticks or 0):
        return
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(record.pid)
        pidfd.collect(fd)
        os.close(fd)


class ProcessRuntime:
    """Runs agents as process groups and adopts those that another daemon started.

    File access happens in threads. An operation runs to its end even if its caller is cancelled,
    so that no process is left without a watcher.

    Args:
        paths: Directories of the agents.
        clock: Time of starts and ends.
        random: Source of run ids.
        environment: Variables that agents inherit, except those in which systemd describes the
            daemon; by default, those of this program.
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
        self._operations = Operations(self.name)
        self._rotation: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start rotating logs.

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
        self._operations.open()
        self._rotation = asyncio.create_task(self._rotate_logs(), name="process runtime: logs")

    async def close(self) -> None:
        """Stop watching all processes; they go on, and the next daemon adopts them."""
        rotation, self._rotation = self._rotation, None
        if rotation:
            rotation.cancel()
        await self._operations.close()
        # No await in between: a process that ends now must not begin another operation.
        while self._processes:
            self._processes.popitem()[1].release()
        if rotation:
            await asyncio.wait([rotation])

    async def ensure_running(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Adopt the agent's process; without one, make its directories and start its program.

        If the last process ended unwatched, the processes that it left behind are killed first.

        Raises:
            FailedError: It could not be started.
        """
        request = StartRequest(spec, watcher)
        return await self._operations.finish(self._ensure_running(request), request=request)

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Watch the agent's process if it runs, in place of its present watcher.

        If it has ended unwatched, the processes that it left behind are killed, and its log
        says so.
        """
        return await self._operations.finish(self._adopt(spec.name, watcher))

    async def update(self, spec: MachineSpec) -> None:
        """Do nothing: a program is read when it is started."""

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove a stopped agent's run file; with `purge`, its directory in the state directory.

        Raises:
            FailedError: It runs, or a symbolic link is in place of its directory.
        """
        await self._operations.finish(self._destroy(name, purge))

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Send SIGTERM to the group, SIGKILL after `deadline` seconds, and wait for the end.

        Concurrent callers share one outcome. A process in uninterruptible sleep cannot be killed;
        this waits as long as it sleeps.

        Raises:
            FailedError: The process belongs to another user by now.
        """
        return await self._end(name, lambda process: process.terminate(deadline))

    async def kill(self, name: str) -> Ended | None:
        """Send SIGKILL to the group and wait for the end, also during a `stop`.

        Raises:
            FailedError: The process belongs to another user by now.
        """
        return await self._end(name, WatchedProcess.kill)

    async def running(self) -> tuple[str, ...]:
        """Return the names of the agents whose process is alive, by the kernel's account."""
        return await asyncio.to_thread(self._alive)

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's log, oldest first; reads at most 128 KiB.

        Blocks: on the loop's thread use `asyncio.to_thread`.
        """
        return self._log(spec.log_file).last_lines(lines)

    async def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's log, then each new one, across rotations."""
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

    async def _ensure_running(self, request: StartRequest) -> Running:
        spec = request.spec
        async with self._operations.lock(spec.name):
            process = await self._find(spec.name)
            if process is not None:
                process.watcher = request.watcher
                return process.running(adopted=True)
            if not spec.command:
                raise FailedError(f"{spec.name} has no command to start; give it one")
            request.check()
            handle = await _in_thread(spec.name, self._spawn, spec)
            return self._watch(handle, request.watcher, adopted=False).running()

    async def _adopt(self, name: str, watcher: Watcher) -> Running | None:
        async with self._operations.lock(name):
            process = await self._find(name)
            if process is None:
                return None
            process.watcher = watcher
            return process.running(adopted=True)

    async def _destroy(self, name: str, purge: bool) -> None:
        async with self._operations.lock(name):
            process = await self._find(name)
            if process:
                raise FailedError(f"{name} runs (pid {process.handle.pid}); stop it first")
            await _in_thread(name, runfile.remove, self._run_file(name))
            if purge:
                await _in_thread(name, purge_directory, self._paths.state_dir, "agents", name)

    async def _end(self, name: str, request: Callable[[WatchedProcess], None]) -> Ended | None:
        process = await self._operations.finish(self._process_to_end(name))
        if process is None:
            return None
        try:
            request(process)
        except PermissionError as error:
            raise FailedError(
                f"{name} could not be signalled (pid {process.handle.pid}): {error}; end it by hand"
            ) from error
        return await asyncio.shield(process.ended)

    async def _process_to_end(self, name: str) -> WatchedProcess | None:
        async with self._operations.lock(name):
            # Also one that is ending: its outcome is awaited, not the next look at its run file.
            return self._processes.get(name) or await self._find(name)

    async def _find(self, name: str) -> WatchedProcess | None:
        """Return the agent's running process, watched. Call it with the lock held."""
        process = self._processes.get(name)
        if process and process.ending:
            await asyncio.wait([process.ended])
            process = None
        if process is None:
            found = await _in_thread(name, find_running, self._run_file(name), self._procfs)
            process = self._watch(found, ignore_end, adopted=True) if found else None
        return process

    def _watch(self, handle: ProcessHandle, watcher: Watcher, *, adopted: bool) -> WatchedProcess:
        process = WatchedProcess(handle, watcher, self._on_end, adopted=adopted)
        self._processes[handle.record.name] = process
        return process

    def _on_end(self, process: WatchedProcess) -> None:
        self._operations.begin(self._report_end(process))

    async def _report_end(self, process: WatchedProcess) -> None:
        ended = await asyncio.to_thread(self._reap, process.handle)
        del self._processes[process.handle.record.name]
        process.report_end(ended)

    def _reap(self, handle: ProcessHandle) -> Ended:
        how: How
        log = self._log(Path(handle.record.log_file))
        try:
            how, lines = reap(handle, self._run_file(handle.record.name), log, self._procfs)
        except OSError as error:
            how, lines = Unknown(f"looking into it failed: {error}"), ()
        return Ended(how, self._clock.now(), lines)

    def _spawn(self, spec: MachineSpec) -> ProcessHandle:
        make_directory(self._paths.agents_state_dir, STATE_DIR_MODE, narrow=True)
        make_directory(self._paths.agent_dir(spec.name), STATE_DIR_MODE, narrow=True)
        for directory in (spec.state_dir, spec.log_file.parent):
            make_directory(directory, STATE_DIR_MODE)
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
            self._run_file(spec.name),
            environment=child_environment(self._environment, spec, record),
            log=log,
            procfs=self._procfs,
        )

    def _alive(self) -> tuple[str, ...]:
        files = self._paths.agent_dir("any").parent.glob(f"*/{runfile.FILE_NAME}")
        found = []
        for file in sorted(files):
            with suppress(FailedError):  # the next start of that agent reports the broken run file
                record = runfile.read(file)
                if record and leader_of(record, self._procfs):
                    found.append(record.name)
        return tuple(found)

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            logs = {Path(process.handle.record.log_file) for process in self._processes.values()}
            for log in map(self._log, logs):
                # Other components report a full disk; the next round tries again.
                with suppress(OSError):
                    await asyncio.to_thread(log.rotate)

    def _run_file(self, name: str) -> Path:
        return self._paths.agent_dir(check_agent_name(name)) / runfile.FILE_NAME

    def _log(self, path: Path) -> OutputLog:
        return self._logs.setdefault(path, OutputLog(path, self._log_limit))


async def _in_thread(name: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise FailedError(f"{name}: {error}") from error
