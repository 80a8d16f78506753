"""What a daemon writes down about a process it starts, so that the next daemon can find it again.

The record is on disk before the process exists, with a run id that is also in the process's
environment; pid and start time follow once they are known. So at every instant at which a daemon
may die, the next one finds either the pid or a process that carries the id, and nothing runs twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from hive.errors import FailedError

FILE_NAME = "process.json"
RUN_VARIABLE = "HIVE_RUN"


@frozen
class RunRecord:
    """One run of one agent.

    Attributes:
        name: The agent.
        run: Random id of this run, in the process's environment as HIVE_RUN.
        boot_id: The boot of the machine it belongs to; nothing of it lives after another boot.
        started_at: Wall time in seconds.
        log_file: Where its output goes.
        log_start: How many bytes the log had before.
        pid: Its process, None until it is known.
        start_ticks: When the kernel says it started, in clock ticks since boot; None with `pid`.
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
        """What every process of this run carries in its environment."""
        return f"{RUN_VARIABLE}={self.run}"


def write(path: Path, record: RunRecord) -> None:
    """Put the record on disk: the old one or the new one is there, whole, whatever happens.

    Raises:
        OSError: The disk is full, the directory is not ours.
    """
    new = path.with_name(path.name + ".new")
    with new.open("w") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_directory(path.parent)


def read(path: Path) -> RunRecord | None:
    """Return the record, None when there is none.

    Raises:
        FailedError: There is a file, but not one that `write` made.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        return RunRecord(**values)
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise FailedError(
            f"the record {path} of a process cannot be read ({error}); see whether that agent's "
            "program still runs, end it, then remove the file"
        ) from error


def remove(path: Path) -> None:
    """Remove the record. It need not be durable: what a record names is looked up before use."""
    path.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
