"""What machines use, from the files of control groups and of the process table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hive.machines.process.procfs import PAGE_BYTES, TICKS, ProcFs
from hive.machines.resource_use import (
    ResourceUse,
    control_group_of,
    of_containers,
    of_control_group,
)

UNIT = "systemd-nspawn@h-alice.service"
GROUP = f"/machine.slice/{UNIT}"


def group(mount: Path, path: str, *, memory: str | None = "4096", cpu: str = "2500000") -> None:
    directory = mount / path.removeprefix("/")
    directory.mkdir(parents=True)
    (directory / "cpu.stat").write_text(f"usage_usec {cpu}\nuser_usec 1\n")
    if memory is not None:
        (directory / "memory.current").write_text(f"{memory}\n")


def test_a_control_group_has_memory_and_processor_time(tmp_path: Path) -> None:
    group(tmp_path, GROUP)
    assert of_control_group(GROUP, tmp_path) == ResourceUse(4096, 2.5)
    assert of_control_group("/other.slice", tmp_path) is None


def test_a_group_without_the_controller_of_memory_has_none(tmp_path: Path) -> None:
    group(tmp_path, GROUP, memory=None)
    assert of_control_group(GROUP, tmp_path) == ResourceUse(None, 2.5)


@pytest.mark.parametrize("cpu", ["many", ""])
def test_a_file_of_another_form_is_unknown(tmp_path: Path, cpu: str) -> None:
    group(tmp_path, GROUP, cpu=cpu)
    assert of_control_group(GROUP, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"0::{GROUP}/payload/init.scope\n", GROUP),
        (f"0::{GROUP}\n", GROUP),
        (f"1:name=systemd:{GROUP}\n0::/\n", None),
        ("0::/user.slice/user-1000.slice\n", None),
        (f"0::{GROUP}x/payload\n", None),
        ("", None),
    ],
)
def test_the_group_of_a_container_is_that_of_its_unit(text: str, expected: str | None) -> None:
    assert control_group_of(text, UNIT) == expected


def test_containers_are_found_by_their_leader_and_the_others_are_missing(tmp_path: Path) -> None:
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    group(mount, GROUP)
    for pid, path in ((7, f"{GROUP}/payload"), (8, "/user.slice")):
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "cgroup").write_text(f"0::{path}\n")
    units = {"alice": (UNIT, 7), "bob": ("systemd-nspawn@h-bob.service", 8), "gone": (UNIT, 9)}
    assert of_containers(units, proc=proc, mount=mount) == {"alice": ResourceUse(4096, 2.5)}


def process(root: Path, pid: int, parent: int, session: int, *, pages: int, ticks: int) -> None:
    fields = ["S", str(parent), "1", str(session), *["0"] * 7]
    fields += [str(ticks), "0", "0", "0", *["0"] * 6, str(pages), *["0"] * 20]
    (root / str(pid)).mkdir()
    (root / str(pid) / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")


def test_processes_belong_to_the_leader_of_their_session_or_that_of_an_ancestor(
    tmp_path: Path,
) -> None:
    process(tmp_path, 10, 1, 10, pages=1, ticks=TICKS)
    process(tmp_path, 11, 10, 10, pages=2, ticks=0)
    process(tmp_path, 12, 1, 10, pages=4, ticks=0)  # its parent has ended
    process(tmp_path, 13, 11, 13, pages=8, ticks=TICKS)  # a session of its own
    process(tmp_path, 14, 13, 13, pages=16, ticks=0)
    process(tmp_path, 20, 1, 20, pages=32, ticks=0)
    process(tmp_path, 30, 1, 30, pages=64, ticks=0)  # nobody's
    process(tmp_path, 31, 30, 31, pages=128, ticks=0)
    assert ProcFs(tmp_path).uses([10, 20, 99]) == {
        10: ResourceUse(31 * PAGE_BYTES, 2.0),
        20: ResourceUse(32 * PAGE_BYTES, 0.0),
    }


def test_a_cycle_in_a_table_that_changes_meanwhile_ends(tmp_path: Path) -> None:
    process(tmp_path, 10, 11, 5, pages=1, ticks=0)
    process(tmp_path, 11, 10, 5, pages=1, ticks=0)
    assert ProcFs(tmp_path).uses([7]) == {}


def test_the_real_process_table_counts_this_program_and_its_children() -> None:
    code = "x = bytearray(32 << 20); print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        found = ProcFs().uses([child.pid, os.getpid()])
    finally:
        child.communicate(b"\n")
    assert (found[child.pid].memory or 0) > 32 << 20
    assert (found[os.getpid()].cpu_seconds or 0.0) > 0
