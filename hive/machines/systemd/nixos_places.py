"""Where a NixOS host keeps its containers, and how their `.conf` files are read.

A `.conf` file looks like a shell script, but systemd reads it as an `EnvironmentFile=`, and nothing
here ever runs it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from attrs import frozen

from hive.errors import FailedError

TEMPLATE = Path("/etc/systemd/system/container@.service")
"""The unit of all containers of a NixOS host."""

CONF_BYTES = 65_536
"""The largest `.conf` file that is read."""

_OLDER_CONFS = Path("/etc/containers")
_OLDER_ROOTS = Path("/var/lib/containers")
_CONFS_OF_UNIT = re.compile(r"^EnvironmentFile=-?(?P<confs>/\S*)/%i\.conf$", re.MULTILINE)


@frozen
class NixosPlaces:
    """NixOS's directories of containers.

    Attributes:
        confs: Their `.conf` files.
        roots: Their root directories.
        profiles: The systems that were built for them.
        gcroots: What Nix keeps for them besides.
    """

    confs: Path = Path("/etc/nixos-containers")
    roots: Path = Path("/var/lib/nixos-containers")
    profiles: Path = Path("/nix/var/nix/profiles/per-container")
    gcroots: Path = Path("/nix/var/nix/gcroots/per-container")

    @classmethod
    def of_host(cls, template: Path = TEMPLATE) -> NixosPlaces:
        """Return the directories that the container unit of this host uses.

        A system whose `stateVersion` is older than 22.05 has other ones. Reads one small file.
        """
        try:
            found = _CONFS_OF_UNIT.search(template.read_text())
        except (OSError, UnicodeDecodeError):
            return cls()
        if found is not None and Path(found["confs"]) == _OLDER_CONFS:
            return cls(_OLDER_CONFS, _OLDER_ROOTS)
        return cls()

    def conf(self, machine: str) -> Path:
        """Path of a container's `.conf` file."""
        return self.confs / f"{machine}.conf"

    def given_back(self, machine: str) -> Path:
        """Path of the `.conf` file as it was before the hive; `release` gives that back."""
        return self.confs / f"{machine}.conf.before-hyperhive"

    def system(self, machine: str) -> Path:
        """Path of the link to the system that a container starts."""
        return self.profiles / machine / "system"


def read_conf_file(path: Path) -> str:
    """Return the content of a `.conf` file. Blocks, but not on a pipe.

    Raises:
        FailedError: It is no plain file, larger than `CONF_BYTES`, not UTF-8, or cannot be read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - an open file
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FailedError(f"{path} is no plain file, so it describes no container")
            content = file.read(CONF_BYTES + 1)
    except OSError as error:
        raise FailedError(f"{path} cannot be read: {error}") from error
    if len(content) > CONF_BYTES:
        raise FailedError(f"{path} has more than {CONF_BYTES} bytes, so it describes no container")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FailedError(f"{path} is not UTF-8 at byte {error.start}; correct it") from None
