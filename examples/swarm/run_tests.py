"""bob: runs a test command and reports the result.

The words of the message other than `test` are the arguments. The command is
$TEST_COMMAND, or the tests of examples/embedding.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

EMBEDDING = Path(__file__).resolve().parent.parent / "embedding"
LINES = 15


def main() -> int:
    """Run the tests that the message on standard input asks for and print the report."""
    words = shlex.split(json.load(sys.stdin)["body"])
    arguments = [word for word in words if word != "test"]
    command = [*test_command(), *arguments]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        print(f"cannot run {shlex.join(command)}: {error.strerror}")
        return 0
    print(report(command, done.returncode, done.stdout, time.monotonic() - began))
    return 0


def test_command() -> list[str]:
    """Return the command that runs the tests."""
    configured = os.environ.get("TEST_COMMAND")
    if configured:
        return shlex.split(configured)
    return [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        str(EMBEDDING / "pyproject.toml"),
        str(EMBEDDING),
    ]


def report(command: list[str], status: int, output: str, seconds: float) -> str:
    """Return the verdict and the end of the command's output."""
    verdict = "PASSED" if status == 0 else f"FAILED (exit status {status})"
    tail = "\n".join(output.strip().splitlines()[-LINES:])
    return f"{verdict} after {seconds:.1f} s: {shlex.join(command)}\n{tail}"


if __name__ == "__main__":
    sys.exit(main())
