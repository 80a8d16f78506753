"""Measure what the interactive view costs: its processor time, and the daemon's answers meanwhile.

The view is the real program on a terminal of 120x40, the daemon a real one with agents that run.
Events come from agents that are paused and resumed.
"""

from __future__ import annotations

import os
import pty
import select
import statistics
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path

import click

from benchmarks.scale.processor_time import seconds_of
from benchmarks.top.daemon_load import Changes, answer_times, newest_event, until_running
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

SIZE = (40, 120)
"""Lines and columns of the terminal."""

PICTURE = 1000
"""Bytes from which on a picture has been painted."""

TARGET_CORE, TARGET_P99 = 0.05, 20.0
"""The share of one processor that the view may take, and the milliseconds of the daemon's p99."""


@click.command()
@click.option("--agents", default=200, show_default=True, help="Number of agents.")
@click.option("--events", default=50, show_default=True, help="Events a second.")
@click.option("--seconds", default=30.0, show_default=True, help="Seconds of the measurement.")
def main(agents: int, events: int, seconds: float) -> None:
    """Print the share of a processor that the view takes, and the answers of the daemon."""
    with tempfile.TemporaryDirectory() as root:
        hive = HiveOnDisk(Path(root))
        try:
            _measure(hive, agents, events, seconds)
        finally:
            hive.close()


def _measure(hive: HiveOnDisk, agents: int, events: int, seconds: float) -> None:
    table = '[agents.a{}]\nexec = ["sleep", "infinity"]\n'
    hive.configure("".join(table.format(number) for number in range(agents)))
    daemon = hive.start("--no-status")
    path = hive.run_dir / "host.sock"
    until_running(path, agents)
    with Changes(path, agents, events), _View(hive) as view:
        eventually(lambda: view.shown > PICTURE, within=60, what="a picture")
        time.sleep(3)
        before, own, shown = seconds_of(view.pid), seconds_of(daemon.pid), view.shown
        seq = newest_event(path)
        answers = answer_times(path, seconds)
        view_share = (seconds_of(view.pid) - before) / seconds
        daemon_share = (seconds_of(daemon.pid) - own) / seconds
        rate = (newest_event(path) - seq) / seconds
        written = (view.shown - shown) / seconds
    p99 = statistics.quantiles(answers, n=100)[98]
    print(f"{agents} agents, {rate:.0f} events a second, for {seconds:g} s")
    print(f"view: {view_share:.1%} of a processor (target: {TARGET_CORE:.0%}), {written:.0f} B/s")
    print(
        f"daemon: {daemon_share:.1%} of a processor; its answers: median "
        f"{statistics.median(answers):.1f} ms, p99 {p99:.1f} ms (target: {TARGET_P99:g} ms)"
    )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


class _View:
    """The program on a pseudo-terminal whose output is read and counted."""

    def __init__(self, hive: HiveOnDisk) -> None:
        self._outer, inner = pty.openpty()
        termios.tcsetwinsize(inner, SIZE)
        self._process = subprocess.Popen(
            [PROGRAMS / "hive-c0re", "top"],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**hive.env, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inner)
        self.shown = 0
        self._thread = threading.Thread(target=self._read, daemon=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> _View:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _read(self) -> None:
        while select.select([self._outer], [], []):
            try:
                self.shown += len(os.read(self._outer, 65536))
            except OSError:
                return


if __name__ == "__main__":
    main()
