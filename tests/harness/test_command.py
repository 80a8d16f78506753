"""The command driver: a real program for each message."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from hive.client.agent import Delivery
from hive.errors import ConfigError
from hive.harness import command, programs
from hive.harness.command import ANSWER_MAX, CommandDriver
from hive.harness.driver import Deferred, Done, DriverSetup, Failed, SavedText
from hive.harness.serve import load_driver
from tests.harness.support.processes import CapturedOutput, gone

MESSAGE = Delivery(7, "bob", "hello", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def driver(state: Path, script: str, limit: float = 30.0, tee: CapturedOutput | None = None):
    setup = DriverSetup(("/bin/sh", "-c", script), limit, state)
    environ = {"PATH": os.environ["PATH"]}
    return await asyncio.to_thread(
        CommandDriver, setup, environ=environ, tee=tee or CapturedOutput()
    )


def files(state: Path) -> list[str]:
    return [path.name for path in (state / "answers").iterdir()]


async def test_the_message_goes_in_and_the_output_is_the_answer(state):
    outcome = await (await driver(state, "cat; echo $HIVE_MESSAGE_FROM")).handle(MESSAGE)
    line, sender = outcome.answer.split("\n")
    assert json.loads(line)["body"] == "hello"
    assert sender == "bob"
    assert files(state) == []


async def test_no_output_is_no_answer(state):
    assert await (await driver(state, "exit 0")).handle(MESSAGE) == Done(None)


async def test_an_output_that_no_message_could_hold_stays_in_its_file(state):
    script = f"head -c {ANSWER_MAX + 1} /dev/zero"
    outcome = await (await driver(state, script)).handle(MESSAGE)
    path = state / "answers" / "7-1.txt"
    assert outcome == Done(SavedText(path, ANSWER_MAX + 1))
    assert path.stat().st_size == ANSWER_MAX + 1
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_failure_has_its_reason_and_leaves_no_file(state):
    outcome = await (await driver(state, "echo half; echo oh no >&2; exit 3")).handle(MESSAGE)
    assert outcome == Failed("exited with status 3; its last words: oh no")
    assert files(state) == []


async def test_ex_tempfail_defers(state):
    assert isinstance(await (await driver(state, "exit 75")).handle(MESSAGE), Deferred)


async def test_the_time_limit_fails_the_message_and_kills_grandchildren(state):
    captured = CapturedOutput()
    script = "(sleep 100 & echo $! >&2; wait) & wait"
    outcome = await (await driver(state, script, 0.3, captured)).handle(MESSAGE)
    assert outcome.reason.startswith("ended after the time limit of 0.3 s")
    await gone(int(await captured.line()))


async def test_cancelling_leaves_no_program_and_no_file(state):
    captured = CapturedOutput()
    doing = await driver(state, "echo $$ >&2; sleep 100", tee=captured)
    work = asyncio.ensure_future(doing.handle(MESSAGE))
    pid = int(await captured.line())
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await gone(pid)
    assert files(state) == []


async def test_binary_output_is_text_with_a_note(state):
    outcome = await (await driver(state, r"printf 'a\000b\377c'")).handle(MESSAGE)
    note = "[hive: U+FFFD replaces 1 place with bytes that are no UTF-8]"
    assert outcome == Done(f"a\0b\ufffdc\n{note}")


async def test_too_much_output_fails_the_message_and_is_deleted(state, monkeypatch):
    monkeypatch.setattr(programs, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(command, "OUTPUT_MAX", 100_000)
    outcome = await (await driver(state, "echo busy >&2; exec cat /dev/zero")).handle(MESSAGE)
    assert outcome == Failed(
        "ended because it printed more than 100000 bytes; its last words: busy"
    )
    assert files(state) == []


async def test_a_body_that_is_not_read_is_no_failure(state):
    large = replace(MESSAGE, body="x" * 65536)
    assert await (await driver(state, "echo done")).handle(large) == Done("done")


async def test_a_body_does_not_count_towards_the_environment(state):
    large = replace(MESSAGE, body="x" * (1 << 20))
    assert await (await driver(state, "wc -c | tr -d ' '")).handle(large) != Done(None)


async def test_messages_at_the_same_time_do_not_share_output(state):
    doing = await driver(state, "echo $HIVE_MESSAGE_ID")
    messages = [replace(MESSAGE, id=number) for number in range(1, 6)]
    outcomes = await asyncio.gather(*map(doing.handle, messages))
    assert [outcome.answer for outcome in outcomes] == ["1", "2", "3", "4", "5"]


async def test_a_program_that_vanished_defers(state, tmp_path):
    program = tmp_path / "agent.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    setup = DriverSetup((str(program),), 1.0, state)
    doing = await asyncio.to_thread(CommandDriver, setup)
    program.unlink()
    outcome = await doing.handle(MESSAGE)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith(f"cannot start {program}: there is no program")


async def test_a_program_that_became_none_defers_with_what_is_wrong_with_it(state, tmp_path):
    program = tmp_path / "agent.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    setup = DriverSetup((str(program),), 1.0, state)
    doing = await asyncio.to_thread(CommandDriver, setup)
    program.write_text("#!/no/such/shell\n")
    outcome = await doing.handle(MESSAGE)
    assert isinstance(outcome, Deferred)
    assert "there is no interpreter '/no/such/shell', which" in outcome.reason
    assert not list((state / "answers").iterdir())


def test_a_missing_program_is_an_error_of_the_constructor(state):
    with pytest.raises(ConfigError, match="no program '/no/such'"):
        CommandDriver(DriverSetup(("/no/such",), 1.0, state))
    with pytest.raises(ConfigError, match="needs a program"):
        CommandDriver(DriverSetup((), 1.0, state))


def test_a_script_that_cannot_run_is_an_error_of_the_constructor(state, tmp_path):
    program = tmp_path / "agent.sh"
    program.write_text("#!/no/such/shell\n")
    program.chmod(0o755)
    with pytest.raises(ConfigError, match="there is no interpreter '/no/such/shell'"):
        CommandDriver(DriverSetup((str(program),), 1.0, state))


def test_the_built_in_driver_is_found_by_its_name():
    assert load_driver("command") is CommandDriver
