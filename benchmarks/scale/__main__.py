"""Measure the start, the status and the end of a hive with many agents.

The agents are processes with the command driver, as a hive on a small machine has them. The hive is
a daemon of its own. What cannot be less is printed beside the time of the start: the processor time
that the agents take themselves, divided by the processors. On a machine that others use, too, that
of all other programs meanwhile is added to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.scale.figures import Figures
from benchmarks.scale.processor_time import busy_seconds, loop_seconds, seconds_of
from hive.client.blocking import call
from hive.errors import HiveError
from tests.support.daemons import HiveOnDisk, pids_of

POLL = 0.02
PATIENCE = 600.0
STATUS_ROUNDS = 50
"""Times that the status is asked for; the daemon's clock of processor time ticks each 10 ms."""


class Field:
    """A hive with many agents, and what is asked of it."""

    def __init__(self, root: Path, count: int) -> None:
        self.names = [f"a{number}" for number in range(count)]
        self.hive = HiveOnDisk(root)
        self.hive.configure("".join(f'[agents.{name}]\nrun = ["cat"]\n' for name in self.names))

    def host(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Ask as the operator."""
        return call(self.hive.run_dir / "host.sock", {"cmd": cmd, **fields}, PATIENCE)

    def rows(self) -> list[dict[str, Any]]:
        """Return the status rows of the agents."""
        found: list[dict[str, Any]] = self.host("agent_status")["agent_statuses"]
        return found

    def answers(self) -> bool:
        """Return whether host.sock answers."""
        try:
            self.host("list")
        except HiveError:
            return False
        return True

    def scope(self) -> dict[str, Any]:
        """Return the scope of all agents."""
        return {"agent_names": self.names}


def _until(condition: Callable[[], bool], began: float, pause: float = POLL) -> float:
    """Wait until a condition holds; return the seconds since `began`."""
    while not condition():
        if time.perf_counter() - began > PATIENCE:
            raise click.ClickException(f"it did not happen within {PATIENCE:g} s")
        time.sleep(pause)
    return time.perf_counter() - began


def measure(field: Field) -> Figures:
    """Start a hive, ask for its status, stop and start its agents, and end it."""
    found = Figures(len(field.names))
    processors = os.cpu_count() or 1
    busy = busy_seconds()
    began = time.perf_counter()
    daemon = field.hive.launch()
    found.socket = _until(field.answers, began)
    found.socket_part = seconds_of(daemon.pid)
    found.connected = _until(lambda: _all_connected(field, found), began, 0.2)
    busy = busy_seconds() - busy
    own = sum(map(seconds_of, pids_of(field.hive.state_dir).values()))
    found.daemon = seconds_of(daemon.pid)
    found.part = own / processors
    found.others = max(0.0, busy - own - found.daemon) / processors
    _measure_status(field, found, daemon.pid)
    began = time.perf_counter()
    field.host("stop", scope=field.scope(), graceful=True)
    found.stop = time.perf_counter() - began
    began = time.perf_counter()
    field.host("start", scope=field.scope())
    found.start = _until(lambda: _all_connected(field, found), began, 0.2)
    began = time.perf_counter()
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(PATIENCE)
    found.end = time.perf_counter() - began
    return found


def _all_connected(field: Field, found: Figures) -> bool:
    rows = field.rows()
    starting = sum(row["state"] == "running" and not row["connected"] for row in rows)
    found.most_starting = max(found.most_starting, starting)
    return all(row["connected"] for row in rows)


def _measure_status(field: Field, found: Figures, pid: int) -> None:
    taken, before = [], loop_seconds(pid)
    for _ in range(STATUS_ROUNDS):
        began = time.perf_counter()
        field.rows()
        taken.append((time.perf_counter() - began) * 1000)
    found.status = (loop_seconds(pid) - before) * 1000 / STATUS_ROUNDS
    found.status_taken = statistics.median(taken)


@click.command()
@click.option("--agents", multiple=True, type=click.IntRange(1), default=(3, 50))
def main(agents: tuple[int, ...]) -> None:
    """Run a hive of each number of AGENTS, one after the other; 500 need 11 GB of memory."""
    for count in agents:
        root = Path(tempfile.mkdtemp(prefix="hive-"))
        field = Field(root, count)
        try:
            print("\n".join(measure(field).lines()), flush=True)
        finally:
            field.hive.close()
            shutil.rmtree(root, ignore_errors=True)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


main()
