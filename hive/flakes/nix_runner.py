"""Runs Nix: an absolute program, a closed environment, a deadline, and lines as they come."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from hive.errors import FailedError
from hive.subprocesses import OnLine, Outcome, run_command, watch_command

LOCK_SECONDS = 600.0
"""Deadline of a lock, which may fetch nixpkgs."""

BUILD_SECONDS = 3600.0
"""Deadline of a build."""

READ_SECONDS = 30.0
"""Deadline of a run that reads files and fetches nothing."""

READ_BYTES = 2 << 30
"""Most address space of a run that reads what a participant wrote."""

UPDATES_BY_NAME = (2, 19)
"""The first version of which `nix flake update` takes the names of inputs."""

_FEATURES = ("--extra-experimental-features", "nix-command flakes")
_OPTIONS = ("--option", "accept-flake-config", "false")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")

_NOWHERE = "http://127.0.0.1:9"
"""A proxy that nothing listens on."""

_WITHOUT_NETWORK: Mapping[str, str] = {
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"), _NOWHERE),
    "no_proxy": "",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.allow",
    "GIT_CONFIG_VALUE_0": "never",
}
"""Variables with which neither Nix nor its git fetches anything."""


def find_nix() -> Path | None:
    """Return the absolute path of Nix: `HYPERHIVE_NIX`, or what PATH has; None without any.

    Reads the disk, so it is called once, before the loop runs.
    """
    named = os.environ.get("HYPERHIVE_NIX") or shutil.which("nix")
    return Path(named).absolute() if named else None


def update_words(version: tuple[int, int], flake: str, inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the words after `nix` that lock inputs of a flake anew. Pure.

    Args:
        version: The version of Nix.
        flake: The reference of the flake.
        inputs: Paths of inputs, such as `nixpkgs` and `agent-alice/tools`.
    """
    if version >= UPDATES_BY_NAME:
        return ("flake", "update", *inputs, "--flake", flake)
    flags = [word for each in inputs for word in ("--update-input", each)]
    return ("flake", "lock", flake, *flags)


def version_in(text: str) -> tuple[int, int]:
    """Return the version in what `nix --version` prints. Pure.

    Raises:
        FailedError: There is none.
    """
    found = _VERSION.search(text)
    if found is None:
        raise FailedError(f"`nix --version` printed no version: {text.strip()[:100]!r}")
    return int(found[1]), int(found[2])


def _ignore(line: str) -> None:
    """Take a line that nobody reads; an error has the last ones."""


@frozen
class NixRunner:
    """Runs Nix.

    Attributes:
        program: The absolute path of Nix.
        git: The absolute path of the git that Nix uses.
        cache: The directory of Nix's own caches.
        daemon: The socket of Nix's daemon.
    """

    program: Path
    git: Path
    cache: Path
    daemon: Path = Path("/nix/var/nix/daemon-socket/socket")

    async def lock(self, flake: str, on_line: OnLine = _ignore) -> None:
        """Add to the lock of a flake what it lacks; what is locked stays.

        Raises:
            FailedError: It cannot be locked, with the last lines of Nix.
        """
        await self._watch(("flake", "lock", flake), LOCK_SECONDS, on_line)

    async def update(self, flake: str, inputs: Sequence[str]) -> None:
        """Lock inputs of a flake anew.

        Raises:
            FailedError: One cannot be fetched, with the last lines of Nix.
        """
        outcome = await self._read(("--version",))
        words = update_words(version_in(outcome.out), flake, inputs)
        await self._watch(words, LOCK_SECONDS, _ignore)

    async def build(self, installables: Sequence[str], on_line: OnLine) -> None:
        """Build attributes of a locked flake.

        Raises:
            FailedError: One cannot be built, or the lock does not fit; with the last lines of Nix.
        """
        words = ("build", "--no-link", "--no-update-lock-file", "--print-build-logs")
        await self._watch((*words, *installables), BUILD_SECONDS, on_line)

    async def check_lock(self, directory: Path) -> Outcome:
        """Find out whether the lock of a flake fits its inputs, without fetching any."""
        return await self._read(
            ("flake", "metadata", "--json", "--no-update-lock-file", f"path:{directory}"),
            ("--option", "download-attempts", "1"),
        )

    async def evaluate(self, expression: str, readable: Path) -> Outcome:
        """Evaluate an expression that may read one path and fetch nothing; prints JSON."""
        restricted = ("--option", "restrict-eval", "true", "--option", "allowed-uris", "")
        return await self._read(
            ("eval", "--json", "--impure", "-I", f"flake={readable}", "--expr", expression),
            restricted,
        )

    async def _read(self, words: Sequence[str], options: Sequence[str] = ()) -> Outcome:
        argv = (str(self.program), *_FEATURES, *words, *options, *_OPTIONS)
        env = {**await asyncio.to_thread(self._variables), **_WITHOUT_NETWORK}
        return await run_command(argv, deadline=READ_SECONDS, env=env, memory=READ_BYTES)

    async def _watch(self, words: tuple[str, ...], deadline: float, on_line: OnLine) -> None:
        argv = (str(self.program), *_FEATURES, *words, *_OPTIONS)
        env = await asyncio.to_thread(self._variables)
        outcome = await watch_command(argv, on_line, deadline=deadline, env=env)
        if not outcome.ok:
            raise FailedError(f"nix {words[0]} of the meta flake failed: {outcome}")

    def _variables(self) -> Mapping[str, str]:
        """Return the environment of Nix. Reads the disk.

        Nix's own daemon builds, if there is one: as root Nix would build in this service, whose
        restrictions its sandbox cannot be set up in, and whose limits are no place for a build.
        """
        kept = {name: value for name, value in os.environ.items() if name.startswith("NIX_")}
        remote = {"NIX_REMOTE": "daemon"} if self.daemon.exists() else {}
        programs = [str(self.program.parent), str(self.git.parent), "/usr/bin", "/bin"]
        ssh = shutil.which("ssh")
        return {
            **remote,
            **kept,
            "PATH": os.pathsep.join([*programs, *([str(Path(ssh).parent)] if ssh else [])]),
            "HOME": str(self.cache),
            "XDG_CACHE_HOME": str(self.cache),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
