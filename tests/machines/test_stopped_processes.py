"""SIGSTOP for whole agents, by the kernel's word: all processes of a run stop, and go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from hive.exits import Signaled
from hive.machines.process import stopped_processes
from hive.machines.process.procfs import Process, ProcFs, Traces
from hive.machines.process.stopped_processes import describe, stop_all
from tests.machines.labs import ProcessLab

FORKING = """
import os, sys, time
reads, writes = os.pipe()
for number in range(3):
    if not os.fork():
        if number:
            os.setsid()
        os.write(writes, b".")
        while True:
            time.sleep(0.001)
            if not os.fork():
                time.sleep(0.01)
                os._exit(0)
            os.waitpid(-1, 0)
for number in range(3):
    os.read(reads, 1)
open(os.environ["READY"], "w").write("ready")
while True:
    sum(range(1000))
"""
"""Children in the agent's session and out of it, which fork all the time."""


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ProcessLab]:
    lab = ProcessLab(tmp_path)
    await lab.runtime.open()
    yield lab
    for name in await lab.runtime.running():
        await lab.runtime.kill(name)
    await lab.runtime.close()


def processes(lab: ProcessLab, name: str = "alice") -> list[Process]:
    runs = lab.runtime._runs_of([lab.runtime._processes[name].handle])
    return stopped_processes.processes_of(ProcFs(), runs)[name]


async def states(lab: ProcessLab, name: str = "alice") -> set[bool]:
    found = await asyncio.to_thread(processes, lab, name)
    assert found
    return {process.stopped for process in found}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.01)


async def test_all_processes_of_an_agent_stop_and_go_on(lab: ProcessLab) -> None:
    await lab.start(lab.command(("python3", "-c", FORKING)))
    await lab.read()
    leader = lab.runtime._processes["alice"].handle.pid
    assert await lab.runtime.freeze(["alice"]) == {}
    found = await asyncio.to_thread(processes, lab)
    assert {process.stopped for process in found} == {True}
    assert len({process.session for process in found}) == 3, "two of them left the session"
    assert (await asyncio.to_thread(Path(f"/proc/{leader}/stat").read_text)).split()[2] == "T"
    assert await lab.runtime.freeze(["alice"]) == {}, "a second time changes nothing"
    assert await lab.runtime.thaw(["alice"]) == {}
    await until(lambda: not any(process.stopped for process in processes(lab)))


async def test_agents_are_stopped_together_and_apart(lab: ProcessLab) -> None:
    for name in ("alice", "bob", "carol"):
        await lab.start(lab.script("echo $$ > $READY; exec sleep 1000", name))
        await lab.read()
    assert await lab.runtime.freeze(["alice", "bob", "nobody"]) == {}
    assert [await states(lab, name) for name in ("alice", "bob", "carol")] == [
        {True},
        {True},
        {False},
    ]
    await lab.runtime.thaw(["bob"])
    await until(lambda: not processes(lab, "bob")[0].stopped)
    assert await states(lab) == {True}


async def test_a_stopped_agent_can_be_killed(lab: ProcessLab) -> None:
    ends = await lab.start(lab.command(("python3", "-c", FORKING)))
    await lab.read()
    await lab.runtime.freeze(["alice"])
    found = await asyncio.to_thread(processes, lab)
    await lab.runtime.kill("alice")
    assert (await ends.first()).how == Signaled(signal.SIGKILL)
    await until(lambda: not any(ProcFs().living(each.pid, each.start_ticks) for each in found))


async def test_the_next_runtime_finds_a_stopped_agent_and_lets_it_go_on(lab: ProcessLab) -> None:
    spec = lab.script("echo $$ > $READY; exec sleep 1000")
    await lab.start(spec)
    await lab.read()
    await lab.runtime.freeze(["alice"])
    await lab.runtime.close()
    lab.runtime = lab.another_runtime()
    await lab.runtime.open()
    assert (await lab.runtime.ensure_running(spec, lambda ended: None)).adopted
    assert await states(lab) == {True}
    await lab.runtime.thaw(["alice"])
    await until(lambda: not processes(lab)[0].stopped)


class Stubborn(ProcFs):
    """A process table with one process that never stops."""

    def search(self, runs: Sequence[Traces]) -> list[list[Process]]:
        return [[Process(os.getpid(), "sleeper", False, 77, 1)] for _ in runs]


def test_what_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped_processes, "STOP_SECONDS", 0.02)
    began = time.monotonic()
    [(name, left)] = stop_all(Stubborn(), {"alice": Traces("HIVE_RUN=1", 77)}).items()
    assert time.monotonic() - began < 5
    assert (name, describe(left)) == (
        "alice",
        f"these processes did not stop within 0.02 s: sleeper ({os.getpid()})",
    )
