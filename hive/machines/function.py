"""Agents as coroutines of this program: for embedding, for tests, for simulated hives.

Everything happens on the event loop, without threads, files or processes, so a simulation repeats
it exactly. What a signal is to a process, a cancellation is to a function. The difference is that
no kernel stands above a function: one that swallows its cancellation cannot be ended.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from signal import SIGKILL, SIGTERM, Signals
from typing import Generic, TypeVar

from hive.clock import Clock, SystemClock
from hive.errors import FailedError
from hive.exits import Ended, Exited, How, Signaled, Unknown
from hive.machines.conclusion import REASON_LINES
from hive.machines.line_buffer import LineBuffer
from hive.machines.runtime import MachineSpec, Running, Watcher
from hive.names import suggest
from hive.timer import Timer

_Client = TypeVar("_Client")

AgentFunction = Callable[[_Client], Awaitable[object]]
"""An agent: called with its connected client, and done when it returns."""

_Outcome = tuple[How, list[str]]
"""How a function ended, and the lines that say why."""

_STATUS_MASK = 0xFF


class _Call:
    """One call of an agent's function, until its end has been told."""

    def __init__(self, name: str, watcher: Watcher, running: Running) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.watcher = watcher
        self.running = running
        self.connected: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.asked_by: Signals | None = None
        self.timer = Timer()
        self.task: asyncio.Task[_Outcome]

    def ask(self, signal: Signals) -> None:
        # Cancelled twice, its cleaning up would be cut off: that is for a kill.
        if self.asked_by is None or signal is SIGKILL:
            self.asked_by = signal
            self.task.cancel()

    def limit(self, seconds: float, give_up: Callable[[_Call, float], None]) -> None:
        at = self.task.get_loop().time() + seconds
        self.timer.set(at, partial(give_up, self, seconds))

    def tell(self, ended: Ended) -> None:
        self.timer.cancel()
        loop = self.task.get_loop()
        loop.call_soon(self.watcher, ended)
        loop.call_soon(self.ended.set_result, ended)  # whoever waits hears after the watcher


class FunctionRuntime(Generic[_Client]):
    """Runs agents as tasks of the running loop.

    An agent that returns has exited with status 0; an exception is status 1, with its traceback as
    the last lines; `sys.exit` means what it means elsewhere. One that lets the cancellation of a
    `stop` or `kill` through ended as a process does by SIGTERM or SIGKILL. One that swallows it
    until the deadline is reported and abandoned: its name is in `abandoned` and cannot be started
    again until it has ended after all, since nothing may run twice.

    Args:
        agents: The functions by the agents' names.
        connect: Returns the client that an agent is given.
        disconnect: Closes that client when the function has ended.
        clock: Tells when something started and ended.
        kill_grace: Seconds that a killed function is given to take notice.
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
        self._logs: dict[str, LineBuffer] = {}
        self._started = 0

    @property
    def abandoned(self) -> tuple[str, ...]:
        """The agents whose function swallowed its cancellation and has not ended yet."""
        return tuple(self._abandoned)

    async def open(self) -> None:
        """Begin; there is nothing to acquire."""

    async def close(self) -> None:
        """Cancel what still runs, since a function cannot outlive its program; tell nobody."""
        calls = [*self._calls.values(), *self._abandoned.values()]
        for call in calls:
            call.watcher = _nobody
            call.ask(SIGKILL)
        if calls:
            await asyncio.wait([call.task for call in calls], timeout=self._kill_grace)

    async def create(self, spec: MachineSpec) -> None:
        """Check that there is a function for this agent.

        Raises:
            FailedError: There is none.
        """
        self._function(spec.name)

    async def update(self, spec: MachineSpec) -> None:
        """Do nothing: a function is what it is."""

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Forget a stopped agent; a function has no files to purge.

        Raises:
            FailedError: It runs.
        """
        if name in self._calls:
            raise FailedError(f"{name} runs; stop it first")
        self._logs.pop(name, None)

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Return the agent's function if it runs; `watcher` hears its end from now on."""
        call = self._calls.get(spec.name)
        if call is None:
            return None
        await asyncio.wait([call.connected])
        if call.ended.done():
            return None
        call.watcher = watcher
        return call.running

    async def start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Connect a client and call the agent's function with it.

        Raises:
            FailedError: There is no such function, it runs already, or it got no connection.
        """
        function = self._function(spec.name)
        self._refuse_twice(spec.name)
        call = self._call(spec.name, function, watcher)
        await asyncio.shield(call.connected)
        return call.running

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Cancel the function and wait until it ends, at most `deadline` seconds."""
        return await self._end(name, SIGTERM, deadline)

    async def kill(self, name: str) -> Ended | None:
        """Cancel the function, even while it cleans up, and give it only the kill grace to end."""
        return await self._end(name, SIGKILL, self._kill_grace)

    async def running(self) -> tuple[str, ...]:
        """Return the names of the agents whose function runs."""
        return tuple(name for name, call in self._calls.items() if call.connected.done())

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines of the agent's tracebacks, oldest first."""
        return self._log(spec.name).newest(lines)

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines of the agent's tracebacks and then each new one."""
        return self._log(spec.name).follow(lines)

    def _function(self, name: str) -> AgentFunction[_Client]:
        if name not in self._agents:
            raise FailedError(f"there is no function for {name!r}{suggest(name, self._agents)}")
        return self._agents[name]

    def _refuse_twice(self, name: str) -> None:
        if name in self._calls:
            raise FailedError(f"{name} runs already; adopt or stop it")
        if name in self._abandoned:
            raise FailedError(
                f"the last run of {name} swallowed its cancellation and has not ended yet; "
                "let the function end when it is cancelled"
            )

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
            if not call.connected.done():  # else it was given up meanwhile
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
        call.ask(signal)
        call.limit(seconds, self._give_up)
        return await asyncio.shield(call.ended)

    def _give_up(self, call: _Call, seconds: float) -> None:
        self._abandoned[call.name] = self._calls.pop(call.name)
        how = Unknown(
            f"the function swallowed its cancellation for {seconds:g} s; it was abandoned"
        )
        if not call.connected.done():
            call.connected.set_exception(FailedError(f"{call.name} was stopped while it connected"))
        call.tell(Ended(how, self._clock.now()))

    def _done(self, call: _Call, task: asyncio.Task[_Outcome]) -> None:
        how, lines = _outcome(call, task)
        self._log(call.name).append(lines)
        if self._abandoned.get(call.name) is call:
            del self._abandoned[call.name]
            return
        del self._calls[call.name]
        if not call.connected.done():  # `start` tells it; there was nothing to watch
            call.watcher = _nobody
            call.connected.set_exception(_not_connected(call.name, task))
        call.tell(Ended(how, self._clock.now(), tuple(lines[-REASON_LINES:])))

    def _log(self, name: str) -> LineBuffer:
        return self._logs.setdefault(name, LineBuffer())


def _exit_status(error: SystemExit) -> _Outcome:
    if error.code is None or isinstance(error.code, int):
        return Exited((error.code or 0) & _STATUS_MASK), []
    return Exited(1), [error.code]


def _outcome(call: _Call, task: asyncio.Task[_Outcome]) -> _Outcome:
    if task.cancelled():
        if call.asked_by:
            return Signaled(call.asked_by), []
        return Exited(1), ["the function was cancelled from inside"]
    error = task.exception()
    if error is None:
        return task.result()
    own = (
        error.__traceback__.tb_next if error.__traceback__ else None
    )  # without the runtime's frame
    text = "".join(traceback.format_exception(type(error), error, own))
    return Exited(1), [line for line in text.splitlines() if line.strip()]


def _not_connected(name: str, task: asyncio.Task[_Outcome]) -> FailedError:
    if task.cancelled():
        return FailedError(f"{name} was stopped while it connected")
    return FailedError(f"{name} got no connection: {task.exception()}")


def _nobody(ended: Ended) -> None:
    """Hear the end of a function that nobody watches."""
