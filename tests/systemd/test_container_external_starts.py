"""Starts by other programs are found by signals and by polling; a second restarter is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.machines.systemd.restarter_check import OtherRestarterError, RestarterCheck
from hive.machines.systemd.unit_state import Active, UnitState
from hive.machines.systemd.unwatched import agent_of, up_and_unwatched
from hive.restarters import Restarter
from tests.machines.labs import Ends
from tests.systemd.fake_machine import FakeMachine, opened


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    async with opened(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("systemd-nspawn@h-alice.service", "alice"),
        ("container@h-alice.service", "alice"),
        ("h-alice", "alice"),
        ("hm1nd", "hm1nd"),
        ("container@hm1nd.service", "hm1nd"),
        ("damocles", None),
        ("container@damocles.service", None),
        ("h-", None),
        ("h-Alice", None),
        ("h-waytoolongname", None),
        ("dbus.service", None),
        ("", None),
    ],
)
def test_the_agent_of_a_unit_or_a_machine(name: str, agent: str | None) -> None:
    assert agent_of(name) == agent


@pytest.mark.parametrize("active", Active)
def test_only_what_is_up_and_not_watched_is_looked_at(active: Active) -> None:
    units = [UnitState(id="a", active=active), UnitState(id="b", active=active)]
    assert up_and_unwatched(units, ["a"]) == (["b"] if active.up else [])


class Found:
    """Collects the agents whose container was found."""

    def __init__(self) -> None:
        self.names: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, name: str) -> None:
        await self.names.put(name)


async def test_a_start_by_others_is_reported(machine: FakeMachine) -> None:
    machine.runtime._unwatched.on_start = found = Found()
    machine.set(state="active", invocation="theirs")
    async with asyncio.timeout(10):
        assert await found.names.get() == "alice"


async def test_a_signal_alone_is_enough(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.runtime._unwatched.on_start = found = Found()
    for task in machine.runtime._background:
        task.cancel()
    machine.set(state="active", invocation="theirs")
    machine.runtime._on_change("damocles")
    machine.runtime._on_change("systemd-nspawn@h-alice.service")
    async with asyncio.timeout(10):
        assert await found.names.get() == "alice"
    assert found.names.empty()


async def test_what_this_runtime_starts_is_not_reported(machine: FakeMachine) -> None:
    machine.runtime._unwatched.on_start = found = Found()
    machine.plan("start", "waits")
    reached, go = machine.pipes()
    starting = asyncio.create_task(machine.start())
    await asyncio.to_thread(reached.read_text)
    machine.runtime._on_change("h-alice")
    await asyncio.to_thread(go.write_text, "on\n")
    await starting
    while machine.runtime._unwatched._looks:
        await asyncio.wait(machine.runtime._unwatched._looks)
    machine.runtime._on_change("h-alice")
    assert not machine.runtime._unwatched._looks, "it is watched"
    assert found.names.empty()


async def test_a_look_that_fails_is_repeated_by_the_next_change(machine: FakeMachine) -> None:
    machine.runtime._unwatched.on_start = found = Found()
    for task in machine.runtime._background:
        task.cancel()
    machine.set(state="active", invocation="theirs")
    machine.plan("show", "garbage")
    machine.runtime._on_change("h-alice")
    [look] = machine.runtime._unwatched._looks
    await asyncio.wait([look])
    assert found.names.empty()
    machine.runtime._on_change("h-alice")
    async with asyncio.timeout(10):
        assert await found.names.get() == "alice"


async def test_an_agent_with_another_restarter_is_not_started(machine: FakeMachine) -> None:
    machine.set(restart="always")
    with pytest.raises(OtherRestarterError, match=r"alice is not started.*Restart=always"):
        await machine.start()
    assert machine.calls() == []
    machine.set(restart="no")
    await machine.start()
    assert machine.calls() == ["start"]


async def test_a_stop_keeps_systemd_from_a_restart(machine: FakeMachine) -> None:
    await machine.start()
    machine.set(restart="always")
    await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "cancel", "poweroff"]


async def test_a_container_that_runs_is_adopted_whatever_restarts_it(machine: FakeMachine) -> None:
    machine.set(state="active", invocation="theirs", restart="always")
    running = await machine.runtime.ensure_running(machine.spec, Ends())
    assert running.adopted


async def test_the_former_drop_in_is_removed(machine: FakeMachine) -> None:
    drop_in = machine.runtime._places.drop_in("systemd-nspawn@h-alice.service")
    former = machine.runtime._places.former_drop_in("systemd-nspawn@h-alice.service")
    drop_in.parent.mkdir(parents=True)
    former.write_text("# Written by hive-c0re, and again before each start.\n")
    await machine.start()
    assert sorted(path.name for path in drop_in.parent.iterdir()) == ["zz-hyperhive.conf"]
    former.write_text("[Service]\nNice=7\n")
    await machine.runtime.stop("alice", deadline=600)
    await machine.start()
    assert former.exists(), "it is not ours"


async def test_an_external_restart_says_what_restarted_it(machine: FakeMachine) -> None:
    reported: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    machine.runtime.on_external_restart = lambda restart: reported.set_result(restart.reason)
    await machine.start()
    machine.set(invocation="another", restart="always")
    assert "systemd restarted it" in await reported
    assert "Restart=always" in reported.result()


async def test_a_restart_without_a_known_restarter_says_where_to_look(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(check: RestarterCheck, unit: str) -> tuple[Restarter, ...]:
        raise FailedError("systemd does not answer")

    reported: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    machine.runtime.on_external_restart = lambda restart: reported.set_result(restart.reason)
    await machine.start()
    monkeypatch.setattr(RestarterCheck, "find", no_answer)
    machine.set(invocation="another")
    assert "another program restarted it; 'journalctl -u systemd-nspawn@h-alice" in await reported


async def test_no_look_outlives_the_runtime(machine: FakeMachine) -> None:
    async def hang(name: str) -> None:
        await asyncio.get_running_loop().create_future()

    machine.runtime._unwatched.on_start = hang
    machine.set(state="active", invocation="theirs")
    machine.runtime._on_change("h-alice")
    [look] = machine.runtime._unwatched._looks
    await machine.runtime.close()
    assert look.cancelled()


async def test_a_check_without_an_answer_starts_nothing(machine: FakeMachine) -> None:
    for task in machine.runtime._background:
        task.cancel()
    machine.plan("show", "garbage")
    with pytest.raises(FailedError, match="says nothing about u"):
        await machine.runtime._restarters.require_none("alice", "u")
