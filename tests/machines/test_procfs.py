"""Reading a fake /proc and the real one."""

import os
from pathlib import Path

import pytest

from hive.machines.process.procfs import Process, ProcFs, Traces

MARK = "HIVE_RUN=abc"


def add(
    root: Path,
    pid: int,
    *,
    stat: str = "S",
    command: str = "agent",
    session: int = 1,
    mark: str = "",
) -> None:
    fields = [stat, "1", "1", str(session), *["0"] * 15, "4711", *["0"] * 29, "1792", "0"]
    (root / str(pid)).mkdir()
    (root / str(pid) / "stat").write_text(f"{pid} ({command}) {' '.join(fields)}\n")
    (root / str(pid) / "environ").write_text(f"PATH=/bin\0{mark}\0HOME=/\0")


def test_a_process_is_read_from_its_stat_line(tmp_path: Path) -> None:
    add(tmp_path, 7, session=5)
    assert ProcFs(tmp_path).process(7) == Process(7, "agent", False, 5, 4711, 1792)


@pytest.mark.parametrize("command", ["a b", "((", ") S 1 2", "a\nb"])
def test_a_program_may_have_any_name(tmp_path: Path, command: str) -> None:
    add(tmp_path, 7, command=command)
    process = ProcFs(tmp_path).process(7)
    assert process is not None
    assert (process.command, process.start_ticks) == (command, 4711)


def test_a_process_that_does_not_exist_is_none(tmp_path: Path) -> None:
    assert ProcFs(tmp_path).process(7) is None
    assert MARK.encode() not in ProcFs(tmp_path).environment(7)


@pytest.mark.parametrize(
    ("state", "dead"), [("R", False), ("D", False), ("T", False), ("Z", True), ("X", True)]
)
def test_zombies_are_dead(tmp_path: Path, state: str, dead: bool) -> None:
    add(tmp_path, 7, stat=state)
    procfs = ProcFs(tmp_path)
    assert (procfs.living(7, 4711) is None) == dead
    assert procfs.since(7, 4711) is not None
    assert procfs.zombie_status(7, 4711) == (1792 if dead else None)


def test_a_pid_with_another_start_time_is_another_process(tmp_path: Path) -> None:
    add(tmp_path, 7, stat="Z")
    procfs = ProcFs(tmp_path)
    assert procfs.living(7, 4710) is None
    assert procfs.since(7, 4710) is None
    assert procfs.zombie_status(7, 4710) is None


def test_the_wait_status_of_another_users_zombie_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, 7, stat="Z")
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "7").stat().st_uid + 1)
    assert ProcFs(tmp_path).zombie_status(7, 4711) is None


def test_marked_processes_are_alive_and_have_exactly_the_mark(tmp_path: Path) -> None:
    add(tmp_path, 7, mark=MARK)
    add(tmp_path, 8, mark=MARK, stat="Z")
    add(tmp_path, 9, mark=MARK + "d")
    add(tmp_path, 10, mark="X" + MARK)
    add(tmp_path, 11, session=99)
    add(tmp_path, os.getpid(), mark=MARK)
    (tmp_path / "self").mkdir()
    procfs = ProcFs(tmp_path)
    assert [process.pid for process in procfs.marked(MARK)] == [7]
    assert sorted(process.pid for process in procfs.marked(MARK, session=99)) == [7, 11]


def test_several_runs_are_found_in_one_search(tmp_path: Path) -> None:
    add(tmp_path, 7, mark=MARK)
    add(tmp_path, 8, mark="HIVE_RUN=def")
    add(tmp_path, 9, session=8)
    add(tmp_path, 10)
    log = tmp_path / "output.log"
    log.touch()
    (tmp_path / "10" / "fd").mkdir()
    (tmp_path / "10" / "fd" / "2").symlink_to(log)
    found = log.stat()
    runs = [
        Traces(MARK, output=(found.st_dev, found.st_ino)),
        Traces("HIVE_RUN=def", session=8),
        Traces("HIVE_RUN=none"),
        Traces(MARK),
    ]
    pids = [sorted(process.pid for process in run) for run in ProcFs(tmp_path).search(runs)]
    assert pids == [[7, 10], [8, 9], [], [7]]


def test_the_real_proc_has_this_process() -> None:
    procfs = ProcFs()
    process = procfs.process(os.getpid())
    assert process is not None
    assert process.session == os.getsid(0)
    assert procfs.living(os.getpid(), process.start_ticks) == process
    assert str(process) == f"{process.command} ({os.getpid()})"
    assert len(procfs.boot_id()) == 36
