"""What the supervisor needs of a container runtime, whatever is behind it.

Every method that acts is a request that is watched until it is true: `start` returns when the
machine runs, `stop` when it is gone. Ends are heard: a runtime calls the watcher that `start` or
`adopt` was given, exactly once, whoever ended the machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from hive.config.model import Bind
from hive.exits import Ended

KILL_SECONDS = 15.0
"""How long a runtime may take to end a machine that it has to kill; then it gives up."""

Watcher = Callable[[Ended], None]
"""Called on the loop, once, when a machine has ended."""


@frozen(kw_only=True)
class MachineSpec:
    """Everything a runtime needs to make and start one agent's machine.

    Attributes:
        name: The agent's name; the runtime derives the container's name from it.
        command: Program and arguments of the agent. Runtimes with a whole system inside run it as
            their own unit.
        environment: Added to what the runtime gives.
        working_directory: Where the command starts; None leaves it to the runtime.
        socket_dir: The directory with the agent's socket, visible inside as /run/hive.
        state_dir: The agent's own files.
        log_file: Where the process runtime appends standard output and error.
        stop_timeout: Seconds from the graceful request to the kill.
        origin: What a new container is made of, in the words of the runtime (an image, a flake);
            None leaves it to the runtime.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)
    working_directory: Path | None = None
    socket_dir: Path
    state_dir: Path
    log_file: Path
    binds: tuple[Bind, ...] = ()
    stop_timeout: float = 10.0
    memory_max: str | None = None
    cpu_quota: str | None = None
    origin: str | None = None


@frozen
class Running:
    """A machine that runs.

    Attributes:
        pid: Process id of its leader on this host, None when it has none.
        since: Wall time in seconds when it started.
        instance: Differs for each start of the same name (an InvocationID, a pid with start time).
        adopted: Whether it ran already when we came.
        source: Who says so: "kernel", "systemd", "hive".
    """

    pid: int | None
    since: float
    instance: str
    adopted: bool
    source: str


class Runtime(Protocol):
    """A way to run agents. Errors are `hive.errors.FailedError`, with the tool's own words."""

    @property
    def name(self) -> str:
        """The name used in hive.toml."""
        ...

    async def open(self) -> None:
        """Acquire what the runtime needs; called once before anything else."""
        ...

    async def close(self) -> None:
        """Let go of everything without ending any machine."""
        ...

    async def create(self, spec: MachineSpec) -> None:
        """Make the machine, or bring an existing one in line with the spec. Idempotent."""
        ...

    async def update(self, spec: MachineSpec) -> None:
        """Build anew what the machine is made of, while it goes on; nothing where nothing is built.

        Raises:
            FailedError: It did not build; the machine is as it was.
        """
        ...

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove a stopped machine; with `purge`, its files too. Idempotent."""
        ...

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Return the machine of this name that runs already, now watched; None when none runs."""
        ...

    async def start(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Start the machine and watch it.

        Raises:
            FailedError: When it could not be started, with the reason.
        """
        ...

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Ask the machine to end, kill it after `deadline` seconds, and wait until it is gone.

        It takes no longer than the deadline and `KILL_SECONDS`. Returns how it ended, or None when
        it did not run.
        """
        ...

    async def kill(self, name: str) -> Ended | None:
        """End the machine at once and wait until it is gone."""
        ...

    async def running(self) -> tuple[str, ...]:
        """Return the names of all machines of this hive that run now."""
        ...

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the newest lines of the machine's output, oldest first."""
        ...

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the newest lines and then each new one, until the iterator is closed."""
        ...
