"""The output of agents' machines, read from their runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hive.machines.runtime import Runtime
from hive.machines.timed_output import LinesWanted, TimedLines
from hive.participants.machine_specs import SpecOf
from hive.participants.registry import Registry


class MachineLogs:
    """Reads the output of agents' machines from their runtime."""

    def __init__(self, registry: Registry, runtime: Runtime, spec_of: SpecOf) -> None:
        self._registry = registry
        self._runtime = runtime
        self._spec_of = spec_of

    async def last_lines(self, name: str, lines: int) -> list[str]:
        """Return the newest lines of an agent's output, oldest first."""
        spec = self._spec_of(self._registry.agent(name))
        return list(await asyncio.to_thread(self._runtime.last_lines, spec, lines))

    async def timed_lines(self, name: str, wanted: LinesWanted) -> TimedLines | None:
        """Return lines of an agent's output with their times; None if it has no times."""
        spec = self._spec_of(self._registry.agent(name))
        return await asyncio.to_thread(self._runtime.timed_lines, spec, wanted)

    def follow(self, name: str, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines of an agent's output and then each new one."""
        return self._runtime.follow(self._spec_of(self._registry.agent(name)), lines)
