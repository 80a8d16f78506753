"""Paths of a hive: the run directory with the sockets and the state directory with durable data.

Imports nothing slow, since every command-line verb needs it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hive.errors import BadRequestError

IN_CONTAINER_SOCKET = Path("/run/hive/mcp.sock")
"""Path of the socket of an agent inside its container."""

SOCKET_PATH_MAX = 107
"""Bytes that fit into `sun_path` of unix(7), without the final NUL."""

RUN_DIR_MODE = 0o751
"""Mode of the run directory: others may reach a socket in it by name, and list or write nothing."""

STATE_DIR_MODE = 0o750
"""Mode of the state directory and of the directories of the agents in it."""

SOCKET_DIR_MODE = 0o755
"""Mode of the directories of participants' sockets: others may list them."""

PRIVATE_MODE = 0o700
"""Mode of directories that only the daemon may enter."""


class Paths:
    """The layout of one hive on disk.

    Args:
        run_dir: Directory of the sockets.
        state_dir: Directory of the store, of the agents, and of the daemon's lock.
    """

    def __init__(self, run_dir: Path, state_dir: Path) -> None:
        self.run_dir = run_dir
        self.state_dir = state_dir

    @property
    def host_socket(self) -> Path:
        """The operator's socket."""
        return self.run_dir / "host.sock"

    @property
    def manager_socket(self) -> Path:
        """The socket of the manager agent, with its additional verbs."""
        return self.run_dir / "manager.sock"

    @property
    def new_sockets_dir(self) -> Path:
        """Directory in which only the daemon binds sockets, before it renames them into place.

        The paths in it are not longer than that of `host_socket`.
        """
        return self.run_dir / "new"

    @property
    def agents_run_dir(self) -> Path:
        """The parent of the socket directories of all participants."""
        return self.run_dir / "agents"

    def socket_dir(self, name: str) -> Path:
        """The socket directory of a participant, bind-mounted into its container at /run/hive."""
        return self.agents_run_dir / name

    def agent_socket(self, name: str) -> Path:
        """The socket of one agent or peer."""
        return self.socket_dir(name) / "mcp.sock"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "hive.sqlite"

    @property
    def lock_file(self) -> Path:
        """Locked by the one daemon of this state directory; holds its pid."""
        return self.state_dir / "hive-c0re.lock"

    @property
    def run_lock_file(self) -> Path:
        """Locked by the one daemon whose sockets are in this run directory; holds its pid."""
        return self.run_dir / "host.lock"

    @property
    def agents_state_dir(self) -> Path:
        """The parent of the directories of all agents."""
        return self.state_dir / "agents"

    def agent_dir(self, name: str) -> Path:
        """The directory of all files of one agent."""
        return self.agents_state_dir / name

    def agent_state(self, name: str) -> Path:
        """The state directory of an agent; /agents/<name>/state inside its container."""
        return self.agent_dir(name) / "state"

    def agent_log(self, name: str) -> Path:
        """Standard output and error of an agent under the process runtime."""
        return self.agent_dir(name) / "output.log"


def find(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> Paths:
    """Return the paths of the hive of this machine and user.

    `HYPERHIVE_RUN_DIR` and `HYPERHIVE_STATE_DIR` take precedence; the default is the system
    directories for root, the XDG base directories for other users.
    """
    env = os.environ if environ is None else environ
    root = (os.geteuid() if euid is None else euid) == 0
    return Paths(
        _dir(env, "HYPERHIVE_RUN_DIR", _default_run(env, root=root)),
        _dir(env, "HYPERHIVE_STATE_DIR", _default_state(env, root=root)),
    )


def check_socket_path(path: Path) -> Path:
    """Return the path if a unix socket can be bound to it.

    Raises:
        BadRequestError: It is longer than the kernel allows.
    """
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_MAX:
        raise BadRequestError(
            f"the socket path {path} has {size} bytes, the kernel allows {SOCKET_PATH_MAX}; "
            "set HYPERHIVE_RUN_DIR to a shorter directory"
        )
    return path


def make_directory(path: Path, mode: int, *, narrow: bool = False) -> None:
    """Make a directory and its missing parents, none of them wider than `mode`, for any umask.

    Missing parents get `RUN_DIR_MODE`.

    Args:
        path: The directory; it may exist.
        mode: Its permissions if it is made; the umask may remove some.
        narrow: Remove from a directory of our own that exists the permissions beyond `mode`. Only
            for a directory whose parent only this user can write to. Without it, only others lose
            the right to write, and not in a directory with the sticky bit, such as /tmp: it is
            shared by intention, and others cannot rename our files there.

    Raises:
        OSError: It cannot be made.
    """
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(RUN_DIR_MODE, exist_ok=True)
    path.mkdir(mode, exist_ok=True)
    found = path.lstat()
    allowed = (mode if narrow else ~stat.S_IWOTH) | 0o7000
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    is_shared = found.st_mode & stat.S_ISVTX and not narrow
    if is_ours and not is_shared and stat.S_IMODE(found.st_mode) & ~allowed:
        path.chmod(stat.S_IMODE(found.st_mode) & allowed)


def require_private(path: Path) -> None:
    """Require that a directory is our own, and that no other user can write to it.

    Raises:
        PermissionError: It is another user's, a link, or writable for others.
    """
    found = path.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or stat.S_IMODE(found.st_mode) & 0o022:
        raise PermissionError(
            errno.EPERM,
            f"{path} is not a private directory of this user (owner {found.st_uid}, "
            f"mode {stat.S_IMODE(found.st_mode):04o})",
        )


def _dir(env: Mapping[str, str], variable: str, default: Path) -> Path:
    return Path(env[variable]).absolute() if env.get(variable) else default


def _default_run(env: Mapping[str, str], *, root: bool) -> Path:
    if root:
        return Path("/run/hyperhive")
    if env.get("XDG_RUNTIME_DIR"):
        return Path(env["XDG_RUNTIME_DIR"]) / "hyperhive"
    return _default_state(env, root=False) / "run"


def _default_state(env: Mapping[str, str], *, root: bool) -> Path:
    if root:
        return Path("/var/lib/hyperhive")
    base = env.get("XDG_STATE_HOME") or Path(env.get("HOME") or "/") / ".local" / "state"
    return Path(base) / "hyperhive"
