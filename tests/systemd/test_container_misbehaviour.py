"""Tools that report false success, hang, or print garbage, each as reported of the real tools.

See systemd#40282 (two terminates), nixpkgs#43652 ("already exists"), nixpkgs#144164 (hangs).
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.exits import Exited, Signaled
from hive.extras import how_to_install
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import start_stop
from hive.machines.systemd.event_source import Polling
from hive.machines.systemd.external_restart import ExternalRestart
from hive.machines.systemd.machinectl import Machinectl
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.unit_state import Active, ContainerState
from tests.machines.labs import Ends
from tests.systemd.fake_machine import FakeMachine, opened

DEADLINE = 4.0
"""Seconds; a small part is for the poweroff and most for the two terminates, so that even a busy
machine sees their effect in time."""


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    async with opened(tmp_path, monkeypatch) as made:
        yield made


async def test_without_a_bus_the_event_source_is_polling(machine: FakeMachine) -> None:
    assert isinstance(machine.runtime.event_source, Polling)


async def test_without_the_library_the_event_source_says_how_to_add_it(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hive.machines.systemd.dbus", None)
    monkeypatch.delattr("hive.machines.systemd.dbus", raising=False)
    machine.runtime._listen = True
    await machine.runtime._subscribe()
    command = await asyncio.to_thread(how_to_install, "systemd")
    assert str(machine.runtime.event_source).endswith(f"; add the extra: {command}")


async def test_a_tool_that_works_is_called_once(machine: FakeMachine) -> None:
    ends = await machine.start()
    ended = await machine.runtime.stop("alice", deadline=600)
    assert ended is not None
    assert (ended.how, ended.last_lines) == (Exited(0), ("last words",))
    assert ends.received == [ended]
    assert machine.calls() == ["start", "poweroff"]


def files_with(word: bytes, root: Path) -> list[Path]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return [path for path in files if word in path.read_bytes()]


async def test_other_users_cannot_read_the_variables_of_an_agent(
    machine: FakeMachine, tmp_path: Path
) -> None:
    machine.spec = evolve(machine.spec, environment={"TOKEN": "a-secret-word"})
    await machine.start()
    secret = await asyncio.to_thread(files_with, b"a-secret-word", tmp_path)
    assert [path.name for path in secret] == ["hive-agent.service"]
    for path in secret:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    await machine.runtime.stop("alice", deadline=600)


async def test_a_poweroff_without_effect_is_followed_by_terminate(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "lies")
    assert await machine.runtime.stop("alice", deadline=DEADLINE)
    assert machine.calls() == ["start", "poweroff", "terminate"]


async def test_a_terminate_without_effect_is_repeated(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "lies")
    machine.plan("terminate", "lies")
    assert await machine.runtime.stop("alice", deadline=DEADLINE)
    assert machine.calls() == ["start", "poweroff", "terminate", "terminate"]


async def test_two_terminates_without_effect_are_followed_by_a_kill(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("poweroff", "lies")
    machine.plan("terminate", "lies", "lies")
    ended = await machine.runtime.stop("alice", deadline=DEADLINE)
    assert ended is not None
    assert ended.how == Signaled(9)
    assert ends.received == [ended]
    assert machine.calls() == ["start", "poweroff", "terminate", "terminate", "kill"]


async def test_a_refused_request_is_not_waited_for(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "refused")
    async with asyncio.timeout(30):
        assert await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "poweroff", "terminate"]


async def test_a_kill_without_effect_is_an_error_and_can_be_repeated(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("kill", *["refused"] * 2)
    with pytest.raises(FailedError, match=r"alice could not be ended.*systemctl status"):
        await machine.runtime.kill("alice")
    assert ends.received == []
    assert await machine.runtime.kill("alice") is ends.received[0]


@pytest.mark.parametrize("words", ["exists", "busy"])
async def test_a_start_is_repeated_while_the_last_container_exists(
    machine: FakeMachine, words: str
) -> None:
    machine.plan("start", words, words)
    await machine.start()
    assert machine.calls() == ["start"] * 3


async def test_a_start_fails_if_the_last_container_still_exists(machine: FakeMachine) -> None:
    machine.plan("start", *["exists"] * 3)
    with pytest.raises(FailedError, match=r"alice could not be started.*already exists"):
        await machine.start()
    assert machine.calls() == ["start"] * 3


async def test_a_start_is_not_repeated_after_another_refusal(machine: FakeMachine) -> None:
    machine.plan("start", "refused")
    with pytest.raises(FailedError, match="Access denied"):
        await machine.start()
    assert machine.calls() == ["start"]


async def test_a_start_that_is_withdrawn_while_the_container_is_made_starts_nothing(
    machine: FakeMachine,
) -> None:
    machine.plan("look", "waits")
    reached, go = machine.pipes()
    start = asyncio.create_task(machine.start())
    await asyncio.to_thread(reached.read_text)
    start.cancel()
    await asyncio.wait([start])
    assert start.cancelled()
    await asyncio.to_thread(go.write_text, "on\n")
    assert await machine.runtime.stop("alice", deadline=DEADLINE) is None
    assert machine.calls() == []
    await machine.start()
    assert machine.calls() == ["start"]


async def test_a_start_that_is_cancelled_after_its_request_is_finished_and_watched(
    machine: FakeMachine,
) -> None:
    machine.plan("start", "waits")
    reached, go = machine.pipes()
    ends = Ends()
    start = asyncio.create_task(machine.runtime.ensure_running(machine.spec, ends))
    await asyncio.to_thread(reached.read_text)
    start.cancel()
    await asyncio.wait([start])
    await asyncio.to_thread(go.write_text, "on\n")
    ended = await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "poweroff"]
    assert ends.received == [ended]


async def test_a_running_container_is_adopted_and_not_started(machine: FakeMachine) -> None:
    machine.set(state="active", invocation="other")
    first = await machine.runtime.ensure_running(machine.spec, Ends())
    assert (first.adopted, first.instance) == (True, "other")
    ends = Ends()
    second = await machine.runtime.ensure_running(machine.spec, ends)
    assert (second.adopted, second.instance) == (True, "other")
    ended = await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["poweroff"]
    assert ends.received == [ended]


async def test_a_container_that_ends_while_it_is_adopted_is_reported_to_its_new_watcher(
    machine: FakeMachine,
) -> None:
    machine.set(state="active", invocation="other")
    reached, go = machine.pipes()
    machine.plan("daemon-reload", "waits")
    ends = Ends()
    adopting = asyncio.create_task(machine.runtime.adopt(machine.spec, ends))
    await asyncio.to_thread(reached.read_text)
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)
    await asyncio.to_thread(go.write_text, "on\n")
    await adopting
    assert len(ends.received) == 1


async def test_a_start_without_effect_is_an_error(machine: FakeMachine) -> None:
    machine.runtime._starter = start_stop.ContainerStarter(
        machine.runtime._systemd, machine.runtime._journal, settle=0.1
    )
    machine.plan("start", "lies")
    with pytest.raises(FailedError, match="status 0, but it does not run"):
        await machine.start()


async def test_a_start_that_hangs_after_its_work_is_not_waited_for(machine: FakeMachine) -> None:
    machine.plan("start", "late")
    async with asyncio.timeout(30):
        await machine.start()
    assert await machine.runtime.running() == ("alice",)


async def test_a_start_that_hangs_without_effect_is_an_error(machine: FakeMachine) -> None:
    machine.runtime._starter = start_stop.ContainerStarter(
        machine.runtime._systemd, machine.runtime._journal, margin=0.2
    )
    machine.spec = evolve(machine.spec, start_timeout=0.1)
    machine.plan("start", "hangs")
    with pytest.raises(FailedError, match="alice could not be started"):
        await machine.start()


async def test_a_stop_that_hangs_is_escalated(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "hangs")
    machine.plan("terminate", "hangs", "late")
    async with asyncio.timeout(30):
        assert await machine.runtime.stop("alice", deadline=DEADLINE)
    assert machine.calls() == ["start", "poweroff", "terminate", "terminate"]


async def test_unexpected_output_of_a_tool_with_effect_is_ignored(machine: FakeMachine) -> None:
    machine.plan("start", "garbage")
    machine.plan("poweroff", "garbage")
    await machine.start()
    assert await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "poweroff"]


async def test_unexpected_output_in_place_of_a_state_is_no_exit(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("show", "garbage", "garbage", "garbage")
    with pytest.raises(FailedError, match="not a unit state"):
        await machine.runtime.running()
    while (machine._root / "plan-show").read_text():
        machine.runtime._on_change("")
        await asyncio.sleep(0)
    assert ends.received == []
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)


async def test_an_external_restart_is_reported_and_is_no_exit(machine: FakeMachine) -> None:
    reported: asyncio.Future[ExternalRestart] = asyncio.get_running_loop().create_future()
    machine.runtime.on_external_restart = reported.set_result
    ends = await machine.start()
    machine.set(invocation="another")
    restart = await reported
    assert (restart.name, restart.now.instance) == ("alice", "another")
    assert restart.before.instance != "another"
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)
    assert len(ends.received) == 1


async def test_a_container_that_was_there_before_is_left_where_only_what_was_made_is_removed(
    machine: FakeMachine, tmp_path: Path
) -> None:
    machine.plan("start", "refused")
    with pytest.raises(FailedError, match="Access denied"):
        await machine.start()
    await machine.runtime.destroy("alice", purge=True, only_made=True)
    assert "remove" not in machine.calls()
    assert not await asyncio.to_thread(files_with, b"/bin/agent", tmp_path / "run")
    assert not await asyncio.to_thread(machine.spec.state_dir.exists)


async def test_a_container_that_was_made_for_a_start_is_removed_with_it(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    async def create(self: Machinectl, spec: MachineSpec) -> bool:
        return True

    async def remove(self: Machinectl, machine: str) -> None:
        removed.append(machine)

    monkeypatch.setattr(Machinectl, "create", create)
    monkeypatch.setattr(Machinectl, "remove", remove)
    machine.plan("start", "refused")
    with pytest.raises(FailedError, match="Access denied"):
        await machine.start()
    for _ in range(2):  # what comes after it was not made here
        await machine.runtime.destroy("alice", purge=False, only_made=True)
    assert removed == ["h-alice"]


async def test_a_reload_that_failed_is_made_up_for_before_the_next_start(
    machine: FakeMachine,
) -> None:
    """systemd would start the container without its limits, and restart it, too."""
    machine.plan("daemon-reload", "refused")
    with pytest.raises(FailedError, match="Access denied"):
        await machine.start()
    await machine.start()
    assert machine.all_calls()[-2:] == ["daemon-reload", "start"]


async def test_a_daemon_that_was_killed_before_its_reload_is_made_up_for_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as machine:
        machine.plan("daemon-reload", "refused")
        with pytest.raises(FailedError, match="Access denied"):
            await machine.start()
        again = machine.next_runtime()
        await again.open()
        for _ in range(2):
            await again.ensure_running(machine.spec, Ends())
            await again.stop("alice", deadline=600)
        await again.close()
        assert machine.all_calls().count("daemon-reload") == 2, "and once is enough"


async def test_a_container_that_others_start_again_is_found_although_it_was_seen_down(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is not over for the watch, so nobody would end the wait for its end."""
    await machine.start()
    systemd = machine.runtime._systemd
    look, down = systemd.container_state, deque([True])

    async def seen(unit: str, name: str) -> ContainerState:
        state = await look(unit, name)
        if not down:
            return state
        down.pop()
        await asyncio.to_thread(machine.set, invocation="77")
        return evolve(state, unit=evolve(state.unit, active=Active.FAILED))

    monkeypatch.setattr(ServiceManager, "container_state", lambda _, *names: seen(*names))
    async with asyncio.timeout(10):
        running = await machine.runtime.adopt(machine.spec, Ends())
    assert running is not None
    assert running.instance == "77"


@pytest.mark.parametrize("looking", ["unit_state", "unit_states"])
async def test_an_unexpected_error_of_a_look_ends_no_watch(
    machine: FakeMachine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    looking: str,
) -> None:
    """Nobody waits for the tasks that look, and without them no end would be heard."""
    ends = await machine.start()
    look, errors = getattr(ServiceManager, looking), deque([RuntimeError("a bug")])

    async def fail_once(systemd: ServiceManager, names: Any) -> Any:
        while errors:
            raise errors.pop()
        return await look(systemd, names)

    monkeypatch.setattr(ServiceManager, looking, fail_once)
    machine.runtime._on_change("")
    while errors:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(machine.set, state="failed")
    async with asyncio.timeout(10):
        assert (await ends.first()).how == Signaled(9)
    assert "a bug" in caplog.text


async def test_an_end_is_reported_although_its_record_cannot_be_removed(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = await machine.start()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    await asyncio.to_thread(machine.set, state="failed")
    async with asyncio.timeout(10):
        assert (await ends.first()).how == Signaled(9)
