"""Run the tests that need a systemd host, or any program, in freshly booted ones.

`python -m tests.testbed` runs the tests of `TESTS`, in several hosts at once.
`python -m tests.testbed ARGUMENT...` runs pytest with these arguments, in one host.
`python -m tests.testbed --shell [PROGRAM ARGUMENT...]` runs a program, or a shell.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.testbed import real_nixos
from tests.testbed.host import BootError, Host, booted, missing
from tests.whole_run import run_twice

TESTS = ("tests/systemd/host", "tests/systemd/scenarios")
"""What needs a systemd host: the runtimes alone, then whole hives of the real programs."""

ENVIRONMENT = {
    "HYPERHIVE_TESTBED": "1",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",  # the project is read-only there
    "LANG": "C.UTF-8",
}


MOST_HOSTS = 4
"""How many hosts at most run tests at once; each keeps half a processor busy."""


def main(arguments: list[str]) -> int:
    """Boot the hosts, run what was asked for, end the hosts; return the program's exit status."""
    reason = missing() or real_nixos.missing(os.environ)
    if reason:
        sys.stderr.write(f"SKIPPED: {reason}\n")
        return 0
    # Without this, a program that is told to end would leave the hosts behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    environment = ENVIRONMENT | real_nixos.variables(os.environ)
    pytest = [sys.executable, "-m", "pytest"]
    try:
        if not arguments:
            return _run_tests(environment)
        is_shell = arguments[0] == "--shell"
        argv = arguments[1:] or ["/bin/bash", "--login"] if is_shell else [*pytest, *arguments]
        with _timed_boot(1) as [host]:
            return subprocess.run(host.command(argv, environment), check=False).returncode
    except BootError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run_tests(environment: dict[str, str]) -> int:
    """Run all tests, each host with a worker of pytest-xdist as its service; twice what failed."""
    count = min(len(os.sched_getaffinity(0)), MOST_HOSTS)
    with _timed_boot(count) as hosts:
        pythons = [shlex.join(host.command([sys.executable], environment)) for host in hosts]
        workers = [f"--tx=popen//python={python}" for python in pythons]
        options = ("--dist=worksteal", "--max-worker-restart=0")
        return run_twice(
            [*options, *workers, *TESTS], lambda failed: [*options, workers[0], *failed]
        )


@contextmanager
def _timed_boot(count: int) -> Iterator[list[Host]]:
    started = time.monotonic()
    with ExitStack() as stack:
        hosts = [stack.enter_context(booted()) for _ in range(count)]
        seconds = time.monotonic() - started
        sys.stderr.write(f"systemd hosts: {count}, up after {seconds:.1f} s\n")
        yield hosts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
