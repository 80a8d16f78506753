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
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from signal import SIGSTOP, Signals
from typing import ParamSpec, TypeVar

from attrs import evolve

from hive.clock import Clock, SystemClock
from hive.config.model import MachineProtection
from hive.errors import ConfigError, FailedError
from hive.exits import Ended, How, Unknown
from hive.machines.agent_files import purge_directory
from hive.machines.credentials import copy_credentials
from hive.machines.operations import Operations, StartRequest
from hive.machines.output_log import DEFAULT_LIMIT, LineSplitter, OutputLog, Position
from hive.machines.process import pidfd, runfile, stopped_processes
from hive.machines.process.log_rate import LogRate
from hive.machines.process.procfs import Process, ProcFs, Traces
from hive.machines.process.reap import describe, kill_marked, reap, traces_of, written_at
from hive.machines.process.runfile import RunRecord
from hive.machines.process.spawn import ProcessHandle, agent_environment, child_environment, spawn
from hive.machines.process.sweeps import Left, Sweeps
from hive.machines.process.watch import ReleasedProcesses, WatchedProcess
from hive.machines.resource_use import ResourceUse
from hive.machines.runtime import (
    REASON_LINES,
    MachineSpec,
    Running,
    Watcher,
    ignore_end,
    ignore_line,
)
from hive.machines.timed_output import LinesWanted
from hive.names import check_agent_name
from hive.paths import STATE_DIR_MODE, Paths, make_directory
from hive.subprocesses import OnLine, Outcome, watch_command

FOLLOW_SECONDS = 0.2
"""Interval at which a followed log is read."""

LOG_SECONDS = 1.0
"""Interval at which the sizes of the logs are checked."""

FLOOD_SECONDS = 0.1
"""The same while an agent prints more than its rate."""

_NO_STATUS = "nobody waited for its exit status"
"""Why the cause of an unwatched end is unknown: the kernel keeps no status of it."""

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
    log = OutputLog(Path(record.log_file))
    if record.boot_id == procfs.boot_id():
        _collect_zombie(record, procfs)
        killed = kill_marked(procfs, Traces(record.mark, output=log.file()))
    if record.pid is not None or killed:
        addition = f"; {describe(killed)}" if killed else ""
        log.note(f"it ended while no daemon was watching{addition}")


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
        protection: Rate of their output.
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
        protection: MachineProtection | None = None,
    ) -> None:
        self._paths = paths
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self._environment = dict(os.environ if environment is None else environment)
        self._log_limit = log_limit
        self._procfs = ProcFs()
        self._processes: dict[str, WatchedProcess] = {}
        self._logs: dict[Path, OutputLog] = {}
        self._protection = protection or MachineProtection()
        self._rates: dict[Path, LogRate] = {}
        self._released = ReleasedProcesses()
        self._unwatched: dict[str, Ended] = {}
        self._sweeps = Sweeps(self._search)
        self._operations = Operations(self.name)
        self._rotation: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start limiting the size and the rate of logs.

        Raises:
            ConfigError: This system has no process file descriptors.
        """
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (AttributeError, OSError) as error:
            raise ConfigError(
                "the process runtime needs Linux 5.4 or newer (pidfd_open); "
                "choose another runtime in hive.toml"
            ) from error
        self._operations.open()
        self._rotation = asyncio.create_task(self._limit_logs(), name="process runtime: logs")

    async def close(self) -> None:
        """Stop watching all processes; they go on, and the next daemon adopts them."""
        rotation, self._rotation = self._rotation, None
        if rotation:
            rotation.cancel()
        await self._operations.close()
        # No await in between: a process that ends now must not begin another operation.
        while self._processes:
            self._processes.popitem()[1].release()
        self._released.close()
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

    async def unwatched_end(self, name: str) -> Ended | None:
        """Return the end of a process whose run file is left; its cause is unknown."""
        return await self._operations.finish(self._unwatched_end(name))

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Do nothing: a program is read when it is started."""

    async def probe(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        *,
        deadline: float,
        on_line: OnLine = ignore_line,
    ) -> Outcome:
        """Run a command in the working directory and the environment of the agent."""
        return await watch_command(
            command,
            on_line,
            deadline=deadline,
            directory=spec.working_directory or spec.state_dir,
            env=agent_environment(self._environment, spec),
        )

    async def destroy(self, name: str, *, purge: bool, only_made: bool = False) -> None:
        """Remove a stopped agent's run file; with `purge`, its directory in the state directory.

        Raises:
            FailedError: It runs, or a symbolic link is in place of its directory.
        """
        await self._operations.finish(self._destroy(name, purge))

    def released_unit(self, name: str) -> str | None:
        """Return None: a process has no unit of its own."""
        return None

    async def release(self, name: str) -> None:
        """Stop watching a process and remove its run file; it runs on, in its own directory.

        Its output still goes to its log, which nothing limits any more. Nobody knows its pid from
        then on but whoever looks for it.
        """
        await self._operations.finish(self._release(name))

    async def can_take_over(self, machine: str, name: str, *, stop: bool = False) -> bool:
        """Return False: a process that was started by others cannot be watched as a child."""
        return False

    async def take_over(self, machine: str, name: str, *, stop: bool = False) -> None:
        """Do nothing: there is no machine."""

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

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Stop the groups of agents with SIGSTOP, then all other processes of them."""
        handles = self._signal_each(names, SIGSTOP)
        left = await asyncio.to_thread(
            lambda: stopped_processes.stop_all(self._procfs, self._runs_of(handles))
        )
        return {
            name: FailedError(stopped_processes.describe(found)) for name, found in left.items()
        }

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Let all processes of agents go on, also those that something else had stopped."""
        handles = self._signal_each(names)
        await asyncio.to_thread(
            lambda: stopped_processes.continue_all(self._procfs, self._runs_of(handles))
        )
        return {}

    async def running(self) -> tuple[str, ...]:
        """Return the names of the agents whose process is alive, by the kernel's account."""
        return await asyncio.to_thread(self._alive)

    async def is_running(self, name: str) -> bool:
        """Return whether the agent's process is alive, by the kernel's account."""
        return await asyncio.to_thread(self._alive_by, self._run_file(name)) is not None

    async def resources(self) -> Mapping[str, ResourceUse]:
        """Return what the processes of each agent use, by one look at the process table."""
        leaders = {name: each.handle.pid for name, each in self._processes.items()}
        uses = await asyncio.to_thread(self._procfs.uses, leaders.values()) if leaders else {}
        return {name: uses[pid] for name, pid in leaders.items() if pid in uses}

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's log, oldest first; reads at most 128 KiB.

        Blocks: on the loop's thread use `asyncio.to_thread`.
        """
        return self._log(spec.log_file).last_lines(lines)

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> None:
        """Return None: agents write to their logs themselves, and nobody notes when."""

    async def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's log, then each new one, across rotations."""
        log, splitter = self._log(spec.log_file), LineSplitter()
        newest, position = await asyncio.to_thread(log.newest, lines)
        for line in newest:
            yield line
        while True:
            found, position = await asyncio.to_thread(_read_lines, log, splitter, position)
            for line in found or ():
                yield line
            if found is None:
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

    async def _unwatched_end(self, name: str) -> Ended | None:
        async with self._operations.lock(name):
            if name not in self._unwatched:
                await self._find(name)
            return self._unwatched.pop(name, None)

    async def _destroy(self, name: str, purge: bool) -> None:
        async with self._operations.lock(name):
            process = await self._find(name)
            if process:
                raise FailedError(f"{name} runs (pid {process.handle.pid}); stop it first")
            await _in_thread(name, runfile.remove, self._run_file(name))
            await _in_thread(name, copy_credentials, name, {}, self._paths.credentials(name))
            if purge:
                await _in_thread(name, purge_directory, self._paths.state_dir, "agents", name)

    async def _release(self, name: str) -> None:
        async with self._operations.lock(name):
            process = await self._find(name)
            if process is not None:
                self._released.add(process.handle)
                process.release()
                del self._processes[name]
            await _in_thread(name, runfile.remove, self._run_file(name))

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
            found = await _in_thread(name, self._look, name)
            process = self._watch(found, ignore_end, adopted=True) if found else None
        return process

    def _look(self, name: str) -> ProcessHandle | None:
        record, begun_at = runfile.read(self._run_file(name)), written_at(self._run_file(name))
        handle = find_running(self._run_file(name), self._procfs)
        if handle is None and record is not None and record.pid is not None:
            same_boot = record.boot_id == self._procfs.boot_id()
            why = Unknown(_NO_STATUS if same_boot else "this machine was booted again")
            log = self._log(Path(record.log_file))
            lines = log.last_lines_of_run(REASON_LINES, record.log_start, begun_at)
            self._unwatched[name] = Ended(why, self._clock.now(), lines)
        return handle

    def _watch(self, handle: ProcessHandle, watcher: Watcher, *, adopted: bool) -> WatchedProcess:
        process = WatchedProcess(handle, watcher, self._on_end, adopted=adopted)
        self._processes[handle.record.name] = process
        return process

    def _on_end(self, process: WatchedProcess) -> None:
        self._operations.begin(self._report_end(process))

    async def _report_end(self, process: WatchedProcess) -> None:
        left = await self._sweeps.left_by(process.handle)
        ended = await asyncio.to_thread(self._reap, process.handle, left)
        del self._processes[process.handle.record.name]
        process.report_end(ended)

    def _search(self, handles: Sequence[ProcessHandle]) -> list[list[Process]]:
        """Return what each of these ended agents left behind. Blocks."""
        procfs = self._procfs
        logs = [self._log(Path(handle.record.log_file)) for handle in handles]
        return procfs.search(
            [traces_of(handle, log, procfs) for handle, log in zip(handles, logs, strict=True)]
        )

    def _reap(self, handle: ProcessHandle, left: Left) -> Ended:
        how: How
        now = time.monotonic()
        log = self._log(Path(handle.record.log_file))
        try:
            how, lines = reap(handle, self._run_file(handle.record.name), log, self._procfs, left)
        except OSError as error:
            how, lines = Unknown(f"looking into it failed: {error}"), ()
        with suppress(OSError):
            self._rate(log).limit(now)
            log.rotate()
        self._rates.pop(log.path, None)
        return Ended(how, self._clock.now(), lines)

    def _spawn(self, spec: MachineSpec) -> ProcessHandle:
        make_directory(self._paths.agents_state_dir, STATE_DIR_MODE, narrow=True)
        make_directory(self._paths.agent_dir(spec.name), STATE_DIR_MODE, narrow=True)
        for directory in (spec.state_dir, spec.log_file.parent):
            make_directory(directory, STATE_DIR_MODE)
        credentials = self._paths.credentials(spec.name)
        copy_credentials(spec.name, spec.credentials, credentials)
        log = self._log(spec.log_file)
        with suppress(OSError):  # the next round tries again; a start does not wait for that
            log.rotate()
        record = RunRecord(
            name=spec.name,
            run=f"{self._random.getrandbits(128):032x}",
            boot_id=self._procfs.boot_id(),
            started_at=self._clock.now(),
            log_file=str(spec.log_file),
            log_start=log.size(),
        )
        self._rate(log)  # counts from here on
        return spawn(
            spec,
            record,
            self._run_file(spec.name),
            environment=child_environment(
                self._environment, spec, record, credentials if spec.credentials else None
            ),
            log=log,
            procfs=self._procfs,
        )

    def _signal_each(self, names: Sequence[str], *numbers: Signals) -> list[ProcessHandle]:
        """Send signals to the groups of those agents that run; return their handles."""
        found = [self._processes[name] for name in names if name in self._processes]
        running = [process for process in found if not process.ending]
        for process in running:
            with suppress(PermissionError):  # the processes that go on are reported
                process.signal(*numbers)
        return [process.handle for process in running]

    def _runs_of(self, handles: Iterable[ProcessHandle]) -> stopped_processes.Runs:
        return {
            each.record.name: Traces(
                each.record.mark, each.pid, self._log(Path(each.record.log_file)).file()
            )
            for each in handles
        }

    def _alive(self) -> tuple[str, ...]:
        files = self._paths.agent_dir("any").parent.glob(f"*/{runfile.FILE_NAME}")
        found = map(self._alive_by, sorted(files))
        return tuple(name for name in found if name is not None)

    def _alive_by(self, run_file: Path) -> str | None:
        """Return the agent of a run file if its process is alive."""
        with suppress(FailedError):  # the next start of that agent reports the broken run file
            record = runfile.read(run_file)
            if record and leader_of(record, self._procfs):
                return record.name
        return None

    async def _limit_logs(self) -> None:
        is_flooded = False
        while True:
            await asyncio.sleep(FLOOD_SECONDS if is_flooded else LOG_SECONDS)
            paths = {Path(process.handle.record.log_file) for process in self._processes.values()}
            is_flooded = await asyncio.to_thread(self._limit_each, list(map(self._log, paths)))

    def _limit_each(self, logs: Iterable[OutputLog]) -> bool:
        """Limit the rate, then the size of logs; return whether one is above its rate."""
        is_flooded = False
        for log in logs:
            # Other components report a full disk; the next round tries again.
            with suppress(OSError):
                is_flooded |= self._rate(log).limit(time.monotonic())
            with suppress(OSError):
                log.rotate()
        return is_flooded

    def _rate(self, log: OutputLog) -> LogRate:
        rate, burst = self._protection.log_rate, self._protection.log_burst
        if log.path not in self._rates:
            self._rates[log.path] = LogRate(log, rate, burst, log.size(), time.monotonic())
        return self._rates[log.path]

    def _run_file(self, name: str) -> Path:
        return self._paths.agent_dir(check_agent_name(name)) / runfile.FILE_NAME

    def _log(self, path: Path) -> OutputLog:
        return self._logs.setdefault(path, OutputLog(path, self._log_limit))


def _read_lines(
    log: OutputLog, splitter: LineSplitter, position: Position
) -> tuple[list[str] | None, Position]:
    """Return the lines that the output after a position completes, and the next position.

    Without new output there are no lines, but None.
    """
    chunk, position = log.read(position)
    return (splitter.feed(chunk) if chunk else None), position


async def _in_thread(name: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise FailedError(f"{name}: {error}") from error
