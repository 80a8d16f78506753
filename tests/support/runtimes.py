"""A scripted container runtime that records its calls."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from signal import SIGKILL, SIGTERM

from attrs import define, field, frozen

from hive.errors import FailedError
from hive.exits import Ended, How, Signaled
from hive.machines.runtime import MachineSpec, Running, Watcher


@frozen
class Call:
    """A call of the runtime."""

    verb: str
    name: str


@define(eq=False)
class Machine:
    """A container that runs until it is ended."""

    running: Running
    watcher: Watcher | None
    lines: list[str] = field(factory=list)


@define(eq=False)
class ScriptedRuntime:
    """Containers that outlive the hive that started them, as real ones do.

    Attributes:
        machines: The running machines, by agent.
        calls: All calls in order, apart from queries.
        specs: The newest spec of each agent.
        broken: Reasons of verbs that fail while they are listed here, by verb.
        failing_starts: Reasons of the next failing starts, by agent.
        held: Events that delay a verb for an agent until they are set.
    """

    name = "scripted"

    machines: dict[str, Machine] = field(factory=dict)
    calls: list[Call] = field(factory=list)
    specs: dict[str, MachineSpec] = field(factory=dict)
    broken: dict[str, str] = field(factory=dict)
    failing_starts: dict[str, deque[str]] = field(factory=dict)
    held: dict[tuple[str, str], asyncio.Event] = field(factory=dict)
    is_open: bool = False
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(100))

    # For tests

    def verbs(self, name: str) -> list[str]:
        """Return the verbs that were called for one agent, in order."""
        return [call.verb for call in self.calls if call.name == name]

    def hold(self, verb: str, name: str) -> asyncio.Event:
        """Delay a verb until the returned event is set."""
        return self.held.setdefault((verb, name), asyncio.Event())

    def run_unasked(self, name: str) -> Running:
        """Add a running machine that this runtime did not start."""
        number = next(self._numbers)
        running = Running(number, 0.0, f"{name}-{number}", adopted=False, source="kernel")
        self.machines[name] = Machine(running, None)
        return running

    def end(self, name: str, how: How | None = None, *lines: str) -> None:
        """End a machine from outside."""
        machine = self.machines.pop(name)
        ended = Ended(how or Signaled(SIGKILL), asyncio.get_running_loop().time(), lines)
        if machine.watcher is not None:
            machine.watcher(ended)

    # The runtime

    async def open(self) -> None:
        """Open the runtime."""
        await self._record("open", "")
        self.is_open = True

    async def close(self) -> None:
        """Remove the watchers; the machines run on."""
        self.is_open = False
        for machine in self.machines.values():
            machine.watcher = None

    async def ensure_running(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Adopt or else create and start a machine; it may be cancelled between the two."""
        running = await self.adopt(spec, watcher)
        if running is not None:
            return running
        await self._record("create", spec.name)
        self.specs[spec.name] = spec
        return await self._start(spec, watcher)

    async def update(self, spec: MachineSpec) -> None:
        """Record the update."""
        await self._record("update", spec.name)

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove the spec of a machine."""
        await self._record("purge" if purge else "destroy", name)
        assert name not in self.machines
        self.specs.pop(name, None)

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Adopt the machine if it runs."""
        machine = self.machines.get(spec.name)
        if machine is None:
            return None
        await self._record("adopt", spec.name)
        machine.watcher = watcher
        found = machine.running
        return Running(found.pid, found.since, found.instance, adopted=True, source="kernel")

    async def _start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        await self._record("start", spec.name)
        if reasons := self.failing_starts.get(spec.name):
            raise FailedError(reasons.popleft())
        if spec.name in self.machines:
            raise FailedError(f"{spec.name} runs already")
        self.machines[spec.name] = Machine(self.run_unasked(spec.name), watcher)
        return self.machines[spec.name].running

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Stop a machine."""
        await self._record("stop", name)
        return self._gone(name, Signaled(SIGTERM if deadline > 0 else SIGKILL))

    async def kill(self, name: str) -> Ended | None:
        """Kill a machine."""
        await self._record("kill", name)
        return self._gone(name, Signaled(SIGKILL))

    async def running(self) -> tuple[str, ...]:
        """Return the names of the running machines."""
        if "running" in self.broken:
            raise FailedError(self.broken["running"])
        return tuple(self.machines)

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines."""
        machine = self.machines.get(spec.name)
        return tuple(machine.lines[-lines:]) if machine else ()

    async def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines and stop there."""
        for line in self.last_lines(spec, lines):
            yield line

    async def _record(self, verb: str, name: str) -> None:
        self.calls.append(Call(verb, name))
        if (held := self.held.get((verb, name))) is not None:
            await held.wait()
        if verb in self.broken:
            raise FailedError(self.broken[verb])

    def _gone(self, name: str, how: How) -> Ended | None:
        machine = self.machines.get(name)
        if machine is None:
            return None
        self.end(name, how)
        return Ended(how, asyncio.get_running_loop().time())
