"""Real containers that are left to others, and real containers of others that are taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import ConflictError
from hive.machines.systemd.container_reader import SystemdContainerReader
from hive.machines.systemd.machinectl import Machinectl
from hive.subprocesses import run_command
from tests.machines.labs import Ends
from tests.systemd.host.lab import IMAGE, PROGRAMS, ContainerLab
from tests.systemd.host.test_machinectl import host, shown, there

UNITS = Path("/run/systemd/system")
NSPAWN = Path("/run/systemd/nspawn")
OWN = "workbench"
"""A container that nobody of a hive has made."""


def generated(lab: ContainerLab, name: str) -> tuple[Path, ...]:
    return (
        UNITS / f"systemd-nspawn@h-{name}.service.d" / "zz-hyperhive.conf",
        NSPAWN / f"h-{name}.nspawn",
        lab.paths.run_dir / "machines" / f"h-{name}",
    )


async def test_a_released_container_runs_on_in_a_unit_as_it_was(lab: ContainerLab) -> None:
    untouched = await shown("nobody", "TimeoutStopUSec", "Restart", "RestartForceExitStatus")
    ends = Ends()
    running = await lab.runtime.ensure_running(lab.script("sleep 1000", "waiter"), ends)
    assert all(await there(*generated(lab, "waiter")))
    assert lab.runtime.released_unit("waiter") == "systemd-nspawn@h-waiter.service"
    for _ in range(2):  # idempotent
        await lab.runtime.release("waiter")
        assert not any(await there(*generated(lab, "waiter")))
    [instance, state] = await shown("waiter", "InvocationID", "ActiveState")
    assert (instance, state) == (running.instance, "active")
    properties = ("TimeoutStopUSec", "Restart", "RestartForceExitStatus")
    assert await shown("waiter", *properties) == untouched
    await lab.end_from_outside("waiter")
    await asyncio.sleep(1)
    assert ends.received == []


async def test_a_released_container_is_an_agents_again(lab: ContainerLab) -> None:
    spec = lab.script("sleep 1000", "waiter")
    running = await lab.runtime.ensure_running(spec, Ends())
    await lab.runtime.release("waiter")
    ends = Ends()
    adopted = await lab.runtime.adopt(spec, ends)
    assert adopted is not None
    assert (adopted.instance, adopted.adopted) == (running.instance, True)
    assert all(await there(*generated(lab, "waiter")))
    await lab.runtime.stop("waiter", deadline=10)
    await ends.first()


async def test_the_next_daemon_removes_what_a_killed_one_has_left(lab: ContainerLab) -> None:
    await lab.runtime.ensure_running(lab.script("sleep 1000", "waiter"), Ends())
    await lab.runtime.close()
    lab.runtime = lab.another_runtime()
    await lab.runtime.open()
    await lab.runtime.release("waiter")
    assert not any(await there(*generated(lab, "waiter")))
    assert await shown("waiter", "ActiveState") == ["active"]


@pytest.fixture
async def own(lab: ContainerLab) -> AsyncIterator[str]:
    """A container of the operator's, with a file inside, and settings of its own."""
    await host("machinectl", "clone", IMAGE, OWN)
    files = (Path("/run/systemd/nspawn", f"{OWN}.nspawn"), Path("/var/lib/machines", OWN, "mine"))
    binds = "".join(f"BindReadOnly={bind.source}\n" for bind in PROGRAMS)
    text = f"[Exec]\nPrivateUsers=no\n[Files]\n{binds}[Network]\nPrivate=no\nVirtualEthernet=no\n"
    await asyncio.to_thread(files[0].parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(files[0].write_text, text)
    await asyncio.to_thread(files[1].write_text, "kept")
    yield OWN
    await asyncio.to_thread(files[0].unlink, missing_ok=True)
    for machine in (OWN, f"h-{OWN}"):
        await run_command(("machinectl", "terminate", machine), deadline=30)
        await run_command(("systemctl", "stop", f"systemd-nspawn@{machine}"), deadline=60)
        await run_command(("machinectl", "remove", machine), deadline=60)


async def test_a_container_of_the_operator_is_read_taken_over_and_started(
    lab: ContainerLab, own: str
) -> None:
    found = await SystemdContainerReader().read(own)
    assert found is not None
    assert (found.machine, found.unit) == (own, f"systemd-nspawn@{own}.service")
    assert (found.declared, found.private_users) == (False, False)
    await host("machinectl", "start", own)
    with pytest.raises(ConflictError, match=f"the container {own} runs"):
        await lab.runtime.can_take_over(own, own)
    with pytest.raises(ConflictError, match=f"the container {own} runs"):
        await lab.runtime.take_over(own, own)
    assert await lab.runtime.can_take_over(own, own, stop=True)
    for _ in range(2):  # idempotent
        await lab.runtime.take_over(own, own, stop=True)
    assert await there(Path("/var/lib/machines", own), Path("/var/lib/machines", f"h-{own}")) == [
        *(False, True),
    ]
    assert not await lab.runtime.can_take_over(own, own)
    spec = lab.script("test -e /mine && exit 7", own, private_users=False)
    ended = await (await lab.start(spec)).first()
    assert "7" in str(ended.how)
    await lab.runtime.destroy(own, purge=True)


async def test_two_containers_of_one_agent_are_refused(lab: ContainerLab, own: str) -> None:
    await host("machinectl", "clone", IMAGE, f"h-{own}")
    with pytest.raises(ConflictError, match=f"a container {own} and a container h-{own}"):
        await lab.runtime.can_take_over(own, own, stop=True)


async def test_a_renamed_agents_container_goes_with_it(lab: ContainerLab) -> None:
    done = lab.script("touch /mine", "done")
    await (await lab.start(done)).first()
    assert await lab.runtime.can_take_over("h-done", "renamed")
    await lab.runtime.take_over("h-done", "renamed")
    ended = await (await lab.start(lab.script("test -e /mine && exit 7", "renamed"))).first()
    assert "7" in str(ended.how)
    assert not await Machinectl().exists("h-done")
    await lab.runtime.destroy("renamed", purge=True)
