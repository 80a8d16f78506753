"""Run records are complete or an error with their path; directories are removed safely."""

import os
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import FailedError
from hive.machines.process import runfile
from hive.machines.process.runfile import RunRecord

RECORD = RunRecord(
    name="alice",
    run="00ff",
    boot_id="boot",
    started_at=1.5,
    log_file="/var/log/alice",
    log_start=7,
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / runfile.FILE_NAME
    for record in (RECORD, evolve(RECORD, pid=5, start_ticks=6)):
        runfile.write(file, record)
        assert runfile.read(file) == record
    assert [path.name for path in tmp_path.iterdir()] == [runfile.FILE_NAME]


def test_a_record_is_synced_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / runfile.FILE_NAME
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: synced.append((Path(f"/proc/self/fd/{fd}").readlink().name, file.exists())),
    )
    runfile.write(file, RECORD)
    assert synced == [("process.json.new", False), (tmp_path.name, True)]


def test_others_cannot_write_a_record(tmp_path: Path) -> None:
    file = tmp_path / runfile.FILE_NAME
    before = os.umask(0)
    try:
        runfile.write(file, RECORD)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_record_is_none(tmp_path: Path) -> None:
    file = tmp_path / runfile.FILE_NAME
    assert runfile.read(file) is None
    runfile.remove(file)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": "alice"}', '{"what": 1}'])
def test_an_invalid_record_is_an_error_with_its_path(tmp_path: Path, content: str) -> None:
    file = tmp_path / runfile.FILE_NAME
    file.write_text(content)
    with pytest.raises(FailedError, match=f"{file} of a process cannot be read"):
        runfile.read(file)


def test_every_process_of_a_run_carries_its_id() -> None:
    assert RECORD.mark == "HIVE_RUN=00ff"
