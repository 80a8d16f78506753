"""The interface of container runtimes.

A method that acts returns when its effect is visible, not when the request was accepted:
`ensure_running` returns when the machine runs, `stop` when it has ended. Ends are reported: a
runtime calls the watcher exactly once per run, whatever ended the machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from hive.config.model import Bind, Network
from hive.errors import FailedError
from hive.exits import Ended
from hive.machines.resource_use import ResourceUse
from hive.machines.timed_output import LinesWanted, TimedLines
from hive.subprocesses import OnLine, Outcome

IN_MACHINE_PROPOSED = Path("/proposed")
"""The proposed repositories inside the container of the manager."""

KILL_SECONDS = 15.0
"""Seconds that a runtime waits for a killed machine to end before it reports a failure."""

START_SECONDS = 90.0
"""Longest time for the start of a machine whose agent has no other, in seconds."""

REASON_LINES = 20
"""Number of last output lines that a runtime reports with an end."""

Watcher = Callable[[Ended], None]
"""Called on the loop, once, when a machine has ended."""


@frozen
class ByOthers:
    """Receivers of what other programs do with agents' machines, where a runtime hears of it.

    Attributes:
        started: Called with the agent whose machine runs although nobody here started it.
        restarted: Called after the restart of a watched machine, with the agent, its new run and
            a sentence about who did it.
    """

    started: Callable[[str], Awaitable[None]]
    restarted: Callable[[str, Running, str], None]


def ignore_end(ended: Ended) -> None:
    """Watch a machine without reporting its end: it is only watched until it is stopped."""


def ignore_line(line: str) -> None:
    """Drop a line of output."""


class CannotStartError(FailedError):
    """It cannot be started as it is: each further attempt fails until somebody has mended it."""


class AbortedError(FailedError):
    """Its start was ended by a request to kill the machine."""


class NotReloadedError(FailedError):
    """Its system was built and is that of its next start; the running machine is not on it yet."""


class RemainsError(FailedError):
    """The agent's machine is removed, but not all of its files."""


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
        tasks_max: Most processes and threads; None for the runtime's default.
        origin: Source of a new container in the runtime's terms (an image, a flake); None for the
            runtime's default.
        created_at: Wall time in seconds of the agent's creation. Output before that is of another
            agent that had the name.
        private_users: Whether a container has a range of users of its own; None for the runtime's
            default.
        network: Network of its container; None for the runtime's default.
        bridge: Bridge of the host that its virtual Ethernet link is connected to.
        ports: Ports of the host that lead into its container.
        capabilities: Capabilities of its container, besides the runtime's default.
        devices: Devices of the host that it may use, in the syntax of `DeviceAllow=`.
        tmpfs: Memory file systems of its container, in the syntax of `TemporaryFileSystem=`.
        ephemeral: Whether its container runs in a copy of its root that is removed at the end.
        start_timeout: Longest time for a start, in seconds.
        credentials: Files with its secrets, by the name that each has inside.
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
    tasks_max: int | None = None
    origin: str | None = None
    created_at: float = 0.0
    private_users: bool | None = None
    network: Network | None = None
    bridge: str | None = None
    ports: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ephemeral: bool = False
    start_timeout: float = START_SECONDS
    credentials: Mapping[str, Path] = field(factory=dict)


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

    async def unwatched_end(self, name: str) -> Ended | None:
        """Return how the last run ended if no daemon watched it, with what the host kept of it.

        Each such end is returned once. Call it after `adopt`, which finds out what runs.

        Raises:
            FailedError: It cannot be found out.
        """
        ...

    async def update(self, spec: MachineSpec, on_line: OnLine = ignore_line) -> None:
        """Rebuild the system of a machine that is built from a source; others have nothing to do.

        A running machine stays up. A cancellation kills the build.

        Args:
            spec: The machine.
            on_line: Takes the lines that the build prints, as they come.

        Raises:
            NotReloadedError: It was built, but the running machine could not switch to it.
            FailedError: The build failed; the machine is unchanged.
        """
        ...

    async def probe(
        self,
        spec: MachineSpec,
        command: Sequence[str],
        *,
        deadline: float,
        on_line: OnLine = ignore_line,
    ) -> Outcome:
        """Run a command inside a running machine, as the agent would; return how it ended.

        Args:
            spec: The machine.
            command: The command line; its working directory and environment are the agent's.
            deadline: Seconds after which it is killed.
            on_line: Takes the lines that it prints, as they come.

        Raises:
            FailedError: This runtime has no place to run it in.
        """
        ...

    async def destroy(self, name: str, *, purge: bool, only_made: bool = False) -> None:
        """Remove a stopped machine and, with `purge`, the agent's files. Idempotent.

        Args:
            name: Name of the agent.
            purge: Whether to remove its files.
            only_made: Leave the machine to others, as `release` does, unless this runtime has made
                it since it was opened.

        Raises:
            RemainsError: The machine is removed, but not all of the agent's files.
            FailedError: It runs, or it could not be removed.
        """
        ...

    def released_unit(self, name: str) -> str | None:
        """Return the unit by which a machine is observed after `release`; None without one.

        Raises:
            NotAllowedError: A machine of this runtime cannot be without it.
        """
        ...

    async def release(self, name: str) -> None:
        """Leave a machine to others: it is not watched any more, and runs on as it is.

        What the runtime has written about it is removed. Idempotent, also under the next daemon.

        Raises:
            FailedError: Something cannot be removed.
        """
        ...

    async def can_take_over(self, machine: str, name: str, *, stop: bool = False) -> bool:
        """Return whether a machine can become an agent's; False if there is no such machine.

        Args:
            machine: The name by which the tools of this host know it.
            name: Name of the agent.
            stop: Whether `take_over` may stop it.

        Raises:
            ConflictError: It runs, or the agent has a machine already.
            NotAllowedError: This runtime cannot do it.
        """
        ...

    async def take_over(self, machine: str, name: str, *, stop: bool = False) -> None:
        """Make a machine that of an agent, if there is such a machine. Idempotent.

        The arguments and the errors are those of `can_take_over`.

        Raises:
            FailedError: It could not be stopped or renamed.
        """
        ...

    async def stop(self, name: str, *, deadline: float) -> Ended | None:
        """Request the end of the machine, kill it after `deadline` seconds, wait until it is gone.

        A start that is under way has the deadline, too, and is then aborted. Returns its end; None
        if it did not run.
        """
        ...

    async def kill(self, name: str) -> Ended | None:
        """Kill the machine and wait until it is gone; abort a start that is under way.

        A call of `ensure_running` that it overtakes raises `AbortedError`.
        """
        ...

    async def freeze(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Stop all that runs in machines, at once, until `thaw`, `stop` or `kill`. Idempotent.

        One that does not run is left out; one that is coming up, too. They stay as they are when
        the daemon ends.

        Returns:
            Why machines could not be stopped, by agent.
        """
        ...

    async def thaw(self, names: Sequence[str]) -> Mapping[str, FailedError]:
        """Let machines go on, in this order; return why some could not, by agent. Idempotent."""
        ...

    async def running(self) -> tuple[str, ...]:
        """Return the names of all running machines of this hive."""
        ...

    async def is_running(self, name: str) -> bool:
        """Return whether the machine of an agent runs; its cost does not grow with their number."""
        ...

    async def resources(self) -> Mapping[str, ResourceUse]:
        """Return what the running machines use, by agent, all from about the same moment.

        One of which it is unknown is missing. It must not act on them, nor block the loop.
        """
        ...

    def last_lines(self, spec: MachineSpec, lines: int) -> tuple[str, ...]:
        """Return the last lines of the machine's output, oldest first. May block."""
        ...

    def timed_lines(self, spec: MachineSpec, wanted: LinesWanted) -> TimedLines | None:
        """Return lines of the machine's output with their times; None if it has no times.

        May block, but not without end: what it reads is bounded.

        Raises:
            FailedError: They cannot be read.
        """
        ...

    def follow(self, spec: MachineSpec, lines: int) -> AsyncIterator[str]:
        """Yield the last lines, then each new one, until the iterator is closed."""
        ...
