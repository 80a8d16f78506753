"""Carry out the safe remedies of findings. Blocking."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import suppress

from hive.errors import FailedError
from hive.findings import Finding


def apply_fixes(findings: Iterable[Finding]) -> bool:
    """Remove the removable files, and directories that are empty then; run the commands.

    Returns:
        Whether there was anything to do.

    Raises:
        FailedError: A remedy failed; the sentence has the error of the system or of the program.
    """
    safe = [finding for finding in findings if finding.removable or finding.commands]
    for finding in safe:
        _remove(finding)
        for command in finding.commands:
            _run(command)
    return bool(safe)


def _remove(finding: Finding) -> None:
    # The deepest first, so that each directory is empty when its last file is removed.
    for path in sorted(finding.removable, key=lambda path: -len(path.parts)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FailedError(f"{path} cannot be removed: {error.strerror}; try as root") from error
        with suppress(OSError):  # not empty, or removed already
            path.parent.rmdir()


def _run(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FailedError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
