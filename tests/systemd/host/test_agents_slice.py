"""All containers share one slice of a real systemd host, which goes with the last of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from hive.config.model import MachineProtection
from hive.exits import Exited, How, Signaled
from hive.machines.systemd.agents_slice import OOM_SCORE, SLICE
from hive.subprocesses import run_command
from tests.machines.labs import Ends
from tests.systemd.host.lab import ContainerLab

FILE = Path("/run/systemd/system", SLICE)
UNIT = "systemd-nspawn@h-waiter.service"


async def properties(unit: str, *names: str) -> dict[str, str]:
    argv = ("systemctl", "show", f"--property={','.join(names)}", unit)
    shown = await run_command(argv, deadline=30)
    assert shown.ok, str(shown)
    return dict(line.split("=", 1) for line in shown.out.splitlines())


async def text_of(*paths: Path) -> Sequence[str]:
    return await asyncio.to_thread(lambda: [path.read_text().strip() for path in paths])


async def reopen(lab: ContainerLab, protection: MachineProtection) -> None:
    """Go on with the next daemon's runtime, which has other limits."""
    await lab.runtime.close()
    lab.runtime = lab.another_runtime(protection=protection)
    await lab.runtime.open()


async def test_a_container_is_in_the_slice_with_its_limits(lab: ContainerLab) -> None:
    await reopen(lab, MachineProtection(memory_high="2G", memory_max="3G", tasks_max="1000"))
    running = await lab.runtime.ensure_running(
        lab.script("sleep 1000", "waiter", tasks_max=300), Ends()
    )
    assert await properties(SLICE, "MemoryHigh", "MemoryMax", "TasksMax", "ActiveState") == {
        "MemoryHigh": str(2 * 2**30),
        "MemoryMax": str(3 * 2**30),
        "TasksMax": "1000",
        "ActiveState": "active",
    }
    shown = await properties(UNIT, "Slice", "TasksMax", "OOMScoreAdjust", "LogRateLimitBurst")
    assert shown == {
        "Slice": SLICE,
        "TasksMax": "300",
        "OOMScoreAdjust": str(OOM_SCORE),
        "LogRateLimitBurst": "250",
    }
    assert running.pid is not None
    process = Path("/proc", str(running.pid))
    cgroup, score = await text_of(process / "cgroup", process / "oom_score_adj")
    assert f"/machine.slice/{SLICE}/" in cgroup
    assert score == str(OOM_SCORE)


async def test_changed_limits_reach_containers_that_run(lab: ContainerLab) -> None:
    spec = lab.script("sleep 1000", "waiter", tasks_max=300)
    running = await lab.runtime.ensure_running(spec, Ends())
    assert running.pid is not None
    await reopen(lab, MachineProtection(tasks_max="2000"))
    adopted = await lab.runtime.adopt(lab.script("sleep 1000", "waiter", tasks_max=400), Ends())
    assert adopted is not None
    assert adopted.pid == running.pid
    assert (await properties(SLICE, "TasksMax"))["TasksMax"] == "2000"
    assert (await properties(UNIT, "TasksMax"))["TasksMax"] == "400"


async def test_a_container_of_an_earlier_version_is_moved_at_its_next_start(
    lab: ContainerLab,
) -> None:
    spec = lab.spec("waiter")
    ends = Ends()
    await lab.runtime.ensure_running(spec, ends)
    await lab.runtime.stop("waiter", deadline=10)
    drop_in = FILE.with_name(f"{UNIT}.d") / "zz-hyperhive.conf"
    [new] = await text_of(drop_in)
    old = "\n".join(line for line in new.splitlines() if not line.startswith("Slice="))
    await asyncio.to_thread(drop_in.write_text, old)
    await run_command(("systemctl", "daemon-reload"), deadline=30)
    await run_command(("machinectl", "start", "h-waiter"), deadline=30)
    assert (await properties(UNIT, "Slice"))["Slice"] == "machine.slice"
    running = await lab.runtime.adopt(spec, Ends())
    assert running is not None
    assert running.pid is not None
    [cgroup] = await text_of(Path("/proc", str(running.pid), "cgroup"))
    assert SLICE not in cgroup
    await lab.ready()
    assert (await lab.run_inside("waiter", ("/bin/sh", "-c", "exit 5"))).status == 5
    await lab.runtime.stop("waiter", deadline=10)
    running = await lab.runtime.ensure_running(spec, Ends())
    [cgroup] = await text_of(Path("/proc", str(running.pid), "cgroup"))
    assert SLICE in cgroup


def forget_others() -> None:
    """Remove the drop-ins of containers that other tests have left."""
    for drop_in in FILE.parent.glob("*.d/zz-hyperhive.conf"):
        drop_in.unlink()


async def test_destroying_the_last_container_removes_the_slice(lab: ContainerLab) -> None:
    await asyncio.to_thread(forget_others)
    for name in ("done", "failer"):
        await (await lab.start(lab.spec(name))).first()
    assert await asyncio.to_thread(FILE.exists)
    await lab.runtime.destroy("done", purge=True)
    assert await asyncio.to_thread(FILE.exists)
    await lab.runtime.destroy("failer", purge=True)
    assert not await asyncio.to_thread(FILE.exists)


@pytest.mark.parametrize(
    ("end", "how"), [("exit 3", Exited(3)), ("kill -9 $$", Signaled(9))], ids=["exit", "signal"]
)
async def test_a_flood_of_output_does_not_hide_how_the_agent_ended(
    lab: ContainerLab, end: str, how: How
) -> None:
    ended = await (await lab.start(lab.script(f"seq 1 30000; {end}"))).first()
    assert ended.how == how


async def test_lines_after_a_flood_of_output_are_there(lab: ContainerLab) -> None:
    flood = "seq 1 20000; sleep 6; echo last words; exit 3"
    ended = await (await lab.start(lab.script(flood))).first()
    assert ended.last_lines[-1] == "last words"
