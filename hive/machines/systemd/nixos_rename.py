"""Rename a NixOS container, which `nixos-container` cannot do. All of it blocks.

Its `.conf` file gets a name that says what is renamed to what, then its directories move, then the
`.conf` file gets its new name:

    damocles.conf ──> h-damocles.conf.from.damocles ──> h-damocles.conf

In between there is no container of either name, so nothing can start a part of it. A daemon that is
killed there leaves the record, and the next one goes on. An error undoes what was done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.errors import ConflictError, FailedError
from hive.machines.systemd.nixos_conf import check_conf
from hive.machines.systemd.nixos_places import NixosPlaces, read_conf_file

Move = Callable[[Path, Path], None]

_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""Names that `nixos-container` accepts."""


def move_durably(before: Path, after: Path) -> None:
    """Rename a file or directory, and wait until that is on the disk.

    Raises:
        OSError: It cannot be renamed.
    """
    before.rename(after)
    descriptor = os.open(after.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@frozen
class NixosRename:
    """The rename of one container that is stopped.

    Attributes:
        places: NixOS's directories.
        old: The container.
        new: Its new name.
        move: Renames one file or directory of it.
    """

    places: NixosPlaces
    old: str
    new: str
    move: Move = move_durably

    @property
    def record(self) -> Path:
        """The `.conf` file while the rename goes on."""
        return self.places.confs / f"{self.new}.conf.from.{self.old}"

    def is_possible(self) -> bool:
        """Return whether there is such a container, and all of it can be renamed; changes nothing.

        A rename that an earlier daemon has begun is possible.

        Raises:
            ConflictError: Something has the new name.
            FailedError: The container belongs to the host's own configuration, its `.conf` file
                cannot be used, or a part of it is missing or cannot be renamed.
        """
        if self.record.exists():
            self._require_unfinished()
            return True
        conf = self.places.conf(self.old)
        require_own(conf, self.old)
        if not os.path.lexists(conf):
            return False
        self._require_free()
        if not _NAME.fullmatch(self.old):
            raise FailedError(f"{conf} has a name that nixos-container does not accept; rename it")
        check_conf(read_conf_file(conf), conf)
        self._require_whole()
        return True

    def carry_out(self) -> None:
        """Rename it, or go on with that. Idempotent.

        Raises:
            HiveError: See `is_possible`.
            FailedError: Something could not be renamed; then nothing is.
        """
        if not self.is_possible():
            return
        try:
            if not self.record.exists():  # of a container that was destroyed
                self.places.given_back(self.new).unlink(missing_ok=True)
            for before, after in self._steps():
                if os.path.lexists(before) and not os.path.lexists(after):
                    self.move(before, after)
        except OSError as error:
            self._undo(error)
            raise FailedError(
                f"the container {self.old} cannot become {self.new}: {error}; it is as it was"
            ) from error

    def _undo(self, reason: OSError) -> None:
        """Give all parts their old names back.

        Raises:
            FailedError: That is not possible either; the record stays.
        """
        try:
            for before, after in reversed(self._steps()):
                if os.path.lexists(after) and not os.path.lexists(before):
                    self.move(after, before)
        except OSError as error:
            raise FailedError(
                f"the container {self.old} has become {self.new} only in part ({reason}), and its "
                f"parts cannot get their old names back: {error}; correct that and adopt it again, "
                f"which goes on with what {self.record} records"
            ) from error

    def _steps(self) -> list[tuple[Path, Path]]:
        """Return the renames in their order. After the first there is the record."""
        places = self.places
        return [
            (places.conf(self.old), self.record),
            *((each / self.old, each / self.new) for each in self._directories),
            (places.given_back(self.old), places.given_back(self.new)),
            (self.record, places.conf(self.new)),
        ]

    @property
    def _directories(self) -> tuple[Path, ...]:
        return (self.places.roots, self.places.profiles, self.places.gcroots)

    def _require_unfinished(self) -> None:
        conf = self.places.conf(self.new)
        if os.path.lexists(conf):
            raise ConflictError(
                f"{self.record} records that {self.old} becomes {self.new}, which is not finished, "
                f"and another {conf} exists; move that away or remove it"
            )

    def _require_free(self) -> None:
        if os.path.lexists(self.places.conf(self.new)):
            raise ConflictError(
                f"there are a container {self.old} and a container {self.new}; remove or rename "
                "the one that the agent is not to run in"
            )
        others = self.places.confs.glob(f"{self.new}.conf.from.*")
        for path in (*others, *(each / self.new for each in self._directories)):
            if os.path.lexists(path):
                raise ConflictError(
                    f"{path} exists without a container {self.new}, which {self.old} is to become; "
                    "move it away or remove it"
                )

    def _require_whole(self) -> None:
        root, system = self.places.roots / self.old, self.places.system(self.old)
        with suppress(OSError):  # then it is not there
            if root.is_mount():
                raise FailedError(
                    f"{root} is a mount point, which cannot be renamed; mount it at its parent "
                    f"directory or elsewhere, with a link or a plain directory at {root}"
                )
        if not root.is_dir():
            raise FailedError(
                f"the container {self.old} has no root directory {root}, so there is nothing to "
                f"take over; 'nixos-container start {self.old}' makes it, "
                f"'nixos-container destroy {self.old}' removes the rest"
            )
        if not system.exists():
            raise FailedError(
                f"the container {self.old} has no system {system}; "
                f"'nixos-container update {self.old}' builds it"
            )


def require_own(conf: Path, machine: str) -> None:
    """Raise FailedError if a container belongs to the host's own configuration.

    NixOS links its file into the store. `nixos-container` only asks whether it is writable.
    """
    if conf.is_symlink() or (conf.exists() and not os.access(conf, os.W_OK)):
        raise FailedError(
            f"{machine} belongs to the host's own NixOS configuration; hive-c0re leaves it "
            "alone: give the agent another name, or register it as a peer"
        )
