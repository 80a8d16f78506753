"""The run directory and the state directory of a hive, and the sockets that every verb looks for.

Paths are text here: a verb that needs only these imports no `pathlib`. `hive.paths` has the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from hive.errors import BadRequestError
from hive.quantities import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    P = TypeVar("P", bound="StrPath")

StrPath: TypeAlias = "str | os.PathLike[str]"
"""A path, as text or as a `pathlib.Path`."""

IN_CONTAINER_SOCKET = "/run/hive/mcp.sock"
"""Path of the socket of an agent inside its container."""

HOST_SOCKET = "host.sock"
"""Name of the operator's socket in the run directory."""

WEB_SOCKET = "web.sock"
"""Name of the dashboard's control socket in its own run directory."""

_OF_WEB = "-web"
"""What the dashboard's directories add to those of the daemon: they belong to another user."""

MACHINE_RUN_DIR = "/run/hyperhive"
"""Run directory of the hive of a machine, which root runs."""

SOCKET_PATH_MAX = 107
"""Bytes that fit into `sun_path` of unix(7), without the final NUL."""


def run_dir(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the run directory of the hive of this machine and user, see `hive.paths.find`."""
    env = os.environ if environ is None else environ
    if env.get("HYPERHIVE_RUN_DIR"):
        return _absolute(env["HYPERHIVE_RUN_DIR"])
    if _is_root(euid):
        return MACHINE_RUN_DIR
    if env.get("XDG_RUNTIME_DIR"):
        return _below(env["XDG_RUNTIME_DIR"], "hyperhive")
    return _below(_default_state(env, euid), "run")


def state_dir(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the state directory of the hive of this machine and user, see `hive.paths.find`."""
    env = os.environ if environ is None else environ
    if env.get("HYPERHIVE_STATE_DIR"):
        return _absolute(env["HYPERHIVE_STATE_DIR"])
    return _default_state(env, euid)


def host_socket(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the path of the operator's socket, see `_nearest`."""
    return _nearest(run_dir, HOST_SOCKET, environ, euid)


def web_run_dir(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the run directory of the dashboard, beside that of the daemon."""
    return run_dir(environ, euid=euid).rstrip("/") + _OF_WEB


def web_state_dir(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the state directory of the dashboard, beside that of the daemon."""
    return state_dir(environ, euid=euid).rstrip("/") + _OF_WEB


def web_socket(environ: Mapping[str, str] | None = None, *, euid: int | None = None) -> str:
    """Return the path of the dashboard's control socket, see `_nearest`."""
    return _nearest(web_run_dir, WEB_SOCKET, environ, euid)


def _nearest(
    directory: Callable[..., str], name: str, environ: Mapping[str, str] | None, euid: int | None
) -> str:
    """Return the path of a socket of the user's own hive, or of that of the machine.

    Whoever has no hive of its own, and may use the one that root runs, operates that one: a member
    of `hive-admin`. Reads the file system.
    """
    env = os.environ if environ is None else environ
    own = _below(directory(env, euid=euid), name)
    if env.get("HYPERHIVE_RUN_DIR") or os.path.exists(own):
        return own
    machines = _below(directory({}, euid=0), name)
    return machines if os.access(machines, os.W_OK) else own


def check_socket_path(path: P) -> P:
    """Return the path if a unix socket can be bound to it.

    Raises:
        BadRequestError: It is longer than the kernel allows.
    """
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_MAX:
        raise BadRequestError(
            f"the socket path {path} has {counted(size, 'byte')}, the kernel allows "
            f"{SOCKET_PATH_MAX}; set HYPERHIVE_RUN_DIR to a shorter directory, or choose a shorter "
            "name"
        )
    return path


def _is_root(euid: int | None) -> bool:
    return (os.geteuid() if euid is None else euid) == 0


def _default_state(env: Mapping[str, str], euid: int | None) -> str:
    if _is_root(euid):
        return "/var/lib/hyperhive"
    base = env.get("XDG_STATE_HOME") or _below(env.get("HOME") or "/", ".local/state")
    return _below(base, "hyperhive")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else _below(os.getcwd(), path)


def _below(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}"
