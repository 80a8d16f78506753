"""A scripted container runtime that records its calls."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from signal import SIGKILL, SIGTERM

from attrs import define, evolve, field, frozen

from hive.errors import ConflictError, FailedError
from hive.exits import Ended, How, Signaled
from hive.machines.resource_use import ResourceUse
from hive.machines.runtime import MachineSpec, Running, Watcher, ignore_line
from hive.machines.timed_output import LinesWanted, TimedLine, TimedLines, newest_of
from hive.subprocesses import OnLine, Outcome


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
        broken: Reasons of verbs that fail while they are listed here, by verb, or verb and agent.
        failing_starts: Reasons of the next failing starts, or their errors, by agent.
        build_lines: What each build prints.
        probes: Exit statuses (None is the deadline) of the next probes, and what they print.
        unit: The unit by which released machines are observed.
        foreign: Machines that nobody of this hive has made, and whether each runs.
        unwatched: Ends that nobody was watching, by agent.
        existing: Agents whose machine was there before this runtime had a spec of it.
        frozen: The machines that are frozen.
        uses: What machines use, by agent.
        looks: Number of looks at what machines use.
        printed: Lines with times, by agent; the output of the others has no times.
        searched_from: The time before which no lines are found, if the test sets one.
        held: Events that delay a verb for an agent until they are set.
    """

    name = "scripted"

    machines: dict[str, Machine] = field(factory=dict)
    calls: list[Call] = field(factory=list)
    specs: dict[str, MachineSpec] = field(factory=dict)
    broken: dict[str, str] = field(factory=dict)
    failing_starts: dict[str, deque[str | FailedError]] = field(factory=dict)
    build_lines: list[str] = field(factory=list)
    unwatched: dict[str, Ended] = field(factory=dict)
    probes: deque[tuple[int | None, tuple[str, ...]]] = field(factory=deque)
    foreign: dict[str, bool] = field(factory=dict)
    uses: dict[str, ResourceUse] = field(factory=dict)
    looks: int = 0
    printed: dict[str, list[TimedLine]] = field(factory=dict)
    searched_from: float | None = None
    held: dict[tuple[str, str], asyncio.Event] = field(factory=dict)
    is_open: bool = False
    unit: str | None = None
    existing: set[str] = field(factory=set)
    frozen: set[str] = field(factory=set)
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

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Record the update and print what it is scripted to print."""
        for line in self.build_lines:
            on_line(line)
        await self._record("update", spec.name)

    async def probe(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        *,
        deadline: float,
        on_line: OnLine = ignore_line,
    ) -> Outcome:
        """Print and return the next scripted result; without one, the probe succeeds."""
        await self._record("probe", spec.name)
        status, lines = self.probes.popleft() if self.probes else (0, ())
        for line in lines:
            on_line(line)
        return Outcome(tuple(command), status, "", "\n".join(lines), deadline)

    async def destroy(self, name: str, *, purge: bool, only_made: bool = False) -> None:
        """Remove the spec of a machine."""
        await self._record("purge" if purge else "destroy", name)
        assert name not in self.machines
        if not only_made:
            self.existing.discard(name)
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

    async def unwatched_end(self, name: str) -> Ended | None:
        """Return the end that the test has set, once."""
        return self.unwatched.pop(name, None)

    async def _start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        await self._record("start", spec.name)
        if reasons := self.failing_starts.get(spec.name):
            reason = reasons.popleft()
            raise FailedError(reason) if isinstance(reason, str) else reason
        if spec.name in self.machines:
            raise FailedError(f"{spec.name} runs already")
        self.machines[spec.name] = Machine(self.run_unasked(spec.name), watcher)
        return self.machines[spec.name].running

    def released_unit(self, name: str) -> str | None:
        """Return the unit that the test has set."""
        return self.unit

    async def release(self, name: str) -> None:
        """Remove the watcher of a machine, and its spec: what was written about it."""
        await self._record("release", name)
        self.specs.pop(name, None)
        if name in self.machines:
            self.machines[name].watcher = None

    async def can_take_over(self, machine: str, name: str, *, stop: bool = False) -> bool:
        """Return whether one of the foreign machines has this name."""
        if machine not in self.foreign:
            return False
        if self.foreign[machine] and not stop:
            raise ConflictError(f"the container {machine} runs")
        return True

    async def take_over(self, machine: str, name: str, *, stop: bool = False) -> None:
        """Make a foreign machine an agent's."""
        if await self.can_take_over(machine, name, stop=stop):
            await self._record("take over", name)
            del self.foreign[machine]

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Stop a machine."""
        await self._record("stop", name)
        return self._gone(name, Signaled(SIGTERM if deadline > 0 else SIGKILL))

    async def kill(self, name: str) -> Ended | None:
        """Kill a machine."""
        await self._record("kill", name)
        return self._gone(name, Signaled(SIGKILL))

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Freeze the machines that run."""
        if not (errors := await self._record_each("freeze", names)):
            self.frozen |= self.machines.keys() & set(names)
        return errors

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Thaw machines."""
        if not (errors := await self._record_each("thaw", names)):
            self.frozen -= set(names)
        return errors

    async def _record_each(self, verb: str, names: Sequence[str]) -> Mapping[str, FailedError]:
        for name in names:
            try:
                await self._record(verb, name)
            except FailedError as error:
                return dict.fromkeys(names, error)
        return {}

    async def resources(self) -> Mapping[str, ResourceUse]:
        """Return the scripted uses of the machines that run."""
        self.looks += 1
        return {name: use for name, use in self.uses.items() if name in self.machines}

    async def running(self) -> tuple[str, ...]:
        """Return the names of the running machines."""
        if "running" in self.broken:
            raise FailedError(self.broken["running"])
        return tuple(self.machines)

    async def is_running(self, name: str) -> bool:
        """Return whether a machine runs."""
        return name in await self.running()

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines."""
        machine = self.machines.get(spec.name)
        return tuple(machine.lines[-lines:]) if machine else ()

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> TimedLines | None:
        """Return the scripted lines within the period."""
        if "timed_lines" in self.broken:
            raise FailedError(self.broken["timed_lines"])
        if spec.name not in self.printed:
            return None
        found = newest_of(self.printed[spec.name], wanted)
        return evolve(found, searched_from=self.searched_from)

    async def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines and stop there."""
        for line in self.last_lines(spec, lines):
            yield line

    async def _record(self, verb: str, name: str) -> None:
        self.calls.append(Call(verb, name))
        if (held := self.held.get((verb, name))) is not None:
            await held.wait()
        for key in (verb, f"{verb} {name}"):
            if key in self.broken:
                raise FailedError(self.broken[key])

    def _gone(self, name: str, how: How) -> Ended | None:
        machine = self.machines.get(name)
        if machine is None:
            return None
        self.end(name, how)
        return Ended(how, asyncio.get_running_loop().time())
