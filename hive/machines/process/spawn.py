"""Start an agent's program: write the record, start the process, complete the record.

Everything here blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import evolve, frozen

from hive import descriptors
from hive.errors import FailedError
from hive.executables import why_not_executable
from hive.machines.credentials import VARIABLE
from hive.machines.output_log import OutputLog
from hive.machines.process import runfile
from hive.machines.process.procfs import ProcFs
from hive.machines.process.runfile import RunRecord
from hive.machines.runtime import CannotStartError, MachineSpec
from hive.paths import STATE_DIR_MODE, make_directory

OOM_SCORE = 500
"""Score by which the kernel prefers agents to the rest of the machine when memory runs out; see
proc_pid_oom_score_adj(5). Without it an agent has that of the daemon, which is protected."""

_LASTING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.EISDIR, errno.ELOOP}
)
"""Errors of execve(2) and chdir(2) that stay until the file or the directory is another."""

_DAEMONS_OWN = frozenset(
    {
        VARIABLE,
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
"""Variables by which systemd describes the daemon; see systemd.exec(5), sd_notify(3)."""


@frozen
class ProcessHandle:
    """A process with its record.

    Attributes:
        record: The record in its run file.
        pid: Its process id.
        pidfd: Process file descriptor; the owner of the handle closes it.
    """

    record: RunRecord
    pid: int
    pidfd: int


def child_environment(
    base: Mapping[str, str], spec: MachineSpec, record: RunRecord, credentials: Path | None = None
) -> dict[str, str]:
    """Return the daemon's environment with the spec's variables and the run id.

    Args:
        base: The environment that agents inherit.
        spec: The agent.
        record: Has the run id.
        credentials: The directory of the agent's credentials; None without any.
    """
    found = {**agent_environment(base, spec), runfile.RUN_VARIABLE: record.run}
    if credentials is not None:
        found[VARIABLE] = str(credentials)
    return found


def agent_environment(base: Mapping[str, str], spec: MachineSpec) -> dict[str, str]:
    """Return the daemon's environment with the spec's variables."""
    inherited = {key: value for key, value in base.items() if key not in _DAEMONS_OWN}
    return {**inherited, **spec.environment}


def spawn(
    spec: MachineSpec,
    record: RunRecord,
    run_file: Path,
    *,
    environment: Mapping[str, str],
    log: OutputLog,
    procfs: ProcFs,
) -> ProcessHandle:
    """Start the program in a session and process group of its own.

    Args:
        spec: The agent.
        record: Record of the run, without process.
        run_file: Path of the record.
        environment: Its whole environment.
        log: File of its output.
        procfs: The process table.

    Raises:
        CannotStartError: Its program, interpreter or working directory is missing or unusable.
        FailedError: It could not be started; neither process nor run file is left.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        make_directory(run_file.parent, STATE_DIR_MODE)
        runfile.write(run_file, record)
        process = _popen(spec, environment, log)
        return _open(process.pid, record, run_file, procfs)
    except OSError as error:
        if process:
            os.killpg(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
        runfile.remove(run_file)
        kind = CannotStartError if _is_lasting(spec, error) else FailedError
        raise kind(why_not(spec, error, environment.get("PATH"))) from error


def _is_lasting(spec: MachineSpec, error: OSError) -> bool:
    """Return whether the error is about the program or the directory itself, not the moment."""
    named = {spec.command[0], str(_directory(spec))}
    return error.errno in _LASTING and str(error.filename) in named


def why_not(spec: MachineSpec, error: OSError, search_path: str | None = None) -> str:
    """Return the error sentence for a program that could not be started.

    Args:
        spec: The agent.
        error: What the start has raised.
        search_path: The PATH of the program; None for that of this process.
    """
    start = f"{spec.name} could not be started: "
    program, directory = spec.command[0], _directory(spec)
    about_directory = str(error.filename) == str(directory)
    match error:
        case FileNotFoundError() | NotADirectoryError() if about_directory:
            return f"{start}its working directory {directory} is no directory; create it"
        case PermissionError() if about_directory:
            return f"{start}its working directory {directory} may not be entered; correct its mode"
        case _ if (
            error.filename == program
            and (why := why_not_executable(program, search_path)) is not None
        ):
            return start + why
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
    descriptors.restore_limit(process.pid)
    with suppress(OSError):  # it has ended already
        Path(f"/proc/{process.pid}/oom_score_adj").write_text(f"{OOM_SCORE}\n")
    # Its pidfd collects it. Without a return code, the object would try to collect it, too.
    process.returncode = 0
    return process


def _open(pid: int, record: RunRecord, run_file: Path, procfs: ProcFs) -> ProcessHandle:
    fd = os.pidfd_open(pid)
    try:
        process = procfs.process(pid)
        if process is None:
            raise ProcessLookupError("it ended before it could be watched")
        known = evolve(record, pid=pid, start_ticks=process.start_ticks)
        runfile.write(run_file, known)
    except OSError:
        os.close(fd)
        raise
    return ProcessHandle(known, pid, fd)


def _directory(spec: MachineSpec) -> Path:
    return spec.working_directory or spec.state_dir
