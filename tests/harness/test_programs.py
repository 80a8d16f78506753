"""Programs of their own process group: output, limits, and that nothing is left running."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hive.harness import programs
from hive.harness.programs import Cut, Program, Ran, run_program
from tests.harness.support.processes import CapturedOutput, gone


@pytest.fixture
def output(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "output", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def shell(script: str, limit: float = 30.0) -> Program:
    return Program(("/bin/sh", "-c", script), {"PATH": os.environ["PATH"], "WORD": "given"}, limit)


def text(fd: int) -> str:
    return os.pread(fd, 1 << 20, 0).decode()


async def run(script: str, output: int, limit: float = 30.0, stdin: bytes = b"in\n") -> Ran:
    return await run_program(shell(script, limit), stdin=stdin, stdout=output, tee=CapturedOutput())


async def test_a_program_gets_input_and_environment_and_returns_output_and_status(output):
    ran = await run("cat; echo $WORD; exit 3", output)
    assert ran == Ran(3, cut=None, last_lines=())
    assert text(output) == "in\ngiven\n"


async def test_standard_error_is_passed_on_and_its_end_is_retained(output):
    captured = CapturedOutput()
    program = shell("echo one >&2; echo two >&2; kill -SEGV $$")
    ran = await run_program(program, stdin=b"", stdout=output, tee=captured)
    assert ran == Ran(-11, cut=None, last_lines=("one", "two"))
    assert captured.data == b"one\ntwo\n"


async def test_only_the_end_of_a_long_standard_error_is_retained(output):
    ran = await run("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done", output)
    assert ran.last_lines[-1] == "line 2999"
    assert sum(len(line) + 1 for line in ran.last_lines) <= programs.TAIL_BYTES


async def test_a_cancellation_loses_no_line_of_standard_error(output, tmp_path):
    captured, fifo = CapturedOutput(), tmp_path / "fifo"
    os.mkfifo(fifo)
    escaped = f"echo $PPID >&2; read go <{fifo}; echo last words >&2"
    script = f"setsid sh -c '{escaped}' & exec sleep 100"
    running = run_program(shell(script), stdin=b"", stdout=output, tee=captured)
    task = asyncio.ensure_future(running)
    leader = int(await captured.line())
    task.cancel()
    await gone(leader)
    await asyncio.to_thread(fifo.write_text, "go\n")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert captured.data.endswith(b"\nlast words\n")


async def test_input_that_is_not_read_is_no_failure(output):
    ran = await run("exit 0", output, stdin=b"x" * 1_000_000)
    assert ran.status == 0


async def test_a_background_child_neither_holds_up_the_end_nor_outlives_it(output):
    captured = CapturedOutput()
    program = shell("sleep 100 & echo $! >&2; echo done")
    ran = await run_program(program, stdin=b"", stdout=output, tee=captured)
    assert (ran.status, text(output)) == (0, "done\n")
    await gone(int(await captured.line()))


async def test_the_time_limit_ends_the_whole_group(output):
    captured = CapturedOutput()
    program = shell("sleep 100 & echo $! >&2; wait; sleep 100", limit=0.3)
    ran = await run_program(program, stdin=b"", stdout=output, tee=captured)
    assert ran.cut is Cut.TIME
    assert ran.status == -15
    await gone(int(await captured.line()))


async def test_a_program_that_ignores_sigterm_is_killed(output, monkeypatch):
    monkeypatch.setattr(programs, "KILL_GRACE", 0.1)
    ran = await run("trap '' TERM; echo ready >&2; while :; do sleep 100; done", output, limit=0.3)
    assert (ran.cut, ran.status) == (Cut.TIME, -9)


async def test_a_program_may_end_by_itself_after_sigterm(output):
    ran = await run("trap 'echo bye; exit 4' TERM; sleep 100 & wait", output, limit=0.3)
    assert (ran.cut, ran.status) == (Cut.TIME, 4)
    assert text(output) == "bye\n"


async def test_a_program_that_prints_without_end_is_ended(output, monkeypatch):
    monkeypatch.setattr(programs, "CHECK_INTERVAL", 0.01)
    program = evolve(shell("exec cat /dev/zero"), output_max=100_000)
    ran = await run_program(program, stdin=b"", stdout=output, tee=CapturedOutput())
    assert (ran.cut, ran.status) == (Cut.OUTPUT, -15)


async def test_a_child_that_left_the_group_does_not_hold_up_the_end(output, monkeypatch):
    monkeypatch.setattr(programs, "STDERR_WAIT", 0.1)
    captured = CapturedOutput()
    ran = await run_program(
        shell("setsid sh -c 'echo $$ >&2; exec sleep 100' & sleep 0.2; exit 0"),
        stdin=b"",
        stdout=output,
        tee=captured,
    )
    os.kill(int(await captured.line()), signal.SIGKILL)
    assert (ran.status, ran.cut) == (0, None)


async def test_a_program_that_stops_itself_runs_into_the_time_limit(output, monkeypatch):
    monkeypatch.setattr(programs, "KILL_GRACE", 0.1)
    ran = await run("kill -STOP $$", output, limit=0.2)
    assert (ran.cut, ran.status) == (Cut.TIME, -9)


async def test_a_program_may_close_everything_it_was_given(output):
    ran = await run("exec <&- >&- 2>&-; sleep 0.1; exit 5", output)
    assert (ran.status, ran.last_lines) == (5, ())


async def test_an_environment_that_is_too_large_is_an_error_of_the_start(output):
    program = Program(("/bin/true",), {"LARGE": "x" * (1 << 22)}, 1.0)
    with pytest.raises(OSError, match="Argument list too long"):
        await run_program(program, stdin=b"", stdout=output, tee=CapturedOutput())


async def test_cancelling_kills_the_group_before_it_returns(output):
    captured = CapturedOutput()
    program = shell("trap '' TERM; sleep 100 & echo $$ $! >&2; wait")
    running = asyncio.ensure_future(
        run_program(program, stdin=b"", stdout=output, tee=captured),
    )
    leader, child = (await captured.line()).split()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(int(leader))
    await gone(int(child))


async def test_a_missing_program_is_an_error(output):
    program = Program(("/no/such/program",), {}, 1.0)
    with pytest.raises(FileNotFoundError):
        await run_program(program, stdin=b"", stdout=output, tee=CapturedOutput())
