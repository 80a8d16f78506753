"""Programs that were started with closed standard descriptors."""

import subprocess
import sys

import pytest

STATE = """
import os, sys
from hive.stdio import reopen_closed_stdio
reopen_closed_stdio()
same = [os.path.samestat(os.fstat(n), os.stat(os.devnull)) for n in (0, 1, 2)]
inherited = all(os.get_inheritable(n) for n in (0, 1, 2))
usable = sys.stdin.read() == "" and print("x") is None and sys.stderr.write("y") == 1
sys.exit(sum(held << n for n, held in enumerate(same)) if inherited and usable else 77)
"""


@pytest.mark.parametrize(
    ("closed", "held"),
    [("", 0), ("<&-", 1), (">&-", 2), ("2>&-", 4), ("<&- >&- 2>&-", 7)],
)
def test_closed_descriptors_become_the_null_device_and_others_are_unchanged(closed, held):
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, STATE],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == held
    assert done.stdout == ("" if held & 2 else "x\n")
    assert done.stderr == ("" if held & 4 else "y")
