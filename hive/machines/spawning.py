"""Starting a program as an agent: record, process, record again; or a sentence that says why not.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from hive.errors import FailedError
from hive.machines import records
from hive.machines.output import OutputLog
from hive.machines.procfs import ProcFs
from hive.machines.records import RunRecord
from hive.machines.runtime import MachineSpec

_SUPERVISORS_OWN = frozenset(
    {
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
"""What systemd tells the daemon about the daemon itself; see systemd.exec(5), sd_notify(3)."""


@frozen
class Held:
    """A process that runs, its record, and the file descriptor that holds it."""

    record: RunRecord
    pid: int
    pidfd: int


def child_environment(
    base: Mapping[str, str], spec: MachineSpec, record: RunRecord
) -> dict[str, str]:
    """Return the environment of an agent: the daemon's, then the spec's, then the run id."""
    inherited = {key: value for key, value in base.items() if key not in _SUPERVISORS_OWN}
    return {**inherited, **spec.environment, records.RUN_VARIABLE: record.run}


def spawn(
    spec: MachineSpec,
    record: RunRecord,
    record_file: Path,
    *,
    environment: Mapping[str, str],
    log: OutputLog,
    procfs: ProcFs,
) -> Held:
    """Start the program in a session and process group of its own.

    Raises:
        FailedError: It could not be started; no process and no record are left behind.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        record_file.parent.mkdir(parents=True, exist_ok=True)
        records.write(record_file, record)
        process = _popen(spec, environment, log)
        return _hold(process.pid, record, record_file, procfs)
    except OSError as error:
        if process:
            os.killpg(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
        records.remove(record_file)
        raise FailedError(why_not(spec, error)) from error


def why_not(spec: MachineSpec, error: OSError) -> str:
    """Return the sentence for a program that could not be started."""
    start = f"{spec.name} could not be started: "
    program, directory = spec.command[0], _directory(spec)
    about_directory = str(error.filename) == str(directory)
    match error:
        case FileNotFoundError() | NotADirectoryError() if about_directory:
            return f"{start}its working directory {directory} is no directory; create it"
        case PermissionError() if about_directory:
            return f"{start}its working directory {directory} may not be entered; correct its mode"
        case FileNotFoundError() if error.filename == program:
            return (
                f"{start}there is no program {program!r} (or no interpreter that its first line "
                "names); install it, correct the command, or give the full path"
            )
        case PermissionError() if error.filename == program:
            return f"{start}the program {program!r} may not be executed; correct its mode"
        case _:
            return f"{start}{program!r}: {error}"


def _popen(
    spec: MachineSpec, environment: Mapping[str, str], log: OutputLog
) -> subprocess.Popen[bytes]:
    fd = log.open()
    try:
        process = subprocess.Popen(
            spec.command,
            cwd=_directory(spec),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(fd)
    # We collect it ourselves, by its pidfd. Without a return code the object would try to, too.
    process.returncode = 0
    return process


def _hold(pid: int, record: RunRecord, record_file: Path, procfs: ProcFs) -> Held:
    fd = os.pidfd_open(pid)
    try:
        process = procfs.process(pid)
        if process is None:
            raise ProcessLookupError("it ended before it could be watched")
        known = evolve(record, pid=pid, start_ticks=process.start_ticks)
        records.write(record_file, known)
    except OSError:
        os.close(fd)
        raise
    return Held(known, pid, fd)


def _directory(spec: MachineSpec) -> Path:
    return spec.working_directory or spec.state_dir
