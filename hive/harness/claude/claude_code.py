"""The program Claude Code: which one the SDK runs, and whether it leaves messages alone."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from hive.errors import ConfigError
from hive.subprocesses import run_command

OLDEST = (2, 1, 248)
"""The oldest version that is known to heed `client_composed`. Older ones read the file that
`@/a/file` in a message names, and show it to the model: a sender could read the agent's files."""

VERSION_SECONDS = 30.0
"""Deadline in seconds for the answer to `--version`, which takes a tenth of a second."""

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


def claude_program() -> Path:
    """Return the program that the SDK runs: the one of its package, or else that on PATH."""
    spec = find_spec("claude_agent_sdk")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bundled" / "claude"
        if bundled.exists():
            return bundled
    return Path(shutil.which("claude") or "claude")


async def require_version(program: Path) -> None:
    """Require a version that does not interpret messages.

    A program that cannot be run, or that names no version, is left to whoever starts it.

    Raises:
        ConfigError: It is older.
    """
    outcome = await run_command((str(program), "--version"), deadline=VERSION_SECONDS)
    found = _VERSION.search(outcome.out)
    if found is None or tuple(map(int, found.groups())) >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    raise ConfigError(
        f"Claude Code {found.group()} reads the files that messages name (@/a/file): install "
        f"{oldest} or newer, or a newer claude-agent-sdk, in place of {program}"
    )
