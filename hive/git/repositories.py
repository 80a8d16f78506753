"""The repositories of all agents, by name."""

from __future__ import annotations

import shutil
from pathlib import Path

from attrs import frozen

from hive.errors import ConflictError
from hive.git.applied import AppliedRepository
from hive.git.check_out import PREFIX as WRITING
from hive.git.new_repository import PREFIX as FIRST
from hive.git.new_repository import FirstCommit, write_repository
from hive.git.quarantine import PREFIX as INCOMING
from hive.git.runner import Git
from hive.paths import Paths


@frozen
class Repositories:
    """Finds the repositories of agents.

    Attributes:
        git: Runs git; None if this machine has none.
        paths: Where they are.
    """

    git: Git | None
    paths: Paths

    def applied(self, name: str) -> AppliedRepository:
        """Return the applied repository of an agent; it need not exist yet.

        Raises:
            ConflictError: This machine has no git.
        """
        if self.git is None:
            raise ConflictError(
                "proposals and deploys need git, and this machine has none on PATH; install git, "
                "or name it in HYPERHIVE_GIT, and restart hive-c0re"
            )
        return AppliedRepository(self.git, self.paths.applied(name))

    def proposed(self, name: str) -> Path:
        """Return the directory of the proposed repository of an agent; it need not exist."""
        return self.paths.proposed(name)

    async def write_first(self, name: str, first: FirstCommit) -> str:
        """Write the proposed repository of an agent, with one commit, and return that.

        Raises:
            ConflictError: There is one already.
            FailedError: It cannot be written.
            ConflictError: This machine has no git.
        """
        git, paths = self.applied(name).git, self.paths
        return await write_repository(git, first, paths.proposed(name), paths.state_dir)

    def remove_leftovers(self) -> None:
        """Remove what was not finished when the daemon was killed; blocks."""
        for applied in self.paths.applied_dir.glob(f"*/{INCOMING}*"):
            shutil.rmtree(applied, ignore_errors=True)
        for first in self.paths.state_dir.glob(f"{FIRST}*"):
            shutil.rmtree(first, ignore_errors=True)
        for unfinished in self.paths.deployed_dir.glob(f"*/{WRITING}*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def deployed(self, name: str, sha: str) -> Path:
        """Return the directory of the files of a commit, see `AppliedRepository.check_out`."""
        return self.paths.deployed(name, sha)
