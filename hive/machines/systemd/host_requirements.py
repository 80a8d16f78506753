"""What a machine needs to run containers: systemd as its first process, and the programs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hive.errors import ConfigError

PROGRAMS = ("systemctl", "machinectl", "journalctl", "systemd-run", "systemd-nspawn")
"""Programs that have to be on PATH for each of the runtimes with containers."""

_BOOTED = Path("/run/systemd/system")
"""Directory that exists where systemd is the init system; see sd_booted(3)."""


def require_host(programs: Sequence[str], runtime: str) -> None:
    """Check that this machine can run containers. Blocks.

    Args:
        programs: Further programs that have to be on PATH.
        runtime: Name of the runtime.

    Raises:
        ConfigError: systemd is not the init system here, or a program is missing.
    """
    if not _BOOTED.is_dir():
        raise ConfigError(
            f"the {runtime} runtime needs systemd as this machine's first process; "
            "choose another runtime in hive.toml"
        )
    missing = [program for program in (*PROGRAMS, *programs) if shutil.which(program) is None]
    if missing:
        raise ConfigError(
            f"the {runtime} runtime needs {', '.join(missing)} on PATH; install the package "
            "(systemd-container on Debian) or choose another runtime in hive.toml"
        )
