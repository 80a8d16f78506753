"""Probes of agents, and builds that can be interrupted."""

import asyncio
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError, UnavailableError
from hive.machines.function import FunctionRuntime
from hive.machines.inside import SEARCH_PATH
from hive.machines.operations import Operations
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.probing import probe_command
from hive.paths import Paths


def spec_in(directory: Path) -> MachineSpec:
    return MachineSpec(
        name="alice",
        command=("true",),
        environment={"HIVE_NAME": "alice", "TOKEN": "secret"},
        socket_dir=directory,
        state_dir=directory,
        log_file=directory / "log",
    )


async def test_a_probe_of_a_process_has_its_directory_and_environment(tmp_path: Path) -> None:
    runtime = ProcessRuntime(Paths(tmp_path, tmp_path), environment={"PATH": "/usr/bin:/bin"})
    lines: list[str] = []
    command = ("sh", "-c", "pwd; echo $HIVE_NAME $TOKEN; exit 7")
    outcome = await runtime.probe(spec_in(tmp_path), command, deadline=20, on_line=lines.append)
    assert (outcome.status, lines) == (7, [str(tmp_path), "alice secret"])


async def test_a_probe_of_a_process_is_killed_at_its_deadline(tmp_path: Path) -> None:
    runtime = ProcessRuntime(Paths(tmp_path, tmp_path), environment={"PATH": "/usr/bin:/bin"})
    outcome = await runtime.probe(spec_in(tmp_path), ("sleep", "60"), deadline=0.2)
    assert outcome.status is None


async def test_a_probe_that_cannot_be_started_fails(tmp_path: Path) -> None:
    runtime = ProcessRuntime(Paths(tmp_path, tmp_path), environment={})
    outcome = await runtime.probe(spec_in(tmp_path), ("/no/such/probe",), deadline=5)
    assert not outcome.ok
    assert "/no/such/probe" in outcome.err


async def test_a_function_cannot_be_probed(tmp_path: Path) -> None:
    runtime = FunctionRuntime[object]({}, lambda name: asyncio.sleep(0))
    with pytest.raises(FailedError, match="cannot be probed"):
        await runtime.probe(spec_in(tmp_path), ("true",), deadline=1)


def test_no_secret_is_in_the_command_line_of_a_probe(tmp_path: Path) -> None:
    argv = probe_command("h-alice", spec_in(tmp_path), ("./check", "-v"), 30.0)
    assert argv[0] == "systemd-run"
    assert argv[-3:] == ("--", "./check", "-v")
    assert {"--machine=h-alice", "--wait", "--pipe", "--property=RuntimeMaxSec=30"} <= {*argv}
    assert "--setenv=HIVE_NAME=alice" in argv
    assert not any("secret" in word for word in argv)


def test_a_probe_is_looked_up_by_the_path_of_its_agent(tmp_path: Path) -> None:
    spec = spec_in(tmp_path)
    argv = probe_command("h-alice", spec, ("grep", "x"), 30.0)
    assert argv[-4:] == ("--", "/usr/bin/env", "grep", "x")
    assert f"--setenv=PATH={SEARCH_PATH}" in argv
    own = evolve(spec, environment={"PATH": "/opt/bin"})
    assert "--setenv=PATH=/opt/bin" in probe_command("h-alice", own, ("grep",), 30.0)


async def test_an_interruptible_operation_has_ended_when_its_caller_is_cancelled() -> None:
    operations = Operations("test")
    operations.open()
    ended: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    caller = asyncio.ensure_future(operations.interruptible(work()))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert ended == ["ended"]
    await operations.close()
    with pytest.raises(UnavailableError):
        await operations.interruptible(work())
