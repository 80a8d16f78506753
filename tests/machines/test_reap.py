"""Killing the processes that outlive an agent, and no others."""

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hive.machines.process.procfs import Process, ProcFs, Traces
from hive.machines.process.reap import describe, kill_marked

MARK = f"HIVE_RUN=test-{os.getpid()}"

Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a shell script that prints a line when it is ready; it is ended after the test."""
    processes: list[subprocess.Popen[str]] = []

    def spawn(script: str, *, marked: bool = True) -> subprocess.Popen[str]:
        name, _, value = MARK.partition("=")
        process = subprocess.Popen(
            ("sh", "-c", script),
            env={**os.environ, **({name: value} if marked else {})},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        assert process.stdout
        process.stdout.readline()
        return process

    yield spawn
    for process in processes:
        process.kill()
        process.communicate()


def test_only_marked_processes_are_killed_and_described(spawn: Spawn) -> None:
    marked = spawn("echo; exec sleep 1000")
    stranger = spawn("echo; exec sleep 1000", marked=False)
    while Path(f"/proc/{marked.pid}/comm").read_text() != "sleep\n":
        pass  # it is the shell until then
    fd = os.pidfd_open(marked.pid)
    killed = kill_marked(ProcFs(), Traces(MARK))
    assert select.select([fd], [], [], 0)[0]
    os.close(fd)
    assert [process.pid for process in killed] == [marked.pid]
    assert describe(killed) == f"killed what outlived the agent: sleep ({marked.pid})"
    assert stranger.poll() is None


def test_members_of_the_session_are_killed_without_a_mark(spawn: Spawn) -> None:
    is_sleep = "grep -qs sleep /proc/$!/comm"
    process = spawn(f"sleep 1000 & until {is_sleep}; do :; done; echo; wait", marked=False)
    killed = kill_marked(ProcFs(), Traces(MARK, process.pid))
    assert sorted(p.command for p in killed) == ["sh", "sleep"]


def test_a_process_with_an_empty_environment_is_found_by_its_output(
    spawn: Spawn, tmp_path: Path
) -> None:
    log = tmp_path / "output.log"
    script = f"echo; env -i setsid sh -c 'echo \\$\\$; exec sleep 1000' >{log} 2>&1 </dev/null &"
    spawn(script.replace("\\", ""))
    while not log.exists() or not log.read_text().endswith("\n"):
        pass
    pid, found = int(log.read_text()), log.stat()
    assert kill_marked(ProcFs(), Traces(MARK)) == ()
    assert kill_marked(ProcFs(), Traces(MARK, output=(found.st_dev, found.st_ino + 1))) == ()
    killed = kill_marked(ProcFs(), Traces(MARK, output=(found.st_dev, found.st_ino)))
    assert [process.pid for process in killed] == [pid]


def test_processes_that_are_forked_meanwhile_are_killed_too(spawn: Spawn) -> None:
    spawn("echo; while :; do setsid sleep 1000 & done")
    killed = kill_marked(ProcFs(), Traces(MARK))
    assert killed
    assert list(ProcFs().marked(MARK)) == []


def test_without_marked_processes_nothing_is_killed(spawn: Spawn) -> None:
    spawn("echo; exec sleep 1000", marked=False)
    assert kill_marked(ProcFs(), Traces(MARK)) == ()


def test_a_process_that_reuses_a_pid_meanwhile_is_not_killed(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = spawn("echo; exec sleep 1000", marked=False)
    procfs = ProcFs()
    rounds = iter([[Process(stranger.pid, "agent", False, 1, start_ticks=1)], []])
    monkeypatch.setattr(procfs, "search", lambda runs: [next(rounds)])
    kill_marked(procfs, Traces(MARK))
    assert stranger.poll() is None
