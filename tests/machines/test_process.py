"""The process runtime with real processes: start, exit, and remaining processes and files."""

import asyncio
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from hive import descriptors
from hive.config.model import MachineProtection
from hive.errors import BadRequestError, ConfigError, FailedError, UnavailableError
from hive.exits import Exited, Signaled, Unknown
from hive.machines.output_log import TAIL_BYTES
from hive.machines.process import process_runtime, runfile
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.process.procfs import ProcFs
from hive.machines.process.spawn import OOM_SCORE, ProcessHandle
from hive.machines.runtime import CannotStartError
from hive.paths import Paths
from tests.machines.labs import Ends, ProcessLab

PATIENT = 30.0


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ProcessLab]:
    lab = ProcessLab(tmp_path)
    await lab.runtime.open()
    yield lab
    for name in await lab.runtime.running():
        await lab.runtime.kill(name)
    await lab.runtime.close()


def record_file(lab: ProcessLab, name: str = "alice") -> Path:
    return lab.paths.agent_dir(name) / runfile.FILE_NAME


async def alive(pid: int) -> bool:
    found = await asyncio.to_thread(ProcFs().process, pid)
    return found is not None and not found.dead


async def test_an_agent_leads_its_own_session_and_group(lab: ProcessLab) -> None:
    await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    pid = int(await lab.read())
    assert os.getsid(pid) == os.getpgid(pid) == pid


async def test_an_agent_has_the_limit_of_descriptors_that_the_daemon_inherited(
    lab: ProcessLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(descriptors, "INHERITED", (123, hard))
    await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    pid = int(await lab.read())
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (123, hard)


async def test_the_kernel_ends_an_agent_before_the_daemon_when_memory_runs_out(
    lab: ProcessLab,
) -> None:
    await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    score = Path("/proc", await lab.read(), "oom_score_adj")
    assert await asyncio.to_thread(score.read_text) == f"{OOM_SCORE}\n"


async def test_the_environment_of_the_spec_overrides_that_of_the_runtime(tmp_path: Path) -> None:
    lab = ProcessLab(tmp_path)
    lab.runtime = lab.another_runtime(
        environment={"PATH": os.defpath, "COLOUR": "red", "SHAPE": "round", "NOTIFY_SOCKET": "/s"}
    )
    await lab.runtime.open()
    await lab.start(
        lab.script(
            "echo $COLOUR $SHAPE ${NOTIFY_SOCKET-none} ${HIVE_RUN:?} > $READY", COLOUR="blue"
        )
    )
    assert (await lab.read()).startswith("blue round none ")
    await lab.runtime.close()


async def test_an_agent_starts_in_its_state_directory_or_that_of_the_spec(
    lab: ProcessLab, tmp_path: Path
) -> None:
    for cwd in (None, tmp_path):
        ends = await lab.start(lab.command(("sh", "-c", "pwd > $READY"), cwd=cwd))
        assert await lab.read() == str(cwd or lab.paths.agent_state("alice"))
        await ends.first()


async def test_standard_output_and_error_are_one_log(lab: ProcessLab) -> None:
    ended = await (await lab.start(lab.script("echo out; echo err >&2; exit 7"))).first()
    assert ended.how == Exited(7)
    assert ended.last_lines == ("out", "err")


async def test_the_reason_has_only_lines_of_this_run(lab: ProcessLab) -> None:
    await (await lab.start(lab.script("echo old"))).first()
    ended = await (await lab.start(lab.script("exit 1"))).first()
    assert ended.last_lines == ()
    assert await asyncio.to_thread(lab.runtime.last_lines, lab.script(""), 5) == ("old",)


async def test_a_signal_is_reported_with_its_core_flag(lab: ProcessLab) -> None:
    ended = await (await lab.start(lab.script("ulimit -c 0; kill -SEGV $$"))).first()
    assert ended.how == Signaled(signal.SIGSEGV, core_dumped=False)


async def test_a_child_that_ignores_sigterm_is_killed_at_the_deadline(lab: ProcessLab) -> None:
    ends = await lab.start(lab.spec("stubborn"))
    await lab.ready()
    ended = await lab.runtime.stop("stubborn", deadline=0.01)
    assert ended is not None
    assert ended.how == Signaled(signal.SIGKILL)
    assert ends.received == [ended]


async def test_a_child_may_choose_its_exit_status_after_sigterm(lab: ProcessLab) -> None:
    script = "trap 'echo bye; exit 3' TERM; sleep 1000 & echo > $READY; wait"
    await lab.start(lab.script(script))
    await lab.read()
    ended = await lab.runtime.stop("alice", deadline=PATIENT)
    assert ended is not None
    assert ended.how == Exited(3)
    assert "bye" in ended.last_lines, "a line about the sleep may follow, which ends by itself"


async def test_a_suspended_process_receives_sigterm(lab: ProcessLab) -> None:
    await lab.start(lab.script("echo > $READY; kill -STOP $$; exec sleep 1000"))
    await lab.read()
    ended = await lab.runtime.stop("alice", deadline=PATIENT)
    assert ended is not None
    assert ended.how == Signaled(signal.SIGTERM)


@pytest.mark.parametrize(
    "own_session",
    ["", "setsid ", "env -i READY=$READY setsid "],
    ids=["in the group", "in another session", "without a mark, too"],
)
async def test_processes_that_outlive_the_leader_are_killed_and_reported(
    lab: ProcessLab, own_session: str
) -> None:
    script = (
        f"{own_session}sh -c 'trap \"\" HUP TERM; echo $$ > $READY; sleep 1000 & wait' & wait $!"
    )
    await lab.start(lab.script(script))
    grandchild = int(await lab.read())
    ended = await lab.runtime.stop("alice", deadline=PATIENT)
    assert not await alive(grandchild)
    assert ended is not None
    assert ended.last_lines[-1].startswith("[hive] killed what outlived the agent: ")
    assert f"sh ({grandchild})" in ended.last_lines[-1]


async def test_members_of_the_group_without_the_mark_are_killed_too(lab: ProcessLab) -> None:
    script = "env -i sh -c 'echo $$ > $0; exec sleep 1000' $READY & wait"
    ends = await lab.start(lab.script(script))
    unmarked = int(await lab.read())
    leader = await asyncio.to_thread(runfile.read, record_file(lab))
    assert leader is not None
    assert leader.pid is not None
    os.kill(leader.pid, signal.SIGKILL)
    assert (await ends.first()).how == Signaled(signal.SIGKILL)
    assert not await alive(unmarked)


async def test_a_grandchild_that_holds_the_log_does_not_hold_up_the_end(lab: ProcessLab) -> None:
    ends = await lab.start(lab.script("sleep 1000 & exit 4"))
    assert (await ends.first()).how == Exited(4)


@pytest.mark.parametrize(
    ("command", "cwd", "is_lasting", "sentence"),
    [
        (("/no/such/program",), None, True, "there is no program '/no/such/program'"),
        (("no-such-program",), None, True, "there is no program 'no-such-program'"),
        (("/etc/passwd",), None, True, "/etc/passwd may not be executed; 'chmod"),
        (
            ("true",),
            Path("/no/such/place"),
            True,
            "working directory /no/such/place is no directory",
        ),
        (("true",), Path("/etc/passwd"), True, "working directory /etc/passwd is no directory"),
        (("true", "x" * 3_000_000), None, False, "'true': .*Argument list too long"),
        ((), None, False, "has no command"),
    ],
    ids=["path", "name", "mode", "cwd", "cwd is a file", "too long", "empty"],
)
async def test_a_failed_start_has_its_reason_and_leaves_nothing(
    lab: ProcessLab, command: tuple[str, ...], cwd: Path | None, is_lasting: bool, sentence: str
) -> None:
    spec, ends = lab.command(command, cwd=cwd), Ends()
    with pytest.raises(FailedError, match=f"alice .*{sentence}") as refused:
        await lab.runtime.ensure_running(spec, ends)
    assert isinstance(refused.value, CannotStartError) is is_lasting
    assert not record_file(lab).exists()
    assert await lab.runtime.running() == ()
    assert ends.received == []


async def test_a_script_without_its_interpreter_has_an_error_that_says_so(
    lab: ProcessLab, tmp_path: Path
) -> None:
    script = tmp_path / "agent"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    spec = lab.command((str(script),))
    with pytest.raises(CannotStartError, match="there is no interpreter '/no/such/shell'"):
        await lab.runtime.ensure_running(spec, Ends())


async def test_a_record_that_cannot_be_completed_ends_the_process(
    lab: ProcessLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = runfile.write

    def full_disk(path: Path, record: runfile.RunRecord) -> None:
        if record.pid is not None:
            started.append(record.pid)
            raise OSError("no space left on device")
        write(path, record)

    started: list[int] = []
    monkeypatch.setattr(runfile, "write", full_disk)
    spec = lab.script("exec sleep 1000")
    with pytest.raises(FailedError, match="no space left"):
        await lab.runtime.ensure_running(spec, Ends())
    assert not await alive(started[0])
    assert not record_file(lab).exists()


async def test_an_exit_is_reported_even_if_its_cause_cannot_be_found(
    lab: ProcessLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*args: object) -> None:
        raise OSError("input/output error")

    ends = await lab.start(lab.spec("waiter"))
    await lab.ready()
    monkeypatch.setattr(runfile, "remove", unreadable)
    await lab.runtime.kill("waiter")
    assert (await ends.first()).how == Unknown("looking into it failed: input/output error")


async def test_fifty_agents_start_and_end_at_once(lab: ProcessLab) -> None:
    names = [f"a{number}" for number in range(50)]
    ends = dict(
        zip(
            names,
            await asyncio.gather(*(lab.start(lab.script("exec sleep 1000", n)) for n in names)),
            strict=True,
        )
    )
    assert set(await lab.runtime.running()) == set(names)
    stopped = names[::2]
    await asyncio.gather(
        *(lab.runtime.stop(n, deadline=PATIENT) for n in stopped),
        *(lab.runtime.kill(n) for n in names[1::2]),
    )
    assert await lab.runtime.running() == ()
    for name, watcher in ends.items():
        expected = signal.SIGTERM if name in stopped else signal.SIGKILL
        assert [ended.how for ended in watcher.received] == [Signaled(expected)]


async def test_a_start_makes_the_directories(lab: ProcessLab) -> None:
    assert not lab.paths.agent_dir("alice").exists()
    await (await lab.start(lab.script("exit 0"))).first()
    assert lab.paths.agent_state("alice").is_dir()


async def test_a_directory_that_cannot_be_created_is_an_error_with_its_path(
    lab: ProcessLab,
) -> None:
    lab.paths.agent_dir("alice").mkdir(parents=True)
    lab.paths.agent_state("alice").write_text("in the way")
    with pytest.raises(FailedError, match=r"alice: .*state"):
        await lab.start(lab.script("exit 0"))


async def test_destroying_keeps_the_files_unless_they_are_purged(lab: ProcessLab) -> None:
    await (await lab.start(lab.script("touch file"))).first()
    await lab.runtime.destroy("alice", purge=False)
    assert (lab.paths.agent_state("alice") / "file").exists()
    await lab.runtime.destroy("alice", purge=True)
    assert not lab.paths.agent_dir("alice").exists()
    assert lab.paths.agent_dir("alice").parent.is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../etc"])
async def test_only_names_of_agents_are_destroyed(lab: ProcessLab, name: str) -> None:
    await (await lab.start(lab.script("exit 0"))).first()
    with pytest.raises(BadRequestError):
        await lab.runtime.destroy(name, purge=True)
    assert lab.paths.agent_state("alice").is_dir()


async def test_a_directory_elsewhere_is_not_purged(lab: ProcessLab, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    lab.paths.agent_dir("alice").parent.mkdir(parents=True)
    lab.paths.agent_dir("alice").symlink_to(precious)
    with pytest.raises(FailedError, match="symbolic link"):
        await lab.runtime.destroy("alice", purge=True)
    assert precious.is_dir()


async def test_a_closed_runtime_starts_nothing(tmp_path: Path) -> None:
    lab = ProcessLab(tmp_path)
    with pytest.raises(UnavailableError, match="closed"):
        await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
    assert await lab.runtime.running() == ()


async def test_a_start_that_is_withdrawn_before_the_spawn_starts_nothing(
    lab: ProcessLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()
    find_running = process_runtime.find_running

    def slowly(run_file: Path, procfs: ProcFs) -> ProcessHandle | None:
        reached.set()
        go.wait(PATIENT)
        return find_running(run_file, procfs)

    monkeypatch.setattr(process_runtime, "find_running", slowly)
    ends = Ends()
    spec = lab.spec("waiter")
    start = asyncio.create_task(lab.runtime.ensure_running(spec, ends))
    await asyncio.to_thread(reached.wait, PATIENT)
    start.cancel()
    await asyncio.wait([start])
    go.set()
    assert await lab.runtime.stop("waiter", deadline=PATIENT) is None
    assert ends.received == []
    assert not spec.log_file.exists()


async def test_closing_ends_the_waits_and_leaves_the_agent_running(lab: ProcessLab) -> None:
    await lab.start(lab.spec("stubborn"))
    await lab.ready()
    stop = asyncio.create_task(lab.runtime.stop("stubborn", deadline=PATIENT))
    await asyncio.to_thread(lambda: None)
    await lab.runtime.adopt(lab.spec("stubborn"), Ends())  # by now the stop has begun
    await lab.runtime.close()
    with pytest.raises(UnavailableError, match="stopped watching stubborn"):
        await stop
    lab.runtime = lab.another_runtime()
    await lab.runtime.open()
    assert await lab.runtime.running() == ("stubborn",)


async def test_a_system_without_process_descriptors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    runtime = ProcessRuntime(Paths(tmp_path, tmp_path))
    with pytest.raises(ConfigError, match="needs Linux"):
        await runtime.open()


async def test_the_logs_of_running_agents_are_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_runtime, "LOG_SECONDS", 0.0)
    lab = ProcessLab(tmp_path)
    lab.runtime = lab.another_runtime(log_limit=1000)
    await lab.runtime.open()
    spec = lab.script('i=0; while :; do i=$((i+1)); echo "line $i"; done', "talker")
    await lab.start(spec)
    older = spec.log_file.with_name("output.log.1")
    seen = []
    async for line in lab.runtime.follow(spec, 0):
        seen.append(int(line.partition(" ")[2] or 0) if line.startswith("line ") else 0)
        if await asyncio.to_thread(older.exists):
            break
    assert seen == sorted(seen)
    await lab.runtime.kill("talker")
    await lab.runtime.close()


async def test_a_flood_of_output_is_bounded_and_its_end_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_runtime, "LOG_SECONDS", 0.02)
    lab = ProcessLab(tmp_path)
    protection = MachineProtection(log_rate=1000, log_burst=50_000)
    lab.runtime = lab.another_runtime(protection=protection)
    await lab.runtime.open()
    spec = lab.script("yes | head -c 20000000; sleep 0.3; echo last words; exit 3", "talker")
    ended = await (await lab.start(spec)).first()
    assert ended.last_lines[-1] == "last words"
    size = await asyncio.to_thread(spec.log_file.stat)
    assert size.st_size < 50_000 + 3 * TAIL_BYTES
    assert "bytes dropped: over 1000 bytes per second" in await asyncio.to_thread(
        spec.log_file.read_text
    )
    await lab.runtime.close()


def test_runs_get_ids_from_the_given_randomness(tmp_path: Path) -> None:
    async def run_id() -> str:
        lab = ProcessLab(tmp_path)
        lab.runtime = ProcessRuntime(lab.paths, random=Random(1))
        await lab.runtime.open()
        ends = Ends()
        running = await lab.runtime.ensure_running(lab.script("exit 0"), ends)
        await ends.first()
        await lab.runtime.close()
        (tmp_path / "ready").unlink()
        return running.instance

    assert asyncio.run(run_id()) == asyncio.run(run_id()) == f"{Random(1).getrandbits(128):032x}"


# Release


async def collected(pid: int) -> None:
    """Wait until not even the zombie of a process is left."""
    while await asyncio.to_thread(Path("/proc", str(pid)).exists):
        await asyncio.sleep(0.01)


async def test_a_released_process_runs_on_without_a_record_and_its_end_is_not_reported(
    lab: ProcessLab,
) -> None:
    ends = await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    pid = int(await lab.read())
    assert lab.runtime.released_unit("alice") is None
    for _ in range(2):  # idempotent
        await lab.runtime.release("alice")
        assert not await asyncio.to_thread(record_file(lab).exists)
    assert await lab.runtime.running() == ()
    assert await alive(pid)
    os.kill(pid, signal.SIGKILL)
    await collected(pid)
    assert ends.received == []


async def test_another_process_can_be_started_in_the_place_of_a_released_one(
    lab: ProcessLab,
) -> None:
    await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    first = int(await lab.read())
    await lab.runtime.release("alice")
    ends = await lab.start(lab.script("echo $$ > $READY; exec sleep 1000"))
    second = int(await lab.read())
    os.kill(first, signal.SIGKILL)
    await collected(first)
    assert await lab.runtime.running() == ("alice",)
    assert (first != second, ends.received) == (True, [])


async def test_there_is_no_machine_to_take_over(lab: ProcessLab) -> None:
    assert not await lab.runtime.can_take_over("alice", "alice", stop=True)
    await lab.runtime.take_over("h-alice", "bob")
