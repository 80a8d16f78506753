"""Kill containers and measure the times until the exit is seen and until they run again."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from benchmarks.containers.theirs import Theirs, restarted_by_systemd
from hive.config.model import Bind
from hive.exits import Ended
from hive.machines.runtime import MachineSpec, Running
from hive.machines.systemd import machinectl
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.unit_files import Settings
from hive.paths import Paths
from tests.testbed.host import ROOT
from tests.testbed.tree import make_image

KILLS = 50
MANY = 20
IDLE_SECONDS = 20.0
QUIET_SECONDS = 0.5
"""Seconds that a container is up before it is killed, so that it has booted."""

IMAGE = Path("/var/lib/machines/bench-image")
BINDS = tuple(
    Bind(Path(path), Path(path), read_only=True) for path in ("/usr", sys.base_prefix, str(ROOT))
)


@define
class Agent:
    """A container that is started again as soon as its exit is reported."""

    runtime: ContainerRuntime
    spec: MachineSpec
    running: Running | None = None
    seen: float = 0.0
    up: asyncio.Event = field(factory=asyncio.Event)
    again: asyncio.Task[None] | None = None
    ended_by_us: bool = False

    async def start(self) -> None:
        """Start the container and set `up`."""
        self.running = await self.runtime.ensure_running(self.spec, self._on_exit)
        self.up.set()

    def _on_exit(self, ended: Ended) -> None:
        if self.ended_by_us:
            return
        self.seen = time.monotonic()
        self.again = asyncio.create_task(self.start())

    def kill(self) -> None:
        """Kill its first process, as the kernel would."""
        assert self.running is not None
        assert self.running.pid is not None
        self.up.clear()
        os.kill(self.running.pid, signal.SIGKILL)


def spec(paths: Paths, name: str) -> MachineSpec:
    return MachineSpec(
        name=name,
        command=("/bin/sleep", "infinity"),
        socket_dir=paths.socket_dir(name),
        state_dir=paths.agent_state(name),
        log_file=paths.agent_log(name),
    )


def p(samples: Sequence[float], part: float) -> str:
    ordered = sorted(samples)
    at = min(len(ordered) - 1, int(part * len(ordered)))
    return f"{ordered[at]:.3f} s"


def row(what: str, samples: Sequence[float]) -> str:
    return f"| {what} | {len(samples)} | {p(samples, 0.5)} | {p(samples, 0.99)} |"


async def ours(agent: Agent) -> tuple[float, float]:
    """Kill ours; return kill to seen, and seen to running."""
    killed = time.monotonic()
    agent.kill()
    await agent.up.wait()
    return agent.seen - killed, time.monotonic() - agent.seen


async def side_by_side(agent: Agent, other: Theirs) -> None:
    """Kill ours and theirs in turns, each after a quiet time of both, and print a table."""
    seen, back, took = [], [], []
    for _ in range(KILLS):
        await asyncio.sleep(QUIET_SECONDS)
        one = await ours(agent)
        seen.append(one[0])
        back.append(one[1])
        await asyncio.sleep(QUIET_SECONDS)
        took.append(await other.kill())
    whole = [a + b for a, b in zip(seen, back, strict=True)]
    print("| what | kills | median | p99 |\n|---|---|---|---|")
    print(row("kill to seen", seen))
    print(row("seen to running", back))
    print(row("kill to running, by hive-c0re", whole))
    print(row("kill to running, by `Restart=on-failure`", took), flush=True)


async def together(agents: Sequence[Agent]) -> float:
    """Kill all but one container at once; return seconds until all run again."""
    *killed, spared = agents
    before = spared.running
    began = time.monotonic()
    for agent in killed:
        agent.kill()
    await asyncio.gather(*(agent.up.wait() for agent in killed))
    took = time.monotonic() - began
    assert spared.running == before, "the remaining container is unaffected"
    return took


async def idle() -> float:
    """Return the part of a core that this process takes while nothing happens."""
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    return (time.process_time() - used) / (time.monotonic() - began)


async def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    paths = Paths(root / "run", root / "state")
    settings = Settings(binds=BINDS, private_users=False)
    runtime = machinectl.runtime(paths, image=IMAGE.name, settings=settings)
    await runtime.open()
    agents = [Agent(runtime, spec(paths, f"a{number}")) for number in range(MANY + 1)]
    try:
        await agents[0].start()
        async with restarted_by_systemd(spec(paths, "theirs"), IMAGE.name, settings) as other:
            await side_by_side(agents[0], other)
        for agent in agents[1:]:
            await agent.start()
        await asyncio.sleep(QUIET_SECONDS)
        took_all = await together(agents)
        print(f"\n{MANY} containers killed at once, all run again after: {took_all:.2f} s")
        print(f"CPU while {MANY + 1} containers idle: {await idle():.2%} of a core", flush=True)
    finally:
        for agent in agents:
            agent.ended_by_us = True
        for name in await runtime.running():
            await runtime.kill(name)
        await runtime.close()
        shutil.rmtree(root, ignore_errors=True)


if not IMAGE.exists():
    make_image(IMAGE)
asyncio.run(main())
