"""Tools that report false success, hang, or print garbage, each as reported of the real tools.

See systemd#40282 (two terminates), nixpkgs#43652 ("already exists"), nixpkgs#144164 (hangs).
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.exits import Exited, Signaled
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import container_runtime, machinectl, start_stop, transitions
from hive.machines.systemd.container_runtime import ContainerRuntime
from hive.machines.systemd.event_source import Polling
from hive.machines.systemd.generated_files import Places
from hive.paths import Paths
from tests.machines.labs import Ends

TOOL = Path(__file__).parent / "fakes/tool"
DEADLINE = 4.0
"""Seconds; a small part is for the poweroff and most for the two terminates, so that even a busy
machine sees their effect in time."""


class FakeMachine:
    """A runtime over the tools on PATH, which are all fakes that record their calls."""

    def __init__(self, root: Path) -> None:
        self._root = root / "fake"
        self._root.mkdir()
        paths = Paths(root / "run", root / "state")
        places = Places.below(paths.run_dir, root / "systemd")
        self.runtime: ContainerRuntime = machinectl.runtime(paths, places=places, listen=False)
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
            (self._root / name).write_text(value)

    def plan(self, verb: str, *behaviours: str) -> None:
        """Set the behaviour of the next calls of a verb."""
        (self._root / f"plan-{verb}").write_text("".join(f"{line}\n" for line in behaviours))

    def calls(self) -> list[str]:
        """Return the recorded calls, apart from reloads and queries."""
        calls = (self._root / "calls").read_text().split()
        return [call for call in calls if call not in {"daemon-reload", "look"}]

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


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("machinectl", "systemctl", "journalctl", "systemd-run", "systemd-nspawn"):
        (bin_dir / name).symlink_to(TOOL)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(tmp_path / "fake"))
    monkeypatch.setattr(container_runtime, "_BOOTED", tmp_path)
    monkeypatch.setattr(container_runtime, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(transitions, "TERMINATE_SHARE", 0.45)
    monkeypatch.setattr(start_stop, "RETRY_DELAYS", (0.01, 0.02))
    machine = FakeMachine(tmp_path)
    await machine.runtime.open()
    yield machine
    await machine.runtime.close()


async def test_without_a_bus_the_event_source_is_polling(machine: FakeMachine) -> None:
    assert isinstance(machine.runtime.event_source, Polling)


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
        machine.runtime._systemd, machine.runtime._journal, seconds=0.3
    )
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
    reported: asyncio.Future[container_runtime.ExternalRestart] = (
        asyncio.get_running_loop().create_future()
    )
    machine.runtime.on_external_restart = reported.set_result
    ends = await machine.start()
    machine.set(invocation="another")
    restart = await reported
    assert (restart.name, restart.now.instance) == ("alice", "another")
    assert restart.before.instance != "another"
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)
    assert len(ends.received) == 1
