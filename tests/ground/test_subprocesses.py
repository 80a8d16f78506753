"""Running other programs."""

import asyncio
import os
from pathlib import Path

import pytest

from hive.subprocesses import (
    NO_PROGRAM,
    OUTPUT_BYTES,
    Outcome,
    run_command,
    stream_lines,
    watch_command,
)

PATIENT = 30.0


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "sh", *arguments)


async def test_an_outcome_has_the_output_and_the_exit_status() -> None:
    outcome = await run_command(shell("echo out; echo err >&2; exit 3"), deadline=PATIENT)
    assert (outcome.status, outcome.out, outcome.err) == (3, "out\n", "err\n")
    assert not outcome.ok
    assert str(outcome).endswith("exited with status 3: err")


async def test_a_program_has_no_input_and_the_locale_c() -> None:
    outcome = await run_command(shell("cat; echo $LC_ALL $SYSTEMD_COLORS"), deadline=PATIENT)
    assert outcome.ok
    assert outcome.out == "C.UTF-8 0\n"


async def test_a_program_is_killed_with_its_children_at_the_deadline(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = "sleep 90 & echo $$ $! > $1; wait"
    outcome = await run_command(shell(script, str(pids)), deadline=0.3)
    assert outcome.status is None
    assert "did not end within 0.3 s" in str(outcome)
    for pid in (await asyncio.to_thread(pids.read_text)).split():
        await gone(int(pid))


async def test_an_abandoned_program_is_reaped_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(30):
        assert (await run_command(("sleep", "90"), deadline=0)).status is None
    assert "child process" not in caplog.text


async def test_a_cancelled_caller_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    task = asyncio.create_task(
        run_command(shell("echo $$ > $1; sleep 90", str(pid)), deadline=PATIENT)
    )
    number = int(await asyncio.to_thread(pid.read_text))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await gone(number)


async def test_all_output_is_read_and_a_part_of_it_is_retained() -> None:
    outcome = await run_command(shell("head -c 3000000 /dev/zero; echo done >&2"), deadline=PATIENT)
    assert len(outcome.out) == OUTPUT_BYTES
    assert outcome.err == "done\n"


async def test_a_missing_program_is_an_error() -> None:
    outcome = await run_command(("/no/such/program",), deadline=PATIENT)
    assert outcome.status == NO_PROGRAM
    assert "is it installed" in str(outcome)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (0, "`a b c` exited with status 0: words"),
        (-9, "`a b c` was ended by signal 9: words"),
        (None, "`a b c` did not end within 2 s: words"),
    ],
)
def test_an_outcome_is_described_in_a_sentence(status: int | None, sentence: str) -> None:
    assert str(Outcome(("a", "b", "c", "d"), status, "words", " ", 2.0)) == sentence


async def gone(pid: int) -> None:
    """Wait until a process has been reaped, by its parent or by process 1."""

    def ended() -> bool:
        try:
            return ") Z " in Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    while not await asyncio.to_thread(ended):
        await asyncio.sleep(0)


async def test_lines_are_yielded_as_they_are_printed_and_closing_kills_the_program(
    tmp_path: Path,
) -> None:
    script = "sleep 90 & echo $$; echo $!; wait"
    lines = stream_lines(shell(script))
    pids = [int(await anext(lines)), int(await anext(lines))]
    await lines.aclose()
    for pid in pids:
        await gone(pid)


async def test_a_slow_reader_slows_the_program_down(tmp_path: Path) -> None:
    count = 200_000
    lines = stream_lines(shell(f"i=0; while [ $i -lt {count} ]; do echo $i; i=$((i+1)); done"))
    assert await anext(lines) == b"0\n"
    await asyncio.sleep(0.1)
    numbers = [int(line) async for line in lines]
    assert numbers == list(range(1, count))


async def test_a_line_without_end_is_refused_and_its_program_killed() -> None:
    with pytest.raises(ValueError, match="limit"):
        _ = [line async for line in stream_lines(shell("exec cat /dev/zero"))]


async def test_lines_of_both_outputs_are_passed_on_as_they_come() -> None:
    lines: list[str] = []
    script = "echo one; echo two >&2; printf 'no newline'; exit 4"
    outcome = await watch_command(("sh", "-c", script), lines.append, deadline=20)
    assert outcome.status == 4
    assert sorted(lines) == ["no newline", "one", "two"]
    assert sorted(outcome.err.splitlines()) == sorted(lines)


async def test_a_long_line_is_passed_on_in_pieces() -> None:
    lines: list[str] = []
    script = "head -c 10000 /dev/zero | tr '\\0' x; echo; echo end"
    await watch_command(("sh", "-c", script), lines.append, deadline=20)
    assert [len(line) for line in lines if line != "end"] == [4096, 4096, 1808]
    assert lines[-1] == "end"


async def test_a_watched_command_is_killed_at_its_deadline_or_with_its_caller() -> None:
    outcome = await watch_command(("sleep", "60"), lambda line: None, deadline=0.2)
    assert outcome.status is None
    lines: list[str] = []
    argv = ("sh", "-c", "echo $$; sleep 60")
    watching = asyncio.ensure_future(watch_command(argv, lines.append, deadline=60))
    async with asyncio.timeout(10):
        while not lines:
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait([watching])
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[0]), 0)
