"""Runs git: an absolute program, a closed environment, a deadline and a bounded output.

Git reads configuration from many places, and several keys of it start programs (hooks, filters,
external differences, credential helpers). Here it reads none but `SETTINGS` and the `config` file
of the repository that it is run on, which must be one that only hive-c0re writes.
"""

from __future__ import annotations

import os
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from attrs import field, frozen

from hive.errors import FailedError, TooLargeError
from hive.escapes import inline
from hive.piped_programs import STDERR, STDOUT, is_set_within, limit_memory, started
from hive.quantities import counted

DEADLINE = 60.0
"""Seconds after which a git that has not ended is killed."""

OUTPUT_BYTES = 4 << 20
"""Bytes of output above which a result is refused."""

ALLOC_LIMIT = "256m"
"""Most memory that git may allocate at once, in its own notation: hostile objects are bombs."""

_QUOTED = 500
"""Characters of git's own words in an error."""

SETTINGS: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.alternateRefsCommand": "/bin/false",
    "core.askPass": "/bin/false",
    "core.bigFileThreshold": "1m",
    "core.fsync": "committed",
    "core.pager": "cat",
    "core.quotePath": "true",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "tag.gpgSign": "false",
    "transfer.fsckObjects": "true",
}
"""Configuration of every run; it wins over that of the repository.

With `core.fsync` the tags are on disk before the store says so of the approval they belong to.
"""

MEMORY_BYTES = 2 << 30
"""Most address space of one git; what it maps of its packs counts, too."""

IDENTITY = "hive-c0re"
"""Name of the author and committer of what hive-c0re writes."""


def find_git() -> Path | None:
    """Return the absolute path of git: `HYPERHIVE_GIT`, or what PATH has; None without any.

    Reads the disk, so it is called once, before the loop runs.
    """
    named = os.environ.get("HYPERHIVE_GIT") or shutil.which("git")
    return Path(named).absolute() if named else None


class GitError(FailedError):
    """Git ended with an error.

    Attributes:
        status: Its exit status; None if it was killed at its deadline.
        words: What it printed on standard error, cut, on one line.
    """

    def __init__(self, command: str, status: int | None, words: str) -> None:
        self.status = status
        lines = words[-_QUOTED:].strip().splitlines()
        self.words = inline("; ".join(line.strip() for line in lines))
        end = f"did not end within {DEADLINE:g} s" if status is None else f"exited with {status}"
        super().__init__(f"`git {command}` {end}" + (f": {self.words}" if self.words else ""))


@frozen
class ObjectPlaces:
    """Where git finds the objects of a repository, if not only in the repository itself.

    Attributes:
        objects: The directory that it reads and writes.
        others: Directories that it only reads.
    """

    objects: Path
    others: tuple[Path, ...]

    def variables(self) -> Mapping[str, str]:
        """Return the variables of git's environment."""
        return {
            "GIT_OBJECT_DIRECTORY": str(self.objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(map(_quoted, self.others)),
        }


@frozen
class Git:
    """Runs git on repositories.

    Attributes:
        program: The absolute path of git.
        deadline: Seconds that a run may take.
    """

    program: Path
    deadline: float = DEADLINE
    _base: Mapping[str, str] = field(init=False)

    @_base.default
    def _closed_environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.pathsep.join([str(self.program.parent), "/usr/bin", "/bin"]),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_ALLOC_LIMIT": ALLOC_LIMIT,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            **{f"GIT_{role}_NAME": IDENTITY for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": f"{IDENTITY}@localhost" for role in ("AUTHOR", "COMMITTER")},
            **_numbered(SETTINGS),
        }

    async def run(
        self,
        repository: Path,
        *words: str,
        data: bytes = b"",
        places: ObjectPlaces | None = None,
        most: int = OUTPUT_BYTES,
    ) -> bytes:
        """Return what git prints.

        Args:
            repository: The directory of the repository (`GIT_DIR`).
            words: The command and its arguments.
            data: Its standard input.
            places: Where it finds objects; by default in the repository alone.
            most: Bytes of output above which the run is refused.

        Raises:
            GitError: It failed, or was killed at its deadline.
            TooLargeError: It printed more than `most` bytes.
        """
        env = {**self._base, "GIT_DIR": str(repository)}
        if places is not None:
            env |= places.variables()
        out, err = _Head(most), _Head(_QUOTED * 4)
        argv = [str(self.program), *words]
        try:
            async with started(argv, {STDOUT: out, STDERR: err}, stdin=PIPE, env=env) as process:
                limit_memory(process.pid, MEMORY_BYTES)
                out.on_cut = partial(process.signal_group, signal.SIGKILL)
                process.write_input(data)
                in_time = await is_set_within(process.closed, self.deadline)
        except OSError as error:
            raise FailedError(
                f"cannot start {self.program}: {error.strerror}; install git, or name it in "
                "HYPERHIVE_GIT"
            ) from error
        if out.is_cut:
            raise TooLargeError(f"`git {words[0]}` printed more than {counted(most, 'byte')}")
        status = process.status if in_time else None
        if status != 0:
            raise GitError(words[0], status, err.kept.decode(errors="replace"))
        return bytes(out.kept)


class _Head:
    """Keeps the beginning of an output, and calls `on_cut` when there is more."""

    def __init__(self, most: int) -> None:
        self.kept = bytearray()
        self.is_cut = False
        self.on_cut: Callable[[], object] = _nothing
        self._most = most

    def feed_data(self, data: bytes) -> None:
        room = self._most - len(self.kept)
        self.kept += data[:room]
        if len(data) > room and not self.is_cut:
            self.is_cut = True
            self.on_cut()

    def feed_eof(self) -> None:
        pass


def _nothing() -> None:
    """Read on, and drop what is over the limit."""


def _quoted(path: Path) -> str:
    """Return a path as an entry of a list that git splits at colons."""
    text = str(path)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _numbered(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings as the numbered variables of git-config(1), which child processes inherit."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found
