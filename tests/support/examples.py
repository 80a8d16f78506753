"""The Python examples of a page of documentation, and how they are run."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.check_docs import lines


def examples(page: Path) -> list[str]:
    """Return the Python examples of the page."""
    found: list[list[str]] = []
    inside = False
    for line in lines(page.read_text()):
        if line.fence == "python":
            if not inside:
                found.append([])
            found[-1].append(line.text)
        inside = line.fence == "python"
    return ["\n".join(example) + "\n" for example in found]


def is_test(example: str) -> bool:
    """Return whether an example is for pytest; the others are programs."""
    return "def test_" in example


def run(
    *arguments: str,
    cwd: Path,
    options: tuple[str, ...] = ("-W", "error"),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run Python, which must succeed, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *options, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
