"""The host: boots under `systemd-nspawn`, runs programs as its services, ends with all it holds."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.testbed import real_nixos
from tests.testbed.tree import make_root

ROOT = Path(__file__).resolve().parents[2]
"""The project, seen in the host at the same place."""

_BOOT_SECONDS = 60.0
_SHUTDOWN_SECONDS = 20.0
_RUN_SECONDS = 1200.0
"""How long a program may run in the host: a test that hangs shall not hold up everything."""

_LOOK_SECONDS = 0.5
"""How often it is looked whether a host that is to come up has ended instead."""

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin",
    # As on today's machines. Where the first process is not systemd, cgroups may be of both kinds,
    # and then systemd inside does not hear when a service has ended.
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
}

_PROGRAMS = ("systemd-nspawn", "machinectl", "nsenter", "setpriv", "dbus-daemon")


class BootError(Exception):
    """The host did not come up; the sentence says why, with the end of its console."""


def missing() -> str | None:
    """Return what keeps a host from being booted here, as one sentence; None if nothing does."""
    if os.geteuid() != 0:
        return "the systemd testbed needs root"
    lacking = [program for program in _PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"the systemd testbed needs {', '.join(lacking)}: run tests/testbed/install.sh"
    if not Path("/bin").is_symlink():
        return "the systemd testbed needs a machine whose /bin is a link to /usr/bin"
    return None


class Host:
    """A booted host.

    Args:
        leader: Process id of its systemd, as seen from here.
        directory: Working directory of its programs.
    """

    def __init__(self, leader: int, directory: Path = ROOT) -> None:
        self._leader = leader
        self._directory = directory

    def command(self, argv: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the command line that runs a program in the host, and has its exit status.

        The program is a service of the host, with the streams of the command line.
        """
        return (
            *("nsenter", f"--target={self._leader}", "--all", "--wdns=/"),
            *("systemd-run", "--pipe", "--wait", "--collect", "--quiet"),
            *("--service-type=exec", f"--working-directory={self._directory}"),
            f"--property=RuntimeMaxSec={_RUN_SECONDS:g}",
            *(f"--setenv={key}={value}" for key, value in environment.items()),
            *("--", *argv),
        )


@contextmanager
def booted() -> Iterator[Host]:
    """Boot a host; when done with it, shut it down and remove its files.

    Raises:
        BootError: It did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="hyperhive-testbed-") as directory:
        root = Path(directory, "root")
        make_root(root, machine_id=uuid.uuid4().hex)
        with _booted(Path(directory), _nspawn(root, *_shared(), "--private-network")) as leader:
            yield Host(leader)


@contextmanager
def booted_tree(root: Path) -> Iterator[Host]:
    """Boot a host from a root directory of its own, with this machine's network; then end it.

    Raises:
        BootError: It did not come up.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hyperhive-testbed-") as directory,
        _booted(Path(directory), _nspawn(root)) as leader,
    ):
        yield Host(leader, Path("/root"))


@contextmanager
def _booted(directory: Path, nspawn: list[str]) -> Iterator[int]:
    """Boot a host and return its first process; shut it down in the end."""
    console = directory / "console"
    with (
        _cgroup(directory.name) as cgroup,
        _Notifications(directory / "notify") as notifications,
        console.open("wb") as out,
    ):
        process = subprocess.Popen(
            [*_in_cgroup(cgroup), *nspawn],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_ENVIRONMENT | {"NOTIFY_SOCKET": str(notifications.path)},
        )
        try:
            leader = notifications.leader(process, console)
            # A socket that nobody reads any more would fill up, with every daemon-reload, and
            # then hold up nspawn and, behind it, the host's own first process.
            notifications.close()
            yield leader
        finally:
            _end(process)


def _shared() -> list[str]:
    """Return the options that show a host this machine's programs and the project."""
    prefixes = {sys.prefix, sys.base_prefix} - {"/usr"}
    shared = ["/usr", str(ROOT), *sorted(p for p in prefixes if not p.startswith(f"{ROOT}/"))]
    shared += map(str, real_nixos.shared_paths(os.environ))
    return [f"--bind-ro={path}" for path in shared]


def _nspawn(root: Path, *options: str) -> list[str]:
    return [
        # Whoever kills this program kills the host with it.
        *("setpriv", "--pdeathsig=KILL"),
        *("systemd-nspawn", f"--directory={root}", "--machine=hyperhive-testbed", "--boot"),
        *("--register=no", "--keep-unit", "--notify-ready=yes", "--console=pipe"),
        *("--capability=all", *options),
    ]


@contextmanager
def _cgroup(name: str) -> Iterator[Path]:
    """Create a control group of version 2 below that of this process; remove it in the end.

    nspawn makes the group of a host below the one it is in itself. Two hosts in the same one would
    end each other's services, for these have the same names in both.
    """
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next(Path(words[1]) for words in mounts if words[2] == "cgroup2")
    own = Path("/proc/self/cgroup").read_text().partition("0::/")[2].splitlines()[0]
    group = top / own / name
    group.mkdir()
    try:
        yield group
    finally:
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):  # what was killed may not have ended yet
                Path(directory).rmdir()


def _in_cgroup(group: Path) -> tuple[str, ...]:
    """Return the words before a command line that make it run in a control group."""
    return ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(group))


class _Notifications:
    """What nspawn tells by sd_notify(3): who the host's first process is, and that it is ready."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> "_Notifications":
        self._socket.bind(str(self.path))
        self._socket.settimeout(_LOOK_SECONDS)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hear nothing more: what is sent from now on is refused. Idempotent."""
        self._socket.close()

    def leader(self, process: subprocess.Popen[bytes], console: Path) -> int:
        """Wait until the host is ready; return its first process."""
        told: dict[str, str] = {}
        until = time.monotonic() + _BOOT_SECONDS
        while told.get("READY") != "1":
            with suppress(TimeoutError):
                told |= self._next()
            if process.poll() is not None or time.monotonic() > until:
                tail = console.read_text(errors="replace")[-2000:]
                raise BootError(f"the host did not come up; its console says:\n{tail}")
        return int(told["X_NSPAWN_LEADER_PID"])

    def _next(self) -> dict[str, str]:
        lines = self._socket.recv(4096).decode().splitlines()
        return {key: value for key, _, value in (line.partition("=") for line in lines)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Shut down the host; what is still there after a while is killed with its first process."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
