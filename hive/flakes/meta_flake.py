"""The meta flake: the NixOS systems of all agents, one input for each.

A deploy has two phases. First the new flake is locked and the systems are built in a copy; nothing
else sees it. Then the copy becomes the flake that containers are made of, and when the agents are
healthy it is committed. So the log of the flake has the successful deploys only, and what is not
committed is what a rollback drops. One deploy runs at a time, so nothing else writes it.

A deploy of one agent changes the input of that agent only. What all agents share, such as nixpkgs,
changes by an update of inputs alone, which restarts every agent that it affects.
"""

from __future__ import annotations

import asyncio
import platform
import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import evolve, frozen

from hive.flakes.flake_texts import (
    FLAKE,
    MetaInputs,
    Pin,
    SharedInputs,
    meta_flake,
    parse_inputs,
)
from hive.flakes.lock_file import LOCK
from hive.flakes.nix_runner import NixRunner
from hive.git.runner import Git, GitError
from hive.subprocesses import OnLine

INPUTS = "inputs.json"
"""The inputs of the flake, from which it is generated."""

FILES = (LOCK, INPUTS, FLAKE)

UPDATE = "update inputs of "
"""Beginning of the subject of a commit that is an update of inputs."""

_DEPLOY = re.compile(r": deploy (\d+)(?:,|$)")
"""The number of the deploy in the subject of a commit."""

_GIT_LOCKS = ("index.lock", "HEAD.lock", "refs/heads/main.lock")
"""What a git leaves that was killed, and what the next one fails at."""


@frozen
class CurrentFlake:
    """The flake with its lock, as it was deployed or is to be.

    Attributes:
        lock: The content of its lock.
        inputs: What it is generated from.
    """

    lock: bytes
    inputs: MetaInputs


@frozen
class MetaFlake:
    """The meta flake of a hive.

    Attributes:
        git: Runs git.
        nix: Runs Nix.
        path: The directory of the flake, a git repository.
        shared: The inputs of all systems, for the first lock and for updates of them.
    """

    git: Git
    nix: NixRunner
    path: Path
    shared: SharedInputs

    @property
    def scratch(self) -> Path:
        """The copy in which a deploy is locked and built."""
        return self.path.with_name(f"{self.path.name}.next")

    @property
    def draft(self) -> Path:
        """The copy in which newer inputs are locked before the operator is asked."""
        return self.path.with_name(f"{self.path.name}.draft")

    @property
    def check_directory(self) -> Path:
        """The directory in which the flakes of proposals are checked."""
        return self.path.with_name(f"{self.path.name}.check")

    def reference(self, name: str) -> str:
        """Return the flake reference of an agent's system, as `nixos-container` takes it."""
        return f"path:{self.path}#{name}"

    # What is there

    async def current(self) -> CurrentFlake | None:
        """Return what was deployed successfully last; None before the first deploy."""
        head = await self._head()
        return None if head is None else await self._at(head)

    async def before_update(self) -> CurrentFlake | None:
        """Return the flake as it was before the newest update of inputs; None without one."""
        for commit, subject in await self._commits():
            if subject.startswith(UPDATE):
                return await self._at(f"{commit}^")
        return None

    async def after_deploy(self, number: int) -> CurrentFlake | None:
        """Return the flake as a deploy has left it; None if that has not changed it."""
        for commit, subject in await self._commits():
            if (found := _DEPLOY.search(subject)) and int(found[1]) == number:
                return await self._at(commit)
        return None

    async def _commits(self) -> list[tuple[str, str]]:
        """Return the commits of the successful deploys with their subjects, newest first."""
        if await self._head() is None:
            return []
        lines = (await self._run_git("log", "--format=%H %s")).decode().splitlines()
        return [(line[:40], line[41:]) for line in lines]

    async def _at(self, commit: str) -> CurrentFlake:
        lock, inputs = [await self._run_git("show", f"{commit}:{name}") for name in (LOCK, INPUTS)]
        return CurrentFlake(lock, parse_inputs(inputs.decode()))

    async def log(self) -> list[str]:
        """Return the subjects of the successful deploys, newest first."""
        with suppress(GitError):
            return (await self._run_git("log", "--format=%s")).decode().splitlines()
        return []

    # Building

    async def build(
        self, name: str, pin: Pin, on_line: OnLine, known: Collection[str] = ()
    ) -> None:
        """Lock and build the system of an agent in a copy of the flake.

        Args:
            name: The agent.
            pin: Its commit.
            on_line: Takes the lines that Nix prints.
            known: The agents that exist; inputs of others are left out.

        Raises:
            FailedError: It cannot be locked or built, with the last lines of Nix.
        """
        await self.open()
        found = await self.current()
        old = MetaInputs(self.shared) if found is None else found.inputs
        pins = {each: there for each, there in old.pins.items() if each in known} | {name: pin}
        lock = None if found is None else found.lock
        await asyncio.to_thread(_write, self.scratch, evolve(old, pins=pins), lock)
        await self.nix.lock(f"path:{self.scratch}", on_line)
        await self._build(self.scratch, [name], on_line)

    async def build_locked(
        self, flake: CurrentFlake, names: Sequence[str], on_line: OnLine
    ) -> None:
        """Build the systems of agents by a lock, in a copy of the flake.

        Args:
            flake: The flake with its lock, which must fit.
            names: The agents.
            on_line: Takes the lines that Nix prints.

        Raises:
            FailedError: It does not fit, or a system cannot be built, with the last lines of Nix.
        """
        await self.open()
        await asyncio.to_thread(_write, self.scratch, flake.inputs, flake.lock)
        await self._build(self.scratch, names, on_line)

    async def lock_newer(self, flake: CurrentFlake, paths: Sequence[str]) -> bytes:
        """Return the lock of a flake with newer inputs; nothing is changed.

        Args:
            flake: The flake, with its present lock.
            paths: The paths of the inputs; without any, only what the lock lacks is added to it.

        Raises:
            FailedError: One cannot be fetched, with the last lines of Nix.
        """
        try:
            await asyncio.to_thread(_write, self.draft, flake.inputs, flake.lock)
            if paths:
                await self.nix.update(f"path:{self.draft}", paths)
            else:
                await self.nix.lock(f"path:{self.draft}")
            return await asyncio.to_thread((self.draft / LOCK).read_bytes)
        finally:
            await asyncio.to_thread(shutil.rmtree, self.draft, ignore_errors=True)

    async def _build(self, copy: Path, names: Sequence[str], on_line: OnLine) -> None:
        systems = [
            f'path:{copy}#nixosConfigurations."{name}".config.system.build.toplevel'
            for name in names
        ]
        await self.nix.build(systems, on_line)

    # Installing

    async def install(self) -> None:
        """Make the copy the flake that containers are made of. Idempotent."""
        for name in FILES:
            await self._move(self.scratch / name, self.path / name)

    async def commit(self, message: str) -> None:
        """Commit what was installed; without a difference nothing is committed. Idempotent.

        Raises:
            GitError: Nothing was committed.
        """
        await self.open()
        await self._run_git("add", "--", *FILES)
        with suppress(GitError):
            await self._run_git("diff", "--cached", "--quiet")
            return
        await self._run_git("commit", "--quiet", "--file=-", data=f"{message}\n".encode())

    async def restore(self) -> None:
        """Return to the last successful deploy. Idempotent."""
        await self.open()
        if await self._head() is None:
            await self._run_git("read-tree", "--empty")
            await asyncio.to_thread(_remove, self.path)
        else:
            await self._run_git("read-tree", "--reset", "-u", "HEAD")
        await asyncio.to_thread(shutil.rmtree, self.scratch, ignore_errors=True)

    async def open(self) -> None:
        """Make the repository of the flake if there is none, and remove stale locks of git."""
        await asyncio.to_thread(self.path.mkdir, mode=0o755, parents=True, exist_ok=True)
        await asyncio.to_thread(self.nix.cache.mkdir, mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(self._remove_git_locks)
        if not await asyncio.to_thread((self.path / ".git" / "HEAD").exists):
            await self._run_git("init", "--quiet", "--template=", "--initial-branch=main")

    def _remove_git_locks(self) -> None:
        for name in _GIT_LOCKS:
            (self.path / ".git" / name).unlink(missing_ok=True)

    async def _head(self) -> str | None:
        """Return the commit of the last successful deploy; None if there is none."""
        if not await asyncio.to_thread((self.path / ".git" / "HEAD").exists):
            return None
        try:
            found = await self._run_git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except GitError as error:
            if error.status == 1:
                return None
            raise
        return found.decode().strip()

    async def _move(self, source: Path, target: Path) -> None:
        with suppress(FileNotFoundError):  # moved already, before the daemon was killed
            await asyncio.to_thread(source.replace, target)

    async def _run_git(self, *words: str, data: bytes = b"") -> bytes:
        tree = f"--work-tree={self.path}"
        return await self.git.run(self.path / ".git", tree, *words, data=data)


def _write(copy: Path, inputs: MetaInputs, lock: bytes | None) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o755)
    if lock is not None:
        (copy / LOCK).write_bytes(lock)
    (copy / INPUTS).write_text(inputs.to_json())
    (copy / FLAKE).write_text(meta_flake(inputs, platform=f"{platform.machine()}-linux"))


def _remove(directory: Path) -> None:
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
