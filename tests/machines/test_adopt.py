"""A daemon is killed and the next one starts: agents run on, none runs twice or is orphaned."""

import asyncio
import os
import platform
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.exits import Exited, Signaled, Unknown
from hive.machines.process import runfile
from hive.machines.process.pidfd import NO_EXIT_STATUS
from hive.machines.process.procfs import Process, ProcFs
from tests.machines.labs import Ends, ProcessLab

PATIENT = 30.0

KEEPS_EXIT_STATUS = tuple(map(int, platform.release().split(".")[:2])) >= (6, 15)

DAEMON = """
import asyncio, os, sys
from pathlib import Path
from hive.machines.process import runfile
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import MachineSpec
from hive.paths import Paths

root, script, crash = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
paths = Paths(root / "run", root / "state")
write, writes = runfile.write, 0

def die():
    os.kill(os.getpid(), 9)

def crashing_write(path, record):
    global writes
    writes += 1
    if crash == f"before {writes}":
        die()
    write(path, record)
    if crash == f"after {writes}":
        die()

async def main():
    runfile.write = crashing_write
    runtime = ProcessRuntime(paths)
    await runtime.open()
    spec = MachineSpec(
        name="alice", command=("sh", "-c", script), environment={"READY": str(root / "ready")},
        socket_dir=paths.socket_dir("alice"), state_dir=paths.agent_state("alice"),
        log_file=paths.agent_log("alice"),
    )
    await runtime.ensure_running(spec, print)
    die()

asyncio.run(main())
"""


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ProcessLab]:
    lab = ProcessLab(tmp_path)
    await lab.runtime.open()
    yield lab
    for name in await lab.runtime.running():
        await lab.runtime.kill(name)
    await lab.runtime.close()


async def daemon_dies(root: Path, script: str, crash: str = "after start") -> None:
    """Run a daemon that starts alice and is killed by SIGKILL at some point."""
    command = (sys.executable, "-c", DAEMON, str(root), script, crash)
    done = await asyncio.to_thread(subprocess.run, command, timeout=PATIENT, check=False)
    assert done.returncode == -signal.SIGKILL


async def next_daemon(lab: ProcessLab) -> None:
    await lab.runtime.close()
    lab.runtime = lab.another_runtime()
    await lab.runtime.open()


async def record_of(lab: ProcessLab) -> runfile.RunRecord:
    file = lab.paths.agent_dir("alice") / runfile.FILE_NAME
    record = await asyncio.to_thread(runfile.read, file)
    assert record is not None
    return record


async def write_record(lab: ProcessLab, record: runfile.RunRecord) -> None:
    file = lab.paths.agent_dir("alice") / runfile.FILE_NAME
    await asyncio.to_thread(runfile.write, file, record)


async def process_of(pid: int) -> Process | None:
    return await asyncio.to_thread(ProcFs().process, pid)


async def alive(pid: int) -> bool:
    process = await process_of(pid)
    return process is not None and not process.dead


def earlier(record: runfile.RunRecord) -> runfile.RunRecord:
    return evolve(record, start_ticks=1)


def another_boot(record: runfile.RunRecord) -> runfile.RunRecord:
    return evolve(record, boot_id="another boot")


async def ended(pidfd: int) -> None:
    await asyncio.to_thread(select.select, [pidfd], [], [])


def has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])


@pytest.mark.skipif(not KEEPS_EXIT_STATUS, reason="Linux before 6.15 keeps no exit status")
@pytest.mark.parametrize(
    ("last_act", "how"),
    [("exit 7", Exited(7)), ("kill -9 $$", Signaled(9)), ("exit 0", Exited(0))],
)
async def test_the_exit_of_an_adopted_agent_is_reported_with_its_cause(
    lab: ProcessLab, tmp_path: Path, last_act: str, how: object
) -> None:
    os.mkfifo(tmp_path / "go")
    await daemon_dies(tmp_path, f"echo hello; read line < {tmp_path}/go; echo bye; {last_act}")
    ends = Ends()
    running = await lab.runtime.adopt(lab.script(""), ends)
    assert running is not None
    assert running.adopted
    assert running.source == "kernel"
    assert await lab.runtime.running() == ("alice",)
    await asyncio.to_thread((tmp_path / "go").write_text, "now\n")
    ended = await ends.first()
    assert ended.how == how
    assert ended.last_lines == ("hello", "bye")
    assert await lab.runtime.running() == ()


async def test_an_adopted_agent_can_be_stopped(lab: ProcessLab, tmp_path: Path) -> None:
    await daemon_dies(tmp_path, "trap 'exit 5' TERM; sleep 1000 & echo > $READY; wait")
    await lab.read()
    ends = Ends()
    await lab.runtime.adopt(lab.script(""), ends)
    ended = await lab.runtime.stop("alice", deadline=PATIENT)
    assert ended is not None
    assert ended.how in {Exited(5), NO_EXIT_STATUS}
    assert ends.received == [ended]
    assert await lab.runtime.running() == ()


async def test_an_agent_that_was_not_adopted_can_be_stopped(
    lab: ProcessLab, tmp_path: Path
) -> None:
    await daemon_dies(tmp_path, "exec sleep 1000")
    assert await lab.runtime.running() == ("alice",)
    assert await lab.runtime.stop("alice", deadline=PATIENT) is not None
    assert await lab.runtime.running() == ()


async def test_an_agent_that_was_not_adopted_is_not_started_again(
    lab: ProcessLab, tmp_path: Path
) -> None:
    await daemon_dies(tmp_path, "exec sleep 1000")
    pid = (await record_of(lab)).pid
    running = await lab.runtime.ensure_running(lab.script("exit 0"), Ends())
    assert (running.adopted, running.pid) == (True, pid)
    with pytest.raises(FailedError, match="stop it first"):
        await lab.runtime.destroy("alice", purge=True)


@pytest.mark.parametrize("crash", ["before 1", "after 1", "before 2", "after 2"])
async def test_the_agent_runs_once_wherever_the_daemon_is_killed(
    lab: ProcessLab, tmp_path: Path, crash: str
) -> None:
    runs, script = tmp_path / "runs", "echo $$ >> $RUNS; exec sleep 1000"
    runs.touch()
    await daemon_dies(tmp_path, script.replace("$RUNS", str(runs)), crash)
    spec, ends = lab.script(script, RUNS=str(runs)), Ends()
    running = await lab.runtime.ensure_running(spec, ends)
    assert running.adopted == (crash in {"before 2", "after 2"})
    assert (await record_of(lab)).pid == running.pid
    await lab.runtime.kill("alice")
    started = [int(pid) for pid in runs.read_text().split()]
    assert [pid for pid in started if await alive(pid)] == []
    assert len(ends.received) == 1


async def test_a_record_without_a_pid_is_found_by_its_run_id(lab: ProcessLab) -> None:
    await lab.start(lab.script("sleep 1000 & echo > $READY; wait"))
    await lab.read()
    pid = (await record_of(lab)).pid
    await next_daemon(lab)
    await write_record(lab, evolve(await record_of(lab), pid=None, start_ticks=None))
    assert await lab.runtime.running() == ("alice",)
    running = await lab.runtime.adopt(lab.script(""), Ends())
    assert running is not None
    assert running.pid == (await record_of(lab)).pid == pid


@pytest.mark.parametrize("change", [earlier, another_boot])
async def test_a_process_that_reuses_the_pid_is_not_killed(
    lab: ProcessLab, change: Callable[[runfile.RunRecord], runfile.RunRecord]
) -> None:
    """Pid reuse: a process has the pid of the record, but it is not the agent."""
    stranger = await asyncio.to_thread(subprocess.Popen, ("sleep", "1000"), start_new_session=True)
    try:
        found = await process_of(stranger.pid)
        assert found is not None
        await (await lab.start(lab.script("exit 0"))).first()
        record = runfile.RunRecord(
            name="alice",
            run="0" * 32,
            boot_id=await asyncio.to_thread(ProcFs().boot_id),
            started_at=0.0,
            log_file=str(lab.paths.agent_log("alice")),
            log_start=0,
            pid=stranger.pid,
            start_ticks=found.start_ticks,
        )
        await write_record(lab, change(record))
        assert await lab.runtime.running() == ()
        assert await lab.runtime.adopt(lab.script(""), Ends()) is None
        assert await lab.runtime.kill("alice") is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        await asyncio.to_thread(stranger.wait)


async def test_processes_of_an_agent_that_ended_without_a_daemon_are_killed_and_logged(
    lab: ProcessLab, tmp_path: Path
) -> None:
    script = "setsid sh -c 'echo $$ > $READY; exec sleep 1000' & wait"
    await asyncio.gather(
        daemon_dies(tmp_path, script), straggler := asyncio.create_task(lab.read())
    )
    left = os.pidfd_open(int(straggler.result()))
    leader = (await record_of(lab)).pid
    assert leader is not None
    leader_fd = os.pidfd_open(leader)
    os.kill(leader, signal.SIGKILL)
    await ended(leader_fd)
    assert not has_ended(left)
    assert await lab.runtime.adopt(lab.script(""), Ends()) is None
    assert has_ended(left)
    os.close(left)
    os.close(leader_fd)
    (line,) = await asyncio.to_thread(lab.runtime.last_lines, lab.script(""), 1)
    assert line.startswith("[hive] it ended while no daemon was watching; killed what outlived")
    unwatched = await lab.runtime.unwatched_end("alice")
    assert unwatched is not None
    assert unwatched.how == Unknown("nobody waited for its exit status")
    assert unwatched.last_lines == (line,)
    assert await lab.runtime.unwatched_end("alice") is None, "each is returned once"


async def test_an_end_without_a_daemon_is_found_although_nothing_is_adopted(
    lab: ProcessLab, tmp_path: Path
) -> None:
    await asyncio.gather(daemon_dies(tmp_path, "echo $$ > $READY; exec sleep 1000"), lab.read())
    assert await lab.runtime.unwatched_end("alice") is None, "it runs"
    leader = (await record_of(lab)).pid
    assert leader is not None
    await lab.runtime.kill("alice")
    assert await lab.runtime.unwatched_end("alice") is None, "its end was watched"


async def test_an_agent_of_another_boot_has_ended_with_that(lab: ProcessLab) -> None:
    ends = await lab.start(lab.script(lab.SCRIPTS["waiter"]))
    await lab.ready()
    record = await record_of(lab)
    await lab.runtime.kill("alice")
    await ends.first()
    path = lab.paths.agent_dir("alice") / runfile.FILE_NAME
    await asyncio.to_thread(runfile.write, path, evolve(record, boot_id="another"))
    await next_daemon(lab)
    unwatched = await lab.runtime.unwatched_end("alice")
    assert unwatched is not None
    assert unwatched.how == Unknown("this machine was booted again")


async def test_a_zombie_counts_as_dead(lab: ProcessLab) -> None:
    await lab.start(lab.spec("waiter"))
    await lab.ready()
    pidfd = os.pidfd_open(lab.pid)
    await lab.runtime.close()  # now no process collects it
    await lab.end_from_outside("waiter")
    await ended(pidfd)
    os.close(pidfd)
    assert await process_of(lab.pid) is not None
    await next_daemon(lab)
    assert await lab.runtime.running() == ()
    assert await lab.runtime.adopt(lab.spec("waiter"), Ends()) is None
    assert await process_of(lab.pid) is None


async def test_an_unreadable_record_affects_only_its_own_agent(lab: ProcessLab) -> None:
    await lab.start(lab.spec("waiter"))
    await lab.ready()
    file = lab.paths.agent_dir("alice") / runfile.FILE_NAME
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert await lab.runtime.running() == ("waiter",)
    with pytest.raises(FailedError, match=str(file)):
        await lab.runtime.ensure_running(lab.script("exit 0"), Ends())


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_adoption_leaves_the_agent_watched(lab: ProcessLab, turns: int) -> None:
    await lab.start(lab.spec("waiter"))
    await lab.ready()
    await next_daemon(lab)
    ends = Ends()
    adoption = asyncio.create_task(lab.runtime.adopt(lab.spec("waiter"), ends))
    for _ in range(turns):
        await asyncio.sleep(0)
    adoption.cancel()
    await asyncio.wait([adoption])
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ended is not None
    assert ends.received == ([ended] if turns else [])
