"""Run the tests that need a systemd host, or any program, in a freshly booted one.

`python -m tests.testbed` runs the tests of `TESTS` there; arguments are given to pytest.
`python -m tests.testbed --shell [PROGRAM ARGUMENT...]` runs a program, or a shell.
"""

import signal
import sys
import time

from tests.testbed.host import BootError, booted, missing

TESTS = ("tests/systemd/host", "tests/systemd/scenarios")
"""What needs a systemd host: the runtimes alone, then whole hives of the real programs."""

ENVIRONMENT = {
    "HYPERHIVE_TESTBED": "1",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",  # the project is read-only there
    "LANG": "C.UTF-8",
}


def main(arguments: list[str]) -> int:
    """Boot the host, run what was asked for, end the host; return the program's exit status."""
    reason = missing()
    if reason:
        sys.stderr.write(f"SKIPPED: {reason}\n")
        return 0
    python = (sys.executable, "-m")
    argv = [*python, "tests.testbed.bus", *python, "pytest", *(arguments or TESTS)]
    if arguments[:1] == ["--shell"]:
        argv = arguments[1:] or ["/bin/bash", "--login"]
    # Without this, a program that is told to end would leave the host behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    started = time.monotonic()
    try:
        with booted() as host:
            sys.stderr.write(f"the systemd host is up after {time.monotonic() - started:.1f} s\n")
            return host.run(argv, ENVIRONMENT)
    except BootError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
