"""A kill overtakes whatever brings a container up; a stop does so after its deadline."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.machines.runtime import AbortedError
from hive.machines.systemd import start_stop
from hive.machines.systemd.container import Container
from tests.machines.labs import Ends
from tests.systemd.fake_machine import FakeMachine, opened

AT_ONCE = 20.0
"""Seconds in which even a busy machine ends a start; the fakes hang for 90."""


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    async with opened(tmp_path, monkeypatch) as made:
        yield made


async def begun(machine: FakeMachine, *, state: str) -> asyncio.Task[Ends]:
    """Begin a start, and wait until its command has brought the unit into a state."""
    starting = asyncio.create_task(machine.start())
    while (machine._root / "state").read_text().strip() != state or machine.calls() != ["start"]:
        await asyncio.sleep(0.01)
    return starting


async def test_a_kill_overtakes_a_boot(machine: FakeMachine) -> None:
    machine.plan("start", "boots")
    starting = await begun(machine, state="activating")
    async with asyncio.timeout(AT_ONCE):
        assert await machine.runtime.kill("alice") is None
        with pytest.raises(AbortedError, match="ended by a request to kill it"):
            await starting
    assert machine.calls() == ["start", "cancel", "kill"]
    await machine.start()
    assert machine.calls() == ["start", "cancel", "kill", "start"], "it can be started again"


async def test_a_stop_overtakes_a_boot_after_its_deadline(machine: FakeMachine) -> None:
    machine.plan("start", "boots")
    starting = await begun(machine, state="activating")
    async with asyncio.timeout(AT_ONCE):
        assert await machine.runtime.stop("alice", deadline=0.3) is None
        with pytest.raises(AbortedError):
            await starting
    assert machine.calls() == ["start", "cancel", "kill"]


async def test_a_kill_overtakes_a_stop_that_waits_for_a_boot(machine: FakeMachine) -> None:
    machine.plan("start", "boots")
    starting = await begun(machine, state="activating")
    stopping = asyncio.create_task(machine.runtime.stop("alice", deadline=600))
    await asyncio.sleep(0)
    async with asyncio.timeout(AT_ONCE):
        assert await machine.runtime.kill("alice") is None
        assert await stopping is None
        with pytest.raises(AbortedError):
            await starting


async def test_a_kill_overtakes_the_boot_that_another_program_began(machine: FakeMachine) -> None:
    machine.set(state="activating", invocation="theirs")
    adopting = asyncio.create_task(machine.runtime.adopt(machine.spec, Ends()))
    await asyncio.sleep(0)
    async with asyncio.timeout(AT_ONCE):
        assert await machine.runtime.kill("alice") is None
        with pytest.raises(AbortedError):
            await adopting
    assert machine.calls() == ["cancel", "kill"]


async def test_a_kill_overtakes_the_copy_of_an_image_which_goes_on(machine: FakeMachine) -> None:
    machine.plan("look", "waits")
    reached, go = machine.pipes()
    starting = asyncio.create_task(machine.start())
    await asyncio.to_thread(reached.read_text)
    async with asyncio.timeout(AT_ONCE):
        assert await machine.runtime.kill("alice") is None
        with pytest.raises(AbortedError):
            await starting
    assert "start" not in machine.calls()
    again = asyncio.create_task(machine.start())
    await asyncio.sleep(0.1)
    assert "start" not in machine.calls(), "the next start waits for the copy"
    await asyncio.to_thread(go.write_text, "on\n")
    await again
    assert machine.calls().count("start") == 1


async def test_a_start_that_waits_its_turn_is_overtaken_too(machine: FakeMachine) -> None:
    machine.plan("start", "boots")
    first = await begun(machine, state="activating")
    second = asyncio.create_task(machine.start())
    await asyncio.sleep(0)
    async with asyncio.timeout(AT_ONCE):
        await machine.runtime.kill("alice")
        for starting in (first, second):
            with pytest.raises(AbortedError):
                await starting
    assert machine.calls().count("start") == 1


async def test_a_boot_that_cannot_be_ended_is_an_error(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_stop, "KILL_SECONDS", 0.3)
    machine.plan("start", "boots")
    machine.plan("kill", *["lies"] * 100)
    starting = await begun(machine, state="activating")
    with pytest.raises(FailedError, match=r"could not be ended.*activating.*systemctl status"):
        await machine.runtime.kill("alice")
    with pytest.raises(AbortedError):
        await starting


async def test_a_kill_of_what_runs_cancels_no_start(machine: FakeMachine) -> None:
    ends = await machine.start()
    ended = await machine.runtime.kill("alice")
    assert ends.received == [ended]
    assert machine.calls() == ["start", "kill"]


async def test_a_cancellation_by_others_is_no_kill() -> None:
    container = Container("alice", "h-alice", "u")

    async def bring_up() -> None:
        async with container.bringing_up(asyncio.Lock()):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(bring_up())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert container.coming_up is None
