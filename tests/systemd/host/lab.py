"""Agents with known behaviour in real containers."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hive.config.model import Bind
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import machinectl
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.unit_files import Settings
from hive.paths import Paths
from hive.subprocesses import Outcome, run_command
from tests.machines.labs import Ends
from tests.testbed.host import ROOT

IMAGE = "hive-image"

GETTY = (
    "systemd-run --quiet --property=StandardInput=tty --property=StandardOutput=tty "
    "--property=TTYPath=/dev/console /sbin/agetty --noclear --keep-baud - 115200 linux"
)
"""Shell command that starts a getty on a container's console, as any program inside may. It first
discards what nspawn has yet to read, and prints a prompt without a newline."""

PROGRAMS = tuple(
    Bind(Path(path), Path(path), read_only=True)
    for path in dict.fromkeys(["/usr", str(ROOT), sys.prefix, sys.base_prefix])
    if path in {"/usr", str(ROOT)} or not path.startswith((f"{ROOT}/", "/usr"))
)
"""The programs of the image are those of the host; this Python and this project are among them."""


def bind_lines(binds: Iterable[Bind]) -> str:
    """Return the lines of hive.toml that bind directories of the host into all containers."""
    lines = (
        f'[[containers.bind]]\nsource = "{bind.source}"\ntarget = "{bind.target}"\n'
        f"read_only = {str(bind.read_only).lower()}\n"
        for bind in binds
    )
    return "".join(lines)


SETTINGS = Settings(binds=PROGRAMS)


class ContainerLab:
    """Agents that are shell scripts, each in a container with systemd inside."""

    SCRIPTS: ClassVar = {
        "waiter": "echo waiting; echo up > $HIVE_STATE/ready; exec sleep 1000",
        "done": "exit 0",
        "failer": "echo boom; exit 1",
        "stubborn": "trap '' TERM; echo up > $HIVE_STATE/ready; while :; do sleep 1000; done",
    }

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root / "run", root / "state")
        self._last = ""
        self.runtime = self.another_runtime()

    def another_runtime(self, **options: Any) -> ContainerRuntime:
        """Return a runtime over the same directories, as the next daemon has."""
        return machinectl.runtime(self.paths, **{"image": IMAGE, "settings": SETTINGS} | options)

    def spec(self, name: str) -> MachineSpec:
        return self.script(self.SCRIPTS[name], name)

    def script(self, script: str, name: str = "alice", **options: Any) -> MachineSpec:
        return self.command(("/bin/sh", "-c", script), name, **options)

    def command(self, command: Sequence[str], name: str = "alice", **options: Any) -> MachineSpec:
        state = self.paths.agent_state(name)
        state.mkdir(parents=True, exist_ok=True)
        if not (state / "ready").exists():
            os.mkfifo(state / "ready")
        self._last = name
        defaults: dict[str, Any] = {
            "name": name,
            "command": tuple(command),
            "socket_dir": self.paths.socket_dir(name),
            "state_dir": state,
            "log_file": self.paths.agent_log(name),
            "memory_max": "4G",
            "cpu_quota": "200%",
        }
        return MachineSpec(**defaults | options)

    async def start(self, spec: MachineSpec) -> Ends:
        """Start an agent; return the watcher of its exit."""
        ends = Ends()
        await self.runtime.ensure_running(spec, ends)
        return ends

    async def ready(self) -> None:
        """Wait until the agent whose spec was made last runs."""
        path = self.paths.agent_state(self._last) / "ready"
        await asyncio.to_thread(path.read_text)

    async def end_from_outside(self, name: str) -> None:
        leader = await run_command(
            ("machinectl", "show", f"h-{name}", "--property=Leader", "--value"), deadline=10
        )
        os.kill(int(leader.out), 9)

    async def run_inside(self, name: str, argv: Sequence[str]) -> Outcome:
        """Run a command inside a container, with its true exit status.

        Not `machinectl shell`, whose exit status is always 0.
        """
        inside = ("systemd-run", f"--machine=h-{name}", "--wait", "--pipe", "--quiet", "--collect")
        return await run_command((*inside, "--", *argv), deadline=30)

    async def clean(self) -> None:
        """Kill the remaining containers; the next test uses their files again."""
        for name in await self.runtime.running():
            await self.runtime.kill(name)
