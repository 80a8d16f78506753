"""Tools that lie, hang and babble: each of these is a real report about the real tools.

See systemd#40282 (two terminates), nixpkgs#43652 ("already exists"), nixpkgs#144164 (hangs).
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.exits import Exited, Signaled
from hive.machines.runtime import MachineSpec
from hive.machines.systemd import containers, machinectl, starting, states
from hive.machines.systemd.containers import ContainerRuntime
from hive.machines.systemd.files import Places
from hive.machines.systemd.hearing import Polling
from hive.paths import Paths
from tests.machines.labs import Ends

TOOL = Path(__file__).parent / "fakes/tool"
DEADLINE = 4.0
"""A little of it is for the polite request, and most for the two others, so that even a busy
machine sees their effect in time."""


class FakeMachine:
    """A runtime over the tools on PATH, which are all fakes, and what they were asked for."""

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
        """Change what the fakes show."""
        for name, value in values.items():
            (self._root / name).write_text(value)

    def plan(self, verb: str, *behaviours: str) -> None:
        """Say how the next calls of a verb go."""
        (self._root / f"plan-{verb}").write_text("".join(f"{line}\n" for line in behaviours))

    def calls(self) -> list[str]:
        """Return what was asked for, apart from reloads."""
        calls = (self._root / "calls").read_text().split()
        return [call for call in calls if call != "daemon-reload"]

    async def start(self) -> Ends:
        ends = Ends()
        await self.runtime.start(self.spec, ends)
        return ends


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeMachine]:
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("machinectl", "systemctl", "journalctl", "systemd-run", "systemd-nspawn"):
        (bin_dir / name).symlink_to(TOOL)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(tmp_path / "fake"))
    monkeypatch.setattr(containers, "_BOOTED", tmp_path)
    monkeypatch.setattr(containers, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(states, "TERMINATE_SHARE", 0.45)
    monkeypatch.setattr(starting, "RETRY_DELAYS", (0.01, 0.02))
    machine = FakeMachine(tmp_path)
    await machine.runtime.open()
    yield machine
    await machine.runtime.close()


async def test_it_says_that_it_only_polls(machine: FakeMachine) -> None:
    assert isinstance(machine.runtime.hearing, Polling)


async def test_well_behaved_tools_are_asked_once(machine: FakeMachine) -> None:
    ends = await machine.start()
    ended = await machine.runtime.stop("alice", deadline=600)
    assert ended is not None
    assert (ended.how, ended.last_lines) == (Exited(0), ("last words",))
    assert ends.told == [ended]
    assert machine.calls() == ["start", "poweroff"]


async def test_done_while_it_still_runs(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "lies")
    assert await machine.runtime.stop("alice", deadline=DEADLINE)
    assert machine.calls() == ["start", "poweroff", "terminate"]


async def test_one_terminate_is_not_enough(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "lies")
    machine.plan("terminate", "lies")
    assert await machine.runtime.stop("alice", deadline=DEADLINE)
    assert machine.calls() == ["start", "poweroff", "terminate", "terminate"]


async def test_nothing_helps_but_a_kill(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("poweroff", "lies")
    machine.plan("terminate", "lies", "lies")
    ended = await machine.runtime.stop("alice", deadline=DEADLINE)
    assert ended is not None
    assert ended.how == Signaled(9)
    assert ends.told == [ended]
    assert machine.calls() == ["start", "poweroff", "terminate", "terminate", "kill"]


async def test_a_refused_request_is_not_waited_for(machine: FakeMachine) -> None:
    await machine.start()
    machine.plan("poweroff", "refused")
    async with asyncio.timeout(30):
        assert await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "poweroff", "terminate"]


async def test_not_even_a_kill_helps(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("kill", *["refused"] * 2)
    with pytest.raises(FailedError, match=r"alice could not be ended.*systemctl status"):
        await machine.runtime.kill("alice")
    assert ends.told == []
    assert await machine.runtime.kill("alice") is ends.told[0]


@pytest.mark.parametrize("words", ["exists", "busy"])
async def test_the_last_container_is_in_the_way(machine: FakeMachine, words: str) -> None:
    machine.plan("start", words, words)
    await machine.start()
    assert machine.calls() == ["start"] * 3


async def test_the_last_container_stays_in_the_way(machine: FakeMachine) -> None:
    machine.plan("start", *["exists"] * 3)
    with pytest.raises(FailedError, match=r"alice could not be started.*already exists"):
        await machine.start()
    assert machine.calls() == ["start"] * 3


async def test_another_refusal_is_not_tried_again(machine: FakeMachine) -> None:
    machine.plan("start", "refused")
    with pytest.raises(FailedError, match="Access denied"):
        await machine.start()
    assert machine.calls() == ["start"]


async def test_done_while_nothing_runs(machine: FakeMachine) -> None:
    machine.runtime._starter = starting.Starter(
        machine.runtime._host, machine.runtime._journal, belief=0.1
    )
    machine.plan("start", "lies")
    with pytest.raises(FailedError, match="status 0, but it does not run"):
        await machine.start()


async def test_a_start_that_hangs_after_its_work_is_not_waited_for(machine: FakeMachine) -> None:
    machine.plan("start", "late")
    async with asyncio.timeout(30):
        await machine.start()
    assert await machine.runtime.running() == ("alice",)


async def test_a_start_that_hangs_is_given_up(machine: FakeMachine) -> None:
    machine.runtime._starter = starting.Starter(
        machine.runtime._host, machine.runtime._journal, seconds=0.3
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


async def test_babble_around_an_effect_does_not_matter(machine: FakeMachine) -> None:
    machine.plan("start", "garbage")
    machine.plan("poweroff", "garbage")
    await machine.start()
    assert await machine.runtime.stop("alice", deadline=600)
    assert machine.calls() == ["start", "poweroff"]


async def test_babble_in_place_of_a_state_is_no_end(machine: FakeMachine) -> None:
    ends = await machine.start()
    machine.plan("show", "garbage", "garbage", "garbage")
    with pytest.raises(FailedError, match="no state of a unit"):
        await machine.runtime.running()
    while (machine._root / "plan-show").read_text():
        machine.runtime._hint("")
        await asyncio.sleep(0)
    assert ends.told == []
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)


async def test_a_restart_by_somebody_else_is_reported_and_is_no_end(machine: FakeMachine) -> None:
    told: asyncio.Future[containers.ExternalRestart] = asyncio.get_running_loop().create_future()
    machine.runtime.on_external_restart = told.set_result
    ends = await machine.start()
    machine.set(invocation="another")
    restart = await told
    assert (restart.name, restart.now.instance) == ("alice", "another")
    assert restart.before.instance != "another"
    machine.set(state="failed")
    assert (await ends.first()).how == Signaled(9)
    assert len(ends.told) == 1
