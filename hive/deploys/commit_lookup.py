"""What a manifest names among the files of its commit, before these are written anywhere.

A path inside is looked for in the commit, any other on this machine; both only make sense under the
runtime `process`, whose agents are processes of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from hive.config.existence import LocalLookup
from hive.executables import why_no_format
from hive.git.tree_check import EXECUTABLE, LINK

_SHORT = 12


@frozen
class CommitFile:
    """One file of a commit.

    Attributes:
        mode: Its mode, as git writes it.
        head: Its first bytes, see `hive.executables.HEAD_BYTES`.
    """

    mode: str
    head: bytes


@frozen
class CommitLookup:
    """Looks at a commit, and at this machine; implements `hive.config.existence.Lookup`.

    Attributes:
        directory: Where the files of the commit will be.
        sha: The commit.
        files: Its files, by their paths.
        machine: Looks at this machine.
    """

    directory: Path
    sha: str
    files: Mapping[str, CommitFile]
    machine: LocalLookup

    def why_no_program(self, name: str, path: str | None) -> str | None:
        """Return why a program cannot be started; None if it can, or if a link leads to it."""
        inside = self._inside(Path(name)) if "/" in name else None
        if inside is None:
            return self.machine.why_no_program(name, path)
        file = self.files.get(inside)
        commit = f"the commit {self.sha[:_SHORT]}"
        if file is None:
            what = "a directory" if self.is_directory(Path(name)) else "not"
            return f"{inside!r} is {what} in {commit}; add the program, or correct the path"
        if file.mode == LINK:
            return None
        if file.mode != EXECUTABLE:
            return (
                f"{inside!r} of {commit} may not be executed; 'chmod +x {inside}' allows it, then "
                "commit that"
            )
        return why_no_format(inside, file.head, self.machine.path_of(path))

    def package(self, name: str) -> bool:
        """Return whether this program could import a package."""
        return self.machine.package(name)

    def exists(self, path: Path) -> bool:
        """Return whether a file or directory exists."""
        inside = self._inside(path)
        if inside is None:
            return self.machine.exists(path)
        return inside in self.files or self.is_directory(path)

    def is_directory(self, path: Path) -> bool:
        """Return whether a directory exists, or a link that may lead to one."""
        inside = self._inside(path)
        if inside is None:
            return self.machine.is_directory(path)
        file = self.files.get(inside)
        if file is not None:
            return file.mode == LINK
        return inside == "." or any(each.startswith(f"{inside}/") for each in self.files)

    def _inside(self, path: Path) -> str | None:
        """Return the path of a file in the commit; None if it is outside."""
        whole = Path(os.path.normpath(self.directory / path))
        if not whole.is_relative_to(self.directory):
            return None
        return str(whole.relative_to(self.directory))
