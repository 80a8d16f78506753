"""What a program ignores or blocks from its start reaches no program that it starts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.support.signals import ignored_in

PROGRAM = """
import json, os, signal, subprocess, sys
from threading import Thread

ignored, blocked = json.loads(sys.argv[1])
for number in ignored:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
from hive.signal_dispositions import is_ignored, keep_from_children
keep_from_children()
for number in ignored:
    os.kill(os.getpid(), number)  # it lives on

read = []
def start():
    read.append(subprocess.run(
        ["sed", "-n", "s/^Sig\\\\(Ign\\\\|Blk\\\\):/\\\\1/p", "/proc/self/status"],
        capture_output=True, text=True).stdout.split())
thread = Thread(target=start)
thread.start()
thread.join()
known = [number for number in signal.Signals if is_ignored(number)]
print(json.dumps([dict(zip(read[0][::2], read[0][1::2])), known]))
"""


def masks(ignored: list[int], blocked: list[int]) -> tuple[int, int, set[int]]:
    """Return what a child ignores and blocks, as masks, and what its parent knows as ignored."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([ignored, blocked])],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found, known = json.loads(done.stdout)
    return ignored_in(found["Ign"]), int(found["Blk"], 16), set(known)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGCHLD,
        signal.SIGTSTP,
        signal.SIGPIPE,
        signal.SIGRTMAX,
    ],
)
def test_an_ignored_signal_is_ignored_by_the_program_only(number: signal.Signals) -> None:
    ignored, _, known = masks([number], [])
    assert ignored == 0
    assert known >= {number}


def test_the_signals_of_a_background_job_at_its_terminal_stay_ignored() -> None:
    ignored, _, known = masks([signal.SIGTTIN, signal.SIGTTOU], [])
    assert ignored == 1 << signal.SIGTTIN - 1 | 1 << signal.SIGTTOU - 1
    assert known >= {signal.SIGTTIN, signal.SIGTTOU}


def test_blocked_signals_are_unblocked() -> None:
    assert masks([], [signal.SIGTERM, signal.SIGUSR2])[1] == 0
