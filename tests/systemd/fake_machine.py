"""A container runtime over `fakes/tool`, which stands in for all programs of systemd."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hive.machines.runtime import MachineSpec
from hive.machines.systemd import (
    container_runtime,
    host_requirements,
    machinectl,
    start_stop,
    transitions,
)
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.generated_files import Places
from hive.paths import Paths
from tests.machines.labs import Ends

TOOL = Path(__file__).parent / "fakes/tool"


class FakeMachine:
    """A runtime over the tools on PATH, which are all fakes that record their calls."""

    def __init__(self, root: Path) -> None:
        self._root = root / "fake"
        self._root.mkdir()
        self._paths = paths = Paths(root / "run", root / "state")
        self._places = Places.below(paths.run_dir, root / "systemd")
        self.runtime = self.next_runtime()
        self.spec = MachineSpec(
            name="alice",
            command=("/bin/agent",),
            socket_dir=paths.socket_dir("alice"),
            state_dir=paths.agent_state("alice"),
            log_file=paths.agent_log("alice"),
        )
        self.set(state="inactive", invocation="0", journal="last words\n")

    def set(self, **values: str) -> None:
        """Change the state that the fakes show."""
        for name, value in values.items():
            new = self._root / f"{name}.new"
            new.write_text(value)
            new.replace(self._root / name)

    def plan(self, verb: str, *behaviours: str) -> None:
        """Set the behaviour of the next calls of a verb."""
        (self._root / f"plan-{verb}").write_text("".join(f"{line}\n" for line in behaviours))

    def calls(self) -> list[str]:
        """Return the recorded calls, apart from reloads and queries."""
        return [call for call in self.all_calls() if call not in {"daemon-reload", "look"}]

    def all_calls(self) -> list[str]:
        """Return the recorded calls."""
        return (self._root / "calls").read_text().split()

    def next_runtime(self) -> ContainerRuntime:
        """Return the runtime of the next daemon, which knows nothing of this one."""
        return machinectl.runtime(self._paths, places=self._places, listen=False)

    def pipes(self) -> tuple[Path, Path]:
        """Make the pipes of a call that waits: it writes to the first and reads the second."""
        pipes = self._root / "reached", self._root / "go"
        for pipe in pipes:
            os.mkfifo(pipe)
        return pipes

    async def start(self) -> Ends:
        ends = Ends()
        await self.runtime.ensure_running(self.spec, ends)
        return ends


@asynccontextmanager
async def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    """Open a runtime over the fakes, which polls and retries fast."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("machinectl", "systemctl", "journalctl", "systemd-run", "systemd-nspawn"):
        (bin_dir / name).symlink_to(TOOL)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(tmp_path / "fake"))
    monkeypatch.setattr(host_requirements, "_BOOTED", tmp_path)
    monkeypatch.setattr(container_runtime, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(transitions, "TERMINATE_SHARE", 0.45)
    monkeypatch.setattr(start_stop, "RETRY_DELAYS", (0.01, 0.02))
    machine = FakeMachine(tmp_path)
    await machine.runtime.open()
    yield machine
    await machine.runtime.close()
