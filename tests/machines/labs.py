"""Shared by the tests of runtimes: agents with known behaviour, a watcher of their exits."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

from hive.exits import Ended
from hive.machines.function import FunctionRuntime
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import MachineSpec, Runtime
from hive.paths import Paths


class Ends:
    """A watcher that records the exits it receives."""

    def __init__(self) -> None:
        self.received: list[Ended] = []
        self._first: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    def __call__(self, ended: Ended) -> None:
        self.received.append(ended)
        if not self._first.done():
            self._first.set_result(ended)

    async def first(self) -> Ended:
        """Wait for the first exit."""
        return await asyncio.shield(self._first)


class Lab(Protocol):
    """A runtime with four agents, named for what they do.

    "waiter" runs until it is stopped, "done" returns at once, "failer" fails at once with the word
    "boom" as its last line, "stubborn" ignores SIGTERM or a cancellation.
    """

    runtime: Runtime

    def spec(self, name: str) -> MachineSpec:
        """Return the agent."""
        ...

    async def ready(self) -> None:
        """Wait until the agent that was just started (waiter or stubborn) runs."""
        ...

    async def end_from_outside(self, name: str) -> None:
        """End an agent without the runtime."""
        ...

    async def close(self) -> None:
        """Close the runtime, and end all agents."""
        ...


class ProcessLab:
    """Agents that are shell scripts."""

    SCRIPTS: ClassVar = {
        "waiter": "echo waiting; echo $$ > $READY; exec sleep 1000",
        "done": "exit 0",
        "failer": "echo boom; exit 1",
        "stubborn": "trap '' TERM; echo $$ > $READY; while :; do sleep 1000; done",
    }

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root / "run", root / "state")
        self.runtime: ProcessRuntime = self.another_runtime()
        self._pipe = root / "ready"
        self.pid = 0
        os.mkfifo(self._pipe)

    def another_runtime(self, **options: Any) -> ProcessRuntime:
        """Return a runtime over the same directories, as the next daemon has."""
        return ProcessRuntime(self.paths, random=Random(os.urandom(8)), **options)

    def spec(self, name: str) -> MachineSpec:
        return self.script(self.SCRIPTS[name], name)

    def script(self, script: str, name: str = "alice", **environment: str) -> MachineSpec:
        """Return an agent that runs a shell script; `read` returns what it writes to `$READY`."""
        return self.command(("sh", "-c", script), name, cwd=None, **environment)

    def command(
        self, command: Sequence[str], name: str = "alice", *, cwd: Path | None = None, **env: str
    ) -> MachineSpec:
        return MachineSpec(
            name=name,
            command=tuple(command),
            environment={"READY": str(self._pipe), **env},
            working_directory=cwd,
            socket_dir=self.paths.socket_dir(name),
            state_dir=self.paths.agent_state(name),
            log_file=self.paths.agent_log(name),
        )

    async def start(self, spec: MachineSpec) -> Ends:
        """Start an agent; return the watcher of its exit."""
        ends = Ends()
        await self.runtime.ensure_running(spec, ends)
        return ends

    async def read(self) -> str:
        """Wait until an agent has written to `$READY`; return the text."""
        return (await asyncio.to_thread(self._pipe.read_text)).strip()

    async def ready(self) -> None:
        self.pid = int(await self.read())

    async def end_from_outside(self, name: str) -> None:
        os.kill(self.pid, 9)

    async def close(self) -> None:
        await self.runtime.close()


class FunctionLab:
    """The same agents as functions."""

    def __init__(self, root: Path) -> None:
        self._paths = Paths(root / "run", root / "state")
        self._at_work = asyncio.Event()
        self._killed = asyncio.Event()
        self._freed = asyncio.Event()
        agents: dict[str, Callable[[str], Awaitable[object]]] = {
            "waiter": self._wait,
            "done": self._return,
            "failer": self._fail,
            "stubborn": self._swallow,
        }
        self.runtime = FunctionRuntime(agents, self._connect, kill_grace=0.01)

    def spec(self, name: str) -> MachineSpec:
        return MachineSpec(
            name=name,
            command=(),
            socket_dir=self._paths.socket_dir(name),
            state_dir=self._paths.agent_state(name),
            log_file=self._paths.agent_log(name),
        )

    async def ready(self) -> None:
        await self._at_work.wait()
        self._at_work.clear()

    async def end_from_outside(self, name: str) -> None:
        self._killed.set()

    async def close(self) -> None:
        self._freed.set()
        await self.runtime.close()

    async def _connect(self, name: str) -> str:
        return f"client of {name}"

    async def _wait(self, client: str) -> None:
        self._at_work.set()
        await self._killed.wait()

    async def _return(self, client: str) -> None:
        pass

    async def _fail(self, client: str) -> None:
        raise ValueError("boom")

    async def _swallow(self, client: str) -> None:
        self._at_work.set()
        while not self._freed.is_set():
            try:
                await self._freed.wait()
            except asyncio.CancelledError:
                continue
