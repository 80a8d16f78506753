"""Run all tests in parallel, and once more, alone, what failed: `python -m tests.whole_run`.

Tests with real processes have deadlines, and whoever runs them shares the machine with others. A
test that fails in the first run only is listed at the end: it is a fault to be mended, but not one
of the change that is tested. Arguments are passed on to pytest.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import pytest

AGAIN_MAX = 10
"""Failures after which nothing runs again: so many are no accident."""

PROCESSES = min(len(os.sched_getaffinity(0)) + 1, 8)
"""One more than processors, since some tests wait for programs and for the clock."""

PARALLEL = ("-n", str(PROCESSES), "--dist", "worksteal")
WROTE = "HYPERHIVE_TESTS_FAILED"

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("actors", "hive", "tests")

MEMORY = Path("/dev/shm")
MEMORY_MIN = 2 << 30
"""Bytes that must be free in memory for the files of all tests; they take about a third of it."""


def main(arguments: Sequence[str]) -> int:
    """Return the exit status of pytest: 0 if each test has passed once."""
    options = [each for each in arguments if each.startswith("-")]
    with tempfile.TemporaryDirectory(
        prefix="hh-", dir=_in_memory(), ignore_cleanup_errors=True
    ) as name:
        # A short path, since that of a socket has at most 107 bytes.
        files = f"--basetemp={name}/t"
        return run_twice([*PARALLEL, files, *arguments], lambda failed: [*options, *failed])


def _in_memory() -> Path | None:
    """Return a directory in memory that has room and may hold programs; None if there is none.

    Most tests with a store wait for the disk, and no test loses power.
    """
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    has_room = found.f_bavail * found.f_frsize >= MEMORY_MIN
    return MEMORY if has_room and not found.f_flag & os.ST_NOEXEC else None


def run_twice(first: Sequence[str], second: Callable[[Sequence[str]], Sequence[str]]) -> int:
    """Run tests, then those that failed; return the exit status of pytest.

    Args:
        first: Arguments of pytest for all tests.
        second: Returns the arguments for the tests of some ids.
    """
    _compile()
    with tempfile.TemporaryDirectory(prefix="hyperhive-tests-") as name:
        listed = Path(name, "failed")
        status = _pytest({WROTE: str(listed)}, *first)
        failed = listed.read_text().splitlines() if listed.exists() else []
    if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= AGAIN_MAX:
        return status
    click.echo(f"\nOnce more, alone, what failed: {len(failed)}")
    status = _pytest({}, *second(failed))
    if status == pytest.ExitCode.OK:
        click.echo("\nFailed beside others, and passed alone. Find out why:")
        click.echo("\n".join(f"  {test}" for test in failed))
    return status


def _compile() -> None:
    """Compile the project once, instead of each of the many programs that the tests start.

    Python itself stores nothing where PYTHONDONTWRITEBYTECODE is set, or where the project is
    read-only, as for programs in a container.
    """
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)


def _pytest(environment: Mapping[str, str], *arguments: str) -> int:
    """Run pytest with this module as a plugin."""
    words = [sys.executable, "-m", "pytest", "-p", "tests.whole_run", *arguments]
    return subprocess.call(words, env={**os.environ, **environment})


# The plugin


def pytest_sessionfinish(session: pytest.Session) -> None:
    """List the tests that failed, in the process that gets the reports of all."""
    path = os.environ.get(WROTE)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if path and reporter and not hasattr(session.config, "workerinput"):
        reports = [*reporter.stats.get("failed", ()), *reporter.stats.get("error", ())]
        names = dict.fromkeys(f"{report.nodeid}\n" for report in reports)
        Path(path).write_text("".join(names))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
