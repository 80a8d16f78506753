"""Kill containers and measure how soon it is seen and how soon they run again."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from attrs import define, field

from hive.config.model import Bind
from hive.endings import Ended
from hive.machines.runtime import MachineSpec, Running
from hive.machines.systemd import machinectl
from hive.machines.systemd.commands import run
from hive.machines.systemd.containers import ContainerRuntime
from hive.machines.systemd.units import Settings
from hive.paths import Paths
from tests.testbed.host import ROOT
from tests.testbed.tree import make_image

KILLS = 50
MANY = 20
IDLE_SECONDS = 20.0
IMAGE = Path("/var/lib/machines/bench-image")
BINDS = tuple(
    Bind(Path(path), Path(path), read_only=True) for path in ("/usr", sys.base_prefix, str(ROOT))
)


@define
class Agent:
    """A container that is started again, at once, when its end is heard."""

    runtime: ContainerRuntime
    spec: MachineSpec
    running: Running | None = None
    seen: float = 0.0
    up: asyncio.Event = field(factory=asyncio.Event)
    again: asyncio.Task[None] | None = None
    ended_by_us: bool = False

    async def start(self) -> None:
        """Start it and note that it runs."""
        self.running = await self.runtime.start(self.spec, self._heard)
        self.up.set()

    def _heard(self, ended: Ended) -> None:
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


async def ours(agent: Agent) -> tuple[list[float], list[float]]:
    """Return kill to seen, and seen to running, of each kill."""
    seen, back = [], []
    for _ in range(KILLS):
        killed = time.monotonic()
        agent.kill()
        await agent.up.wait()
        seen.append(agent.seen - killed)
        back.append(time.monotonic() - agent.seen)
    return seen, back


async def theirs(unit: str, machine: str) -> list[float]:
    """Return kill to running of each kill, if systemd restarts the same container."""
    drop_in = Path("/run/systemd/system", f"{unit}.d", "90-theirs.conf")
    await asyncio.to_thread(drop_in.write_text, "[Service]\nRestart=on-failure\n")
    await done("systemctl", "daemon-reload")
    await done("systemctl", "start", unit)
    took = []
    for _ in range(KILLS):
        leader = (await done("machinectl", "show", "-pLeader", "--value", machine)).strip()
        killed = time.monotonic()
        os.kill(int(leader), signal.SIGKILL)
        await until(lambda before=leader: registered_anew(unit, machine, before))
        took.append(time.monotonic() - killed)
    await done("systemctl", "kill", "--signal=KILL", unit)
    await asyncio.to_thread(drop_in.unlink)
    await done("systemctl", "daemon-reload")
    return took


async def registered_anew(unit: str, machine: str, before: str) -> bool:
    shown = await run(("machinectl", "show", "-pLeader", "--value", machine), deadline=10)
    if not shown.out.strip() or shown.out.strip() == before:
        return False
    return (await run(("systemctl", "is-active", unit), deadline=10)).ok


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    while not await true():  # noqa: ASYNC110 - what is waited for is another program
        await asyncio.sleep(0.005)


async def done(*argv: str) -> str:
    outcome = await run(argv, deadline=60)
    assert outcome.ok, str(outcome)
    return outcome.out


async def together(agents: Sequence[Agent]) -> float:
    """Kill all but one container at once; return seconds until all run again."""
    *killed, spared = agents
    before = spared.running
    began = time.monotonic()
    for agent in killed:
        agent.kill()
    await asyncio.gather(*(agent.up.wait() for agent in killed))
    took = time.monotonic() - began
    assert spared.running == before, "the one that was not killed was not touched"
    return took


async def idle() -> float:
    """Return the part of a core that this process takes while nothing happens."""
    began, used = time.monotonic(), time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    return (time.process_time() - used) / (time.monotonic() - began)


async def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    paths = Paths(root / "run", root / "state")
    runtime = machinectl.runtime(paths, image=IMAGE.name, settings=Settings(binds=BINDS))
    await runtime.open()
    agents = [Agent(runtime, spec(paths, f"a{number}")) for number in range(MANY + 1)]
    try:
        for agent in agents[:1]:
            await runtime.create(agent.spec)
            await agent.start()
        seen, back = await ours(agents[0])
        print("| what | kills | median | p99 |\n|---|---|---|---|")
        print(row("kill to seen", seen))
        print(row("seen to running", back))
        whole = [a + b for a, b in zip(seen, back, strict=True)]
        print(row("kill to running, by hive-c0re", whole), flush=True)
        for agent in agents[1:]:
            await runtime.create(agent.spec)
            await agent.start()
        took_all = await together(agents)
        print(f"\n{MANY} containers killed at once, all run again after: {took_all:.2f} s")
        print(f"CPU while {MANY + 1} containers idle: {await idle():.2%} of a core", flush=True)
        for agent in agents:
            agent.ended_by_us = True
            await runtime.kill(agent.spec.name)
        took = await theirs("systemd-nspawn@h-a0.service", "h-a0")
        print(f"\n{row('kill to running, by Restart=on-failure', took)}")
    finally:
        for name in await runtime.running():
            await runtime.kill(name)
        await runtime.close()
        shutil.rmtree(root, ignore_errors=True)


if not IMAGE.exists():
    make_image(IMAGE)
asyncio.run(main())
