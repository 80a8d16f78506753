"""Agents as coroutines of this program: for embedding, for tests, for simulated hives.

Everything happens on the event loop, without threads, files or processes, so a simulation is
reproducible. A cancellation takes the place of a signal. Unlike a signal, it can be swallowed: no
kernel can end a function that ignores it.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from signal import SIGKILL, SIGTERM, Signals
from typing import Generic, TypeVar

from attrs import evolve

from hive.clock import Clock, SystemClock
from hive.errors import FailedError, NotAllowedError
from hive.exits import Ended, Exited, How, Signaled, Unknown
from hive.machines.resource_use import ResourceUse
from hive.machines.runtime import (
    REASON_LINES,
    MachineSpec,
    Running,
    Watcher,
    ignore_end,
    ignore_line,
)
from hive.machines.timed_output import LinesWanted, TimedLine, TimedLines, newest_of
from hive.names import suggest
from hive.quantities import counted
from hive.subprocesses import OnLine, Outcome
from hive.timer import Timer

KEPT_LINES = 1000
"""Number of lines kept for each agent; older ones are dropped."""

_Client = TypeVar("_Client")

AgentFunction = Callable[[_Client], Awaitable[object]]
"""An agent: called with its connected client; the agent has ended when it returns."""

_Outcome = tuple[How, list[str]]
"""How a function ended, and lines that explain it."""

_STATUS_MASK = 0xFF


class _Call:
    """One call of an agent's function, until its end is reported."""

    def __init__(self, name: str, watcher: Watcher, running: Running) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.watcher = watcher
        self.running = running
        self.connected: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.cancelled_by: Signals | None = None
        self.timer = Timer()
        self.task: asyncio.Task[_Outcome]

    def cancel(self, signal: Signals) -> None:
        # A second cancellation would cut its cleaning up short: only a kill may do that.
        if self.cancelled_by is None or signal is SIGKILL:
            self.cancelled_by = signal
            self.task.cancel()

    def limit(self, seconds: float, give_up: Callable[[_Call, float], None]) -> None:
        at = self.task.get_loop().time() + seconds
        self.timer.set(at, partial(give_up, self, seconds))

    def report_end(self, ended: Ended) -> None:
        self.timer.cancel()
        loop = self.task.get_loop()
        loop.call_soon(self.watcher, ended)
        loop.call_soon(self.ended.set_result, ended)  # the watcher is called before waiters resume


class FunctionRuntime(Generic[_Client]):
    """Runs agents as tasks of the running loop.

    An agent that returns has exited with status 0; an exception is status 1, with its traceback as
    the last lines; `sys.exit` means what it means elsewhere. One that lets the cancellation of a
    `stop` or `kill` through ended as a process does by SIGTERM or SIGKILL. One that swallows it
    until the deadline is reported and abandoned: its name is in `abandoned`, and it cannot be
    started again until its function has ended after all, since nothing may run twice.

    Args:
        agents: The functions by the agents' names.
        connect: Returns the client that an agent is called with.
        disconnect: Closes that client when the function has ended.
        clock: Time of starts and ends.
        kill_grace: Seconds that a killed function has to end.
    """

    name = "function"

    def __init__(
        self,
        agents: Mapping[str, AgentFunction[_Client]],
        connect: Callable[[str], Awaitable[_Client]],
        *,
        disconnect: Callable[[_Client], Awaitable[object]] | None = None,
        clock: Clock | None = None,
        kill_grace: float = 1.0,
    ) -> None:
        self._agents = agents
        self._connect = connect
        self._disconnect = disconnect
        self._clock = clock or SystemClock()
        self._kill_grace = kill_grace
        self._calls: dict[str, _Call] = {}
        self._abandoned: dict[str, _Call] = {}
        self._logs: dict[str, RecentLines] = {}
        self._started = 0

    @property
    def abandoned(self) -> tuple[str, ...]:
        """The agents whose function swallowed its cancellation and has not ended yet."""
        return tuple(self._abandoned)

    async def open(self) -> None:
        """Do nothing: there is nothing to acquire."""

    async def close(self) -> None:
        """Cancel all functions, which cannot outlive this program, without reporting their end."""
        calls = [*self._calls.values(), *self._abandoned.values()]
        for call in calls:
            call.watcher = ignore_end
            call.cancel(SIGKILL)
        if calls:
            await asyncio.wait([call.task for call in calls], timeout=self._kill_grace)

    async def ensure_running(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Adopt the agent's running call; without one, connect a client and call its function.

        Raises:
            FailedError: There is no such function, its last call was abandoned and still runs, or
                it got no connection.
        """
        running = await self.adopt(spec, watcher)
        return running or await self._start(spec.name, watcher)

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Watch the agent's function if it runs, in place of its present watcher."""
        # A call that ends while it connects may have been replaced by the time this resumes.
        while call := self._calls.get(spec.name):
            await asyncio.wait([call.connected])
            if self._calls.get(spec.name) is call:
                call.watcher = watcher
                return evolve(call.running, adopted=True)
        return None

    async def unwatched_end(self, name: str) -> Ended | None:
        """Return None: a function does not outlive this program."""
        return None

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Do nothing: a function is not built."""

    async def probe(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        *,
        deadline: float,
        on_line: OnLine = ignore_line,
    ) -> Outcome:
        """Refuse: a function has no machine to run a command in.

        Raises:
            FailedError: Always.
        """
        raise FailedError(f"{spec.name} is a function of this program and cannot be probed")

    async def destroy(self, name: str, *, purge: bool, only_made: bool = False) -> None:
        """Drop a stopped agent's lines; a function has no files to purge.

        Raises:
            FailedError: It runs.
        """
        if name in self._calls:
            raise FailedError(f"{name} runs; stop it first")
        self._logs.pop(name, None)

    def released_unit(self, name: str) -> str | None:
        """Refuse: a function ends with its program.

        Raises:
            NotAllowedError: Always.
        """
        raise NotAllowedError(
            f"{name!r} is a function of the program that embeds this hive, and cannot run without "
            "it; only an agent with a process or a container of its own can become a peer"
        )

    async def release(self, name: str) -> None:
        """Do nothing: nothing is written about a function."""

    async def can_take_over(self, machine: str, name: str, *, stop: bool = False) -> bool:
        """Refuse: the program that embeds the hive gives functions their names.

        Raises:
            NotAllowedError: Always.
        """
        raise NotAllowedError(
            f"{name!r} cannot be given a machine: the agents of this hive are functions of the "
            "program that embeds it, which gives them their names"
        )

    async def take_over(self, machine: str, name: str, *, stop: bool = False) -> None:
        """Refuse, as `can_take_over`."""
        await self.can_take_over(machine, name)

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Cancel the function and wait until it ends, at most `deadline` seconds."""
        return await self._end(name, SIGTERM, deadline)

    async def kill(self, name: str) -> Ended | None:
        """Cancel the function, even while it cleans up, and wait at most the kill grace."""
        return await self._end(name, SIGKILL, self._kill_grace)

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Refuse for those that run: a function is part of this program."""
        return {
            name: FailedError(
                f"{name!r} is a function of the program that embeds this hive, which cannot be "
                "stopped from outside; it gets no mail until 'thaw'"
            )
            for name in names
            if name in self._calls
        }

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Do nothing: a function is never frozen."""
        return {}

    async def running(self) -> tuple[str, ...]:
        """Return the names of the agents whose function runs."""
        return tuple(name for name, call in self._calls.items() if call.connected.done())

    async def is_running(self, name: str) -> bool:
        """Return whether the agent's function runs."""
        return name in await self.running()

    async def resources(self) -> Mapping[str, ResourceUse]:
        """Return nothing: a function uses what its program uses."""
        return {}

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the agent's tracebacks, oldest first."""
        return self._log(spec.name).newest(lines)

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> TimedLines:
        """Return lines of the agent's tracebacks with the times of its ends."""
        return newest_of(self._log(spec.name).timed(), wanted)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines of the agent's tracebacks, then each new one."""
        return self._log(spec.name).follow(lines)

    async def _start(self, name: str, watcher: Watcher) -> Running:
        if name not in self._agents:
            raise FailedError(f"there is no function for {name!r}{suggest(name, self._agents)}")
        if name in self._abandoned:
            raise FailedError(
                f"the last run of {name} swallowed its cancellation and has not ended yet; "
                "let the function end when it is cancelled"
            )
        call = self._call(name, self._agents[name], watcher)
        await asyncio.shield(call.connected)
        return call.running

    def _call(self, name: str, function: AgentFunction[_Client], watcher: Watcher) -> _Call:
        self._started += 1
        instance = f"{name}-{self._started}"
        running = Running(
            pid=None, since=self._clock.now(), instance=instance, adopted=False, source="hive"
        )
        call = self._calls[name] = _Call(name, watcher, running)
        call.task = asyncio.create_task(self._run(call, function), name=f"agent {instance}")
        call.task.add_done_callback(lambda task: self._done(call, task))
        return call

    async def _run(self, call: _Call, function: AgentFunction[_Client]) -> _Outcome:
        client = await self._connect(call.name)
        try:
            if not call.connected.done():  # else it was abandoned meanwhile
                call.connected.set_result(None)
                await function(client)
        except SystemExit as error:  # must not reach the loop: it would end the whole program
            return _exit_status(error)
        finally:
            if self._disconnect:
                await self._disconnect(client)
        return Exited(0), []

    async def _end(self, name: str, signal: Signals, seconds: float) -> Ended | None:
        call = self._calls.get(name)
        if call is None:
            return None
        call.cancel(signal)
        call.limit(seconds, self._abandon)
        return await asyncio.shield(call.ended)

    def _abandon(self, call: _Call, seconds: float) -> None:
        self._abandoned[call.name] = self._calls.pop(call.name)
        how = Unknown(
            f"the function swallowed its cancellation for {seconds:g} s; it was abandoned"
        )
        if not call.connected.done():
            call.connected.set_exception(FailedError(f"{call.name} was stopped while it connected"))
        call.report_end(Ended(how, self._clock.now()))

    def _done(self, call: _Call, task: asyncio.Task[_Outcome]) -> None:
        how, lines = _outcome(call, task)
        self._log(call.name).append(lines, self._clock.now())
        if self._abandoned.get(call.name) is call:
            del self._abandoned[call.name]
            return
        del self._calls[call.name]
        if not call.connected.done():  # the start reports it; the watcher had nothing to watch
            call.watcher = ignore_end
            call.connected.set_exception(_not_connected(call.name, task))
        call.report_end(Ended(how, self._clock.now(), tuple(lines[-REASON_LINES:])))

    def _log(self, name: str) -> RecentLines:
        return self._logs.setdefault(name, RecentLines())


class RecentLines:
    """The last lines of one agent, in memory, with followers."""

    def __init__(self) -> None:
        self._lines: deque[TimedLine] = deque(maxlen=KEPT_LINES)
        self._total = 0
        self._more = asyncio.Event()

    def append(self, lines: Iterable[str], at: float) -> None:
        """Add lines of a wall time in seconds, and wake all followers."""
        new = [TimedLine(at, line) for line in lines]
        self._lines.extend(new)
        self._total += len(new)
        self._more.set()
        self._more = asyncio.Event()

    def newest(self, lines: int) -> tuple[str, ...]:
        """Return at most `lines` of the last lines, oldest first."""
        return tuple(each.text for each in self.timed()[-lines:]) if lines > 0 else ()

    def timed(self) -> tuple[TimedLine, ...]:
        """Return all lines with their times, oldest first."""
        return tuple(self._lines)

    async def follow(self, lines: int) -> AsyncIterator[str]:
        """Yield the last lines, then each new one; a line says how many came too fast for that."""
        seen = self._total - min(lines, len(self._lines))
        while True:
            more = self._more
            new = self.newest(self._total - seen)
            missed = self._total - seen - len(new)
            seen = self._total
            if missed:
                skipped = counted(missed, "line")
                yield f"[hive] {skipped} skipped: output came faster than it was read"
            for line in new:
                yield line
            await more.wait()


def _exit_status(error: SystemExit) -> _Outcome:
    if error.code is None or isinstance(error.code, int):
        return Exited((error.code or 0) & _STATUS_MASK), []
    return Exited(1), [error.code]


def _outcome(call: _Call, task: asyncio.Task[_Outcome]) -> _Outcome:
    if task.cancelled():
        if call.cancelled_by:
            return Signaled(call.cancelled_by), []
        return Exited(1), ["the function was cancelled from inside"]
    error = task.exception()
    if error is None:
        return task.result()
    # The first frame is the runtime's own.
    own = error.__traceback__.tb_next if error.__traceback__ else None
    text = "".join(traceback.format_exception(type(error), error, own))
    return Exited(1), [line for line in text.splitlines() if line.strip()]


def _not_connected(name: str, task: asyncio.Task[_Outcome]) -> FailedError:
    if task.cancelled():
        return FailedError(f"{name} was stopped while it connected")
    return FailedError(f"{name} got no connection: {task.exception()}")
