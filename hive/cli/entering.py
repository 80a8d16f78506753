"""Programs in the surroundings of an agent: their command lines, and their run on this terminal."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from ctypes import CDLL
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from hive.cli.terminal_relay import relayed
from hive.errors import FailedError, NotAllowedError

AGENT_UNIT = "hive-agent.service"
"""The unit of an agent inside its container."""

SHELLS = ("/run/current-system/sw/bin/bash", "/bin/bash", "/bin/sh")
"""The shells of a container; the first that is there is taken."""

_FIRST_SHELL = f'for s in {" ".join(SHELLS)}; do [ -x "$s" ] && exec "$s" -l; done'

_OWN = frozenset({"TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR"})
"""Variables about the terminal, which are the operator's."""

_RUN = "HIVE_RUN"
"""Marks the processes that end with an agent; what an operator starts is none of them."""

_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

Row = Mapping[str, Any]
"""An `EntranceRow`."""


@frozen
class ProgramInside:
    """A program in the surroundings of an agent.

    Attributes:
        argv: The command line.
        directory: Its working directory; None for that of this program.
        environ: Its environment; None for that of this program.
        uid: Its user; None for that of this program.
        gid: Its group, likewise.
        is_foreign: Whether it must not have the operator's own terminal.
    """

    argv: tuple[str, ...]
    directory: str | None = None
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    uid: int | None = None
    gid: int | None = None
    is_foreign: bool = False


def in_container(
    entrance: Row, command: Sequence[str], environ: Mapping[str, str]
) -> ProgramInside:
    """Return a program that runs as a transient unit inside a container.

    So it has the limits and the rights of what runs inside. `machinectl shell` hides exit statuses,
    which `systemd-run --wait` returns. Its `--pty` looks for the container's terminal in the host's
    /dev/pts (systemd 252); by `--pipe` the program gets the terminal of this program, and systemd
    makes it the controlling one.
    """
    ours = {name: value for name, value in environ.items() if name in _OWN}
    variables = {**ours, **(entrance.get("variables") or {})}
    return ProgramInside(
        (
            *("systemd-run", f"--machine={entrance['machine']}"),
            *("--pipe", "--wait", "--collect", "--quiet", "--service-type=exec"),
            f"--working-directory={entrance['directory']}",
            *(f"--setenv={name}={value}" for name, value in variables.items()),
            *("--", *command),
        ),
        is_foreign=True,
    )


def beside_process(
    entrance: Row, command: Sequence[str], environ: Mapping[str, str], daemon_pid: int
) -> ProgramInside:
    """Return a program with the user, the environment and the directory of an agent's process.

    Args:
        entrance: Where the agent is.
        command: The command line.
        environ: The environment of this program, of which the terminal is taken.
        daemon_pid: Process id of the daemon, whose user agents have.

    Raises:
        NotAllowedError: Only that user and root may look into the process.
        FailedError: It has ended meanwhile.
    """
    process, daemon = Path(f"/proc/{entrance['pid']}"), Path(f"/proc/{daemon_pid}")
    try:
        found, owner = process.stat(), daemon.stat()
        written = (process / "environ").read_bytes()
    except PermissionError:
        raise NotAllowedError(
            f"only the user of the daemon, and root, can enter process {entrance['pid']}: "
            "run this as one of them"
        ) from None
    except OSError as error:
        raise FailedError(f"process {entrance['pid']} cannot be entered: {error}") from None
    if found.st_uid != owner.st_uid:
        raise NotAllowedError(
            f"process {entrance['pid']} has user {found.st_uid}, and the daemon has user "
            f"{owner.st_uid}; an agent has the same, so nothing was started"
        )
    pairs = (os.fsdecode(each).partition("=") for each in written.split(b"\0") if each)
    theirs = {name: value for name, _, value in pairs if name not in _OWN | {_RUN}}
    ours = {name: value for name, value in environ.items() if name in _OWN}
    entry = ProgramInside(tuple(command), entrance["directory"], {**theirs, **ours})
    if found.st_uid == os.geteuid():
        return entry
    return evolve(entry, uid=found.st_uid, gid=found.st_gid)


def shell_in(entrance: Row, environ: Mapping[str, str], daemon_pid: int) -> ProgramInside:
    """Return a shell in the surroundings of an agent; raises as `beside_process`."""
    if entrance.get("machine"):
        return in_container(entrance, ("/bin/sh", "-c", _FIRST_SHELL), environ)
    shell = environ.get("SHELL") or "/bin/sh"
    return beside_process(entrance, (shell,), environ, daemon_pid)


def conversation_in(entrance: Row, environ: Mapping[str, str], daemon_pid: int) -> ProgramInside:
    """Return the conversation of an agent, as its harness opens it; raises as `beside_process`."""
    command = (*entrance["program"], "converse", entrance["session"])
    if entrance.get("machine"):
        return in_container(entrance, (*command, "--unit", AGENT_UNIT), environ)
    return beside_process(entrance, command, environ, daemon_pid)


def run(entry: ProgramInside, meanwhile: Callable[[], object] = lambda: None) -> int:
    """Run a program on this terminal and return its exit status.

    Ctrl-C is the program's. It ends with this one, also if this one is killed.

    Args:
        entry: The program.
        meanwhile: Called once it runs.

    Raises:
        FailedError: It cannot be started.
    """
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _leave_to_the_program)

    def start(terminal: int | None) -> subprocess.Popen[bytes]:
        process = _started(entry, terminal)
        meanwhile()
        return process

    process = relayed(start) if entry.is_foreign else start(None)
    status = process.wait()
    return status if status >= 0 else 128 - status


def _started(entry: ProgramInside, terminal: int | None) -> subprocess.Popen[bytes]:
    """Start a program with these standard streams; None for those of this program."""
    libc = CDLL(None)  # before the fork
    try:
        return subprocess.Popen(
            entry.argv,
            cwd=entry.directory,
            env=entry.environ,
            user=entry.uid,
            group=entry.gid,
            extra_groups=None if entry.gid is None else [entry.gid],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            # One system call, and this program has one thread.
            preexec_fn=lambda: libc.prctl(_DEATH_SIGNAL, signal.SIGHUP),  # noqa: PLW1509
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise FailedError(f"{entry.argv[0]!r} cannot be started: {error}") from None


def _leave_to_the_program(number: int, frame: object) -> None:
    """Do nothing: the terminal sends the signal to both."""
