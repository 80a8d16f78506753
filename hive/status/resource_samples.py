"""Samples of what participants use of memory and processors, taken while somebody looks.

A look that finds the last sample old begins a new one and goes on with what there is, unless that
is so old that it is better to wait a moment. Nobody looks, nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from attrs import define, field, frozen

from hive.clock import Clock
from hive.errors import FailedError
from hive.machines.resource_use import ResourceUse, of_control_group
from hive.machines.runtime import Runtime
from hive.participants.registry import Registry

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two samples, at least."""

STALE = 10.0
"""Seconds after which a look waits for a new sample."""

WAIT = 0.25
"""Seconds that such a look waits, at most."""


@frozen
class Sample:
    """What one participant uses.

    Attributes:
        memory: Bytes; None if unknown.
        cpu_percent: Processor time since the sample before, in per cent of one processor; None if
            there is none of the same run.
        at: Wall time of the sample.
    """

    memory: int | None
    cpu_percent: float | None
    at: float


Read = Callable[[], Awaitable[Mapping[str, ResourceUse]]]
"""Returns what participants use, by name; it does not block the loop."""


@define(eq=False)
class ResourceSamples:
    """The newest sample of each participant, taken for all at once.

    Attributes:
        read: Reads what they use.
        clock: Wall time.
        latest: The newest sample of each; a participant that was not found has none.
    """

    read: Read
    clock: Clock
    latest: Mapping[str, Sample] = field(factory=dict, init=False)
    _uses: Mapping[str, ResourceUse] = field(factory=dict, init=False)
    _taken: float | None = field(default=None, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _failure: str | None = field(default=None, init=False)

    async def look(self) -> None:
        """Begin a sample if the last one is old, and wait a moment if it is very old."""
        now = asyncio.get_running_loop().time()
        age = float("inf") if self._taken is None else now - self._taken
        if age < EVERY:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._take(), name="resource samples")
        if age >= STALE:
            await asyncio.wait([self._task], timeout=WAIT)

    def close(self) -> None:
        """Cancel the sample that is being taken, if any."""
        if self._task is not None:
            self._task.cancel()

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            uses = await self.read()
        except (FailedError, OSError) as error:
            uses = {}
            if str(error) != self._failure:  # each sample may fail alike
                self._failure = str(error)
                logger.warning("it cannot be read what agents use: %s", error)
        finally:
            self._task = None
        taken, at = loop.time(), self.clock.now()
        seconds = None if self._taken is None else taken - self._taken
        self.latest = {
            name: Sample(use.memory, cpu_percent(self._uses.get(name), use, seconds), at)
            for name, use in uses.items()
        }
        self._uses, self._taken = uses, taken


def cpu_percent(
    before: ResourceUse | None, now: ResourceUse, seconds: float | None
) -> float | None:
    """Return the processor time between two samples, in per cent of one processor.

    None if there is no sample before, or it is of another run: the time never goes backwards.
    """
    if before is None or before.cpu_seconds is None or now.cpu_seconds is None or not seconds:
        return None
    used = now.cpu_seconds - before.cpu_seconds
    return round(100 * used / seconds, 1) if used >= 0 else None


def reader_of(runtime: Runtime, registry: Registry) -> Read:
    """Return what reads the uses of all participants: agents, and peers that are observed.

    The control group of an observed peer is read like its state; nothing can act on it here.
    """

    async def read() -> Mapping[str, ResourceUse]:
        groups = {
            peer.name: peer.observed_state.control_group
            for peer in registry.peers
            if peer.observed_state is not None and peer.observed_state.control_group is not None
        }
        agents = await runtime.resources()
        observed = await asyncio.to_thread(_of_groups, groups) if groups else {}
        return {**agents, **observed}

    return read


def _of_groups(groups: Mapping[str, str]) -> dict[str, ResourceUse]:
    found = {name: of_control_group(path) for name, path in groups.items()}
    return {name: use for name, use in found.items() if use is not None}
