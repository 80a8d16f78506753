"""The environment variables by which the hive configures a participant's programs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.errors import ConfigError

SOCKET = "HIVE_SOCKET"
STATE = "HIVE_STATE"
STOP_TIMEOUT = "HIVE_STOP_TIMEOUT"
DRIVER_SETTINGS = "HIVE_DRIVER_SETTINGS"

DEFAULT_STOP_TIMEOUT = 10.0
"""Seconds, the default of HIVE_STOP_TIMEOUT."""


def socket_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return the path of the participant's socket: HIVE_SOCKET, or its path inside a container."""
    return environ.get(SOCKET) or IN_CONTAINER_SOCKET


def state_dir(environ: Mapping[str, str] = os.environ) -> str:
    """Return the state directory: HIVE_STATE, or one in the user's XDG state directory."""
    if environ.get(STATE):
        return environ[STATE]
    home = (environ.get("HOME") or "/").rstrip("/")
    return f"{environ.get('XDG_STATE_HOME') or f'{home}/.local/state'}/hive-ag3nt"


def driver_settings(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the driver settings of the agent's manifest: JSON in HIVE_DRIVER_SETTINGS, or None."""
    return environ.get(DRIVER_SETTINGS) or None


def stop_timeout(environ: Mapping[str, str] = os.environ) -> float:
    """Return the seconds between the runtime's SIGTERM and its SIGKILL.

    Raises:
        ConfigError: When HIVE_STOP_TIMEOUT is not a positive number.
    """
    written = environ.get(STOP_TIMEOUT) or str(DEFAULT_STOP_TIMEOUT)
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{STOP_TIMEOUT}={written!r} is not a positive number of seconds")
    return seconds


def drain_time(timeout: float) -> float:
    """Return the seconds of the stop timeout in which work may end by itself.

    The rest is for killing it and returning its messages, before the runtime kills all processes.
    """
    return max(timeout - 2.0, timeout / 2)
