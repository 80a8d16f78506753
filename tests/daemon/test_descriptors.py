"""The limit of file descriptors: raised for the daemon, as it was for the programs of agents."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from hive import descriptors

PROGRAM = """
import resource, subprocess, sys
from hive import descriptors
descriptors.raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
child = subprocess.Popen(["sleep", "60"])
descriptors.restore_limit(child.pid)
print(*resource.prlimit(child.pid, resource.RLIMIT_NOFILE))
child.kill()
child.wait()
descriptors.restore_limit(child.pid)
"""


def test_the_daemon_raises_its_limit_and_its_children_get_the_inherited_one() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        preexec_fn=lower,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["300 300", "200 300"]


@pytest.mark.parametrize(
    ("soft", "descriptor", "expected"),
    [
        (1024, 1024 - descriptors.RESERVED - 1, False),
        (1024, 1024 - descriptors.RESERVED, True),
        (resource.RLIM_INFINITY, 10**6, False),
    ],
)
def test_the_last_descriptors_are_the_reserve(
    monkeypatch: pytest.MonkeyPatch, soft: int, descriptor: int, expected: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert descriptors.is_in_reserve(descriptor) is expected
