"""The interface of container runtimes.

A method that acts returns when its effect is visible, not when the request was accepted:
`ensure_running` returns when the machine runs, `stop` when it has ended. Ends are reported: a
runtime calls the watcher exactly once per run, whatever ended the machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from hive.config.model import Bind
from hive.exits import Ended

KILL_SECONDS = 15.0
"""Seconds that a runtime waits for a killed machine to end before it reports a failure."""

REASON_LINES = 20
"""Number of last output lines that a runtime reports with an end."""

Watcher = Callable[[Ended], None]
"""Called on the loop, once, when a machine has ended."""


def ignore_end(ended: Ended) -> None:
    """Watch a machine without reporting its end: it is only watched until it is stopped."""


@frozen(kw_only=True)
class MachineSpec:
    """Definition of one agent's machine.

    Attributes:
        name: Name of the agent; the runtime derives the container's name from it.
        command: Program and arguments of the agent. In a container with an init system, they are
            the agent's unit.
        environment: Variables in addition to those of the runtime.
        working_directory: Initial directory of the command; None leaves it to the runtime.
        socket_dir: Directory of the agent's socket, visible inside as /run/hive.
        state_dir: Directory of the agent's own files.
        log_file: File to which the process runtime appends standard output and error.
        binds: Further directories of the host that are visible inside.
        stop_timeout: Seconds from the graceful request to the kill.
        memory_max: Memory limit in the syntax of systemd; None for no limit.
        cpu_quota: CPU limit in the syntax of systemd; None for no limit.
        origin: Source of a new container in the runtime's terms (an image, a flake); None for the
            runtime's default.
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
    """A running machine.

    Attributes:
        pid: Process id of its leader on this host; None when it has none.
        since: Wall time in seconds of its start.
        instance: Identifier of this run (an InvocationID, a run id), different for each start.
        adopted: Whether it was running before the call that returned this.
        source: Authority for these facts: "kernel", "systemd", "hive".
    """

    pid: int | None
    since: float
    instance: str
    adopted: bool
    source: str


class Runtime(Protocol):
    """A way to run agents. Errors are `hive.errors.FailedError` with the words of the tool."""

    @property
    def name(self) -> str:
        """Name of the runtime in hive.toml."""
        ...

    async def open(self) -> None:
        """Acquire the runtime's resources; called once, before anything else."""
        ...

    async def close(self) -> None:
        """Release the runtime's resources. Machines go on, where they can."""
        ...

    async def ensure_running(self, spec: MachineSpec, watcher: Watcher) -> Running:
        """Adopt the machine if it runs; otherwise create it if necessary, and start it.

        Nothing runs twice: concurrent calls start one machine, and the last watcher replaces the
        others. A call that is cancelled before the start starts nothing; one that is cancelled
        later leaves a machine that is watched.

        Raises:
            FailedError: It could not be created or started, with the reason.
        """
        ...

    async def adopt(self, spec: MachineSpec, watcher: Watcher) -> Running | None:
        """Watch the machine if it runs, in place of its present watcher; None if it does not."""
        ...

    async def update(self, spec: MachineSpec) -> None:
        """Rebuild the system of a machine that is built from a source; others have nothing to do.

        A running machine stays up.

        Raises:
            FailedError: The build failed; the machine is unchanged.
        """
        ...

    async def destroy(self, name: str, *, purge: bool) -> None:
        """Remove a stopped machine and, with `purge`, the agent's files. Idempotent.

        Raises:
            FailedError: It runs, or it could not be removed.
        """
        ...

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Request the end of the machine, kill it after `deadline` seconds, wait until it is gone.

        Takes at most the deadline and `KILL_SECONDS`. Returns its end; None if it did not run.
        """
        ...

    async def kill(self, name: str) -> Ended | None:
        """Kill the machine and wait until it is gone."""
        ...

    async def running(self) -> tuple[str, ...]:
        """Return the names of all running machines of this hive."""
        ...

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the machine's output, oldest first. May block."""
        ...

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines, then each new one, until the iterator is closed."""
        ...
