"""Programs with pipes: their start, their input and outputs, and their end, on each loop."""

import asyncio
import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from hive.piped_programs import STDOUT, started
from hive.subprocesses import NO_PROGRAM, run_command

PATIENT = 30.0


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "sh", *arguments)


class Collected:
    """Collects an output."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = 0

    def feed_data(self, data: bytes) -> None:
        self.data += data

    def feed_eof(self) -> None:
        self.ended += 1


def own_children() -> set[int]:
    """Return the processes that this one has started, collected or not."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


async def test_input_of_any_size_is_written_and_all_output_read() -> None:
    output, given = Collected(), os.urandom(3 << 20)
    async with started(("cat",), {STDOUT: output}, stdin=subprocess.PIPE) as process:
        process.write_input(given)
        await process.closed.wait()
    assert (output.data, output.ended, process.status) == (given, 1, 0)


async def test_a_paused_output_stays_in_the_pipe() -> None:
    output = Collected()
    async with started(shell("head -c 1000000 /dev/zero"), {STDOUT: output}) as process:
        process.outputs[STDOUT].pause_reading()
        await asyncio.sleep(0.1)
        before = len(output.data)
        assert not process.exited.is_set(), "the program waits for room in the pipe"
        process.outputs[STDOUT].resume_reading()
        await process.closed.wait()
    assert before < len(output.data) == 1_000_000


async def test_the_end_of_an_output_is_passed_on_also_if_another_process_has_it_open() -> None:
    output = Collected()
    script = "exec 2>/dev/null; setsid sleep 90 & echo $!"
    async with started(shell(script), {STDOUT: output}) as process:
        await process.exited.wait()
        assert not process.closed.is_set()
    assert (output.ended, process.closed.is_set()) == (1, True)
    os.kill(int(output.data), signal.SIGKILL)


@pytest.mark.parametrize("turns", range(8))
async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path, turns: int) -> None:
    async def hold() -> None:
        async with started(shell("echo $$ > $1; exec sleep 90", str(tmp_path / "pid")), {}):
            await asyncio.Event().wait()

    children = await asyncio.to_thread(own_children)
    task = asyncio.create_task(hold())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await asyncio.to_thread(own_children) <= children


async def test_a_program_that_cannot_be_watched_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    children = await asyncio.to_thread(own_children)
    monkeypatch.setattr("hive.piped_programs.os.pidfd_open", refuse)
    outcome = await run_command(("sleep", "90"), deadline=PATIENT)
    assert outcome.status == NO_PROGRAM
    assert "too many open files" in outcome.err
    assert await asyncio.to_thread(own_children) <= children


async def test_a_start_that_fails_halfway_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pipe: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    children = await asyncio.to_thread(own_children)
    descriptors = await asyncio.to_thread(os.listdir, "/proc/self/fd")
    monkeypatch.setattr("hive.piped_programs.OutputPipe.resume_reading", refuse)
    outcome = await run_command(("sleep", "90"), deadline=PATIENT)
    monkeypatch.undo()
    assert "too many open files" in outcome.err
    assert await asyncio.to_thread(own_children) <= children
    assert len(await asyncio.to_thread(os.listdir, "/proc/self/fd")) <= len(descriptors)


async def test_input_that_is_not_read_does_not_keep_a_program_open() -> None:
    unread = b"x" * (1 << 20)
    async with started(shell("exit 3"), {}, stdin=subprocess.PIPE) as process:
        process.write_input(unread)
        await process.closed.wait()
        assert process.status == 3


async def test_a_process_that_left_the_session_does_not_keep_a_program_open(
    tmp_path: Path,
) -> None:
    pid = tmp_path / "pid"
    argv = shell("setsid sh -c 'echo $$ > $0; exec sleep 90' $1 <&0 & wait", str(pid))
    async with started(argv, {}, stdin=subprocess.PIPE) as process:
        process.write_input(b"x" * (1 << 20))
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0.01)
    os.kill(int(pid.read_text()), signal.SIGKILL)
