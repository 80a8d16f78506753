"""Run files: records of started processes, by which the next daemon finds them.

A record is on disk before its process exists, with a run id that is also in the environment of the
process; pid and start time follow once they are known. So wherever a daemon dies, the next one
finds either the pid or a process that carries the id, and nothing runs twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
from attrs import asdict, frozen

from hive.errors import FailedError
from hive.machines.agent_files import read_regular

FILE_NAME = "process.json"
RUN_VARIABLE = "HIVE_RUN"

_BYTES_MAX = 64 * 1024
"""Bytes that are read of a record, which has less than 1 KiB."""


@frozen
class RunRecord:
    """One run of one agent.

    Attributes:
        name: Name of the agent.
        run: Random id of this run, in the process's environment as HIVE_RUN.
        boot_id: Boot of the machine during which it started; it cannot outlive that.
        started_at: Wall time in seconds of its start.
        log_file: Path of its output.
        log_start: Size of the log in bytes at its start.
        pid: Process id; None until it is known.
        start_ticks: Start time in clock ticks since boot, by the kernel; None if `pid` is None.
    """

    name: str
    run: str
    boot_id: str
    started_at: float
    log_file: str
    log_start: int
    pid: int | None = None
    start_ticks: int | None = None

    @property
    def mark(self) -> str:
        """Entry that every process of this run has in its environment."""
        return f"{RUN_VARIABLE}={self.run}"


def write(path: Path, record: RunRecord) -> None:
    """Write a record durably and atomically.

    Raises:
        OSError: The disk is full, or the directory is not writable.
    """
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(new, flags, 0o600), "w") as file:  # noqa: PTH123 - an open file
        os.fchmod(file.fileno(), 0o600)  # a umask of 0777 leaves no rights to its owner
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_directory(path.parent)


def read(path: Path) -> RunRecord | None:
    """Return the record; None if there is no file.

    Raises:
        FailedError: The file is unreadable or damaged.
    """
    try:
        return msgspec.json.decode(read_regular(path, _BYTES_MAX), type=RunRecord)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise FailedError(
            f"the record {path} of a process cannot be read ({error}); see whether that agent's "
            "program still runs, end it, then remove the file"
        ) from error


def remove(path: Path) -> None:
    """Remove a record. Not durably: a record is compared with the process table before use."""
    path.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
