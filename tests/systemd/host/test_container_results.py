"""The systemd result of real containers."""

import asyncio
from pathlib import Path

import pytest

from hive.exits import Exited, How, OutOfMemory, Signaled
from hive.subprocesses import run_command
from tests.systemd.host.lab import ContainerLab

PATIENT = 30.0
UNIT = "systemd-nspawn@h-waiter.service"
CGROUP = Path("/sys/fs/cgroup/machine.slice", UNIT)


async def host(*argv: str) -> None:
    outcome = await run_command(argv, deadline=PATIENT)
    assert outcome.ok, str(outcome)


async def test_a_container_that_was_powered_off_succeeded(lab: ContainerLab) -> None:
    await lab.start(lab.spec("waiter"))
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ended is not None
    assert (ended.how, ended.result) == (Exited(0), "success")


@pytest.mark.parametrize(
    ("script", "how", "result"),
    [
        ("exit 7", Exited(7), "exit-code"),
        ("kill -KILL $$", Signaled(9), "signal"),
    ],
)
async def test_the_result_of_the_agent_is_reported_from_inside(
    lab: ContainerLab, script: str, how: How, result: str
) -> None:
    ended = await (await lab.start(lab.script(script, "waiter"))).first()
    assert (ended.how, ended.result) == (how, result)


async def test_a_killed_nspawn_is_reported_as_killed(lab: ContainerLab) -> None:
    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    await host("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    ended = await ends.first()
    assert (ended.how, ended.result) == (Signaled(9), "signal")


async def test_a_stop_that_systemd_ended_is_a_timeout(lab: ContainerLab) -> None:
    ends = await lab.start(lab.script(lab.SCRIPTS["stubborn"], "waiter"))
    await lab.ready()
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/zzz-impatient.conf")
    await asyncio.to_thread(drop_in.write_text, "[Service]\nTimeoutStopSec=1s\n")
    await host("systemctl", "daemon-reload")
    try:
        await host("systemctl", "stop", UNIT)
        ended = await ends.first()
    finally:
        await asyncio.to_thread(drop_in.unlink)
        await host("systemctl", "daemon-reload")
    assert (ended.how, ended.result) == (Signaled(9), "timeout")


async def test_out_of_memory_is_the_exit_cause(lab: ContainerLab) -> None:
    gate = 'while [ ! -e "$HIVE_STATE/go" ]; do sleep 0.05; done; exec tail /dev/zero'
    spec = lab.script(f"echo up > $HIVE_STATE/ready; {gate}", "waiter", memory_max="128M")
    ends = await lab.start(spec)
    await lab.ready()
    if not await asyncio.to_thread((CGROUP / "memory.swap.max").exists):
        pytest.skip("memory cannot be limited on this host: it has no memory controller")
    await asyncio.to_thread((CGROUP / "memory.swap.max").write_text, "0")
    await asyncio.to_thread((spec.state_dir / "go").touch)
    ended = await ends.first()
    assert (ended.how, ended.result) == (OutOfMemory(), "oom-kill")
