"""Paths of a hive: the run directory with the sockets and the state directory with durable data."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from hive import base_directories
from hive.base_directories import HOST_SOCKET, check_socket_path

RUN_DIR_MODE = 0o751
"""Mode of the run directory and of `agents` in it: others may reach a socket by name, and list or
write nothing."""

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
        return self.run_dir / HOST_SOCKET

    @property
    def manager_socket(self) -> Path:
        """The socket of the manager agent, with its additional verbs."""
        return self.run_dir / "manager.sock"

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

    def check_sockets(self, names: Iterable[str] = ()) -> None:
        """Check that the sockets of the daemon and of some participants can be bound.

        Raises:
            BadRequestError: A path is longer than the kernel allows.
        """
        for path in (self.host_socket, self.manager_socket, *map(self.agent_socket, names)):
            check_socket_path(path)

    def credentials(self, name: str) -> Path:
        """The directory of an agent's credentials under the process runtime."""
        return self.run_dir / "credentials" / name

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

    @property
    def proposed_dir(self) -> Path:
        """The parent of the proposed repositories; the manager may write below it."""
        return self.state_dir / "proposed"

    def proposed(self, name: str) -> Path:
        """The proposed repository of an agent."""
        return self.proposed_dir / name

    @property
    def applied_dir(self) -> Path:
        """The parent of the applied repositories."""
        return self.state_dir / "applied"

    @property
    def deployed_dir(self) -> Path:
        """The parent of the files of commits."""
        return self.state_dir / "deployed"

    def applied(self, name: str) -> Path:
        """The applied repository of an agent, which only the daemon writes."""
        return self.applied_dir / name

    def deployed(self, name: str, sha: str) -> Path:
        """The files of a commit that an agent runs or may run; read-only for it."""
        return self.deployed_of(name) / sha

    def deployed_of(self, name: str) -> Path:
        """The parent of the files of all commits of an agent."""
        return self.deployed_dir / name

    @property
    def meta_dir(self) -> Path:
        """The meta flake, with the NixOS systems of agents."""
        return self.state_dir / "meta"

    @property
    def nix_cache_dir(self) -> Path:
        """The caches of Nix's own."""
        return self.state_dir / "cache" / "nix"

    @property
    def deploys_dir(self) -> Path:
        """The outputs of deploys."""
        return self.state_dir / "deploys"

    def named_after(self, name: str) -> tuple[Path, ...]:
        """The directories that have the name of a participant; not all of them need exist."""
        return (
            self.agent_dir(name),
            self.socket_dir(name),
            self.proposed(name),
            self.applied(name),
            self.state_dir / "deployed" / name,
        )

    def agent_log(self, name: str) -> Path:
        """Standard output and error of an agent under the process runtime."""
        return self.agent_dir(name) / "output.log"


def find(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> Paths:
    """Return the paths of the hive of this machine and user.

    `HYPERHIVE_RUN_DIR` and `HYPERHIVE_STATE_DIR` take precedence; the default is the system
    directories for root, the XDG base directories for other users.
    """
    return Paths(
        Path(base_directories.run_dir(environ, euid=euid)),
        Path(base_directories.state_dir(environ, euid=euid)),
    )


def make_directory(path: Path, mode: int, *, narrow: bool = False) -> None:
    """Make a directory and its missing parents, none of them wider than `mode`, for any umask.

    Missing parents get `RUN_DIR_MODE`.

    Args:
        path: The directory; it may exist.
        mode: Its permissions if it is made; the umask may remove those of group and others.
        narrow: Remove from a directory of our own that exists the permissions beyond `mode`. Only
            for a directory whose parent only this user can write to. Without it, only others lose
            the right to write, and not in a directory with the sticky bit, such as /tmp: it is
            shared by intention, and others cannot rename our files there.

    Raises:
        OSError: It cannot be made.
    """
    for parent in reversed(path.parents):
        if not parent.exists():
            _make_one(parent, RUN_DIR_MODE)
    _make_one(path, mode)
    found = path.lstat()
    allowed = (mode if narrow else ~stat.S_IWOTH) | 0o7000
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    is_shared = found.st_mode & stat.S_ISVTX and not narrow
    if is_ours and not is_shared and stat.S_IMODE(found.st_mode) & ~allowed:
        path.chmod(stat.S_IMODE(found.st_mode) & allowed)


def _make_one(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    made = stat.S_IMODE(path.lstat().st_mode)
    if made & mode & stat.S_IRWXU != mode & stat.S_IRWXU:  # a umask of 0777
        path.chmod(made | mode & stat.S_IRWXU)
