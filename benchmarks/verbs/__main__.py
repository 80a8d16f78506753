"""Measure the most used verbs as whole processes, in turns with an empty Python.

A real daemon answers. Each round runs `python -c pass`, `import socket, json`, which any client in
Python needs, and each verb once: whatever else the machine does meets all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from attrs import define

from benchmarks.verbs.costs import EMPTY, Costs, report
from tests.support.daemons import PROGRAMS, HiveOnDisk

TARGET = 3.5
"""Target for the ratio of the medians to those of the empty Python."""

CONFIG = """
[manager]
exec = ["sleep", "3600"]
[agents.alice]
exec = ["sleep", "3600"]
[peers.bob]
[peers.eve]
[peers.idle]
[limits]
requests = 1000000
"""

UNREAD = 20
"""Messages that `inbox` shows."""

SLOWER = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"})
"""Variables that would have each run compile the modules again, or write in small pieces."""


@define
class Command:
    """A command line, and the participant whose socket it uses."""

    words: Sequence[str | Path]
    participant: str = "bob"


def commands() -> dict[str, Command]:
    """Return the commands of a round, by the name that the report gives them."""
    c0re, ag3nt = PROGRAMS / "hive-c0re", PROGRAMS / "hive-ag3nt"
    return {
        EMPTY: Command([sys.executable, "-c", "pass"]),
        "import socket, json": Command([sys.executable, "-c", "import socket, json"]),
        "hive-c0re send": Command([c0re, "send", "eve", "hello"]),
        "hive-c0re list": Command([c0re, "list"]),
        "hive-c0re status": Command([c0re, "status"]),
        "hive-c0re inbox": Command([c0re, "inbox"]),
        "hive-ag3nt send": Command([ag3nt, "send", "bob", "hello"], "eve"),
        "hive-ag3nt recv": Command([ag3nt, "recv"]),
        "hive-ag3nt hook, no mail": Command([ag3nt, "hook"], "idle"),
        "hive-ag3nt hook, mail": Command([ag3nt, "hook"], "eve"),
        "hive-m1nd recv": Command([PROGRAMS / "hive-m1nd", "recv"]),
        "by click: hive-c0re tree": Command([c0re, "tree"]),
    }


def run(command: Command, env: Mapping[str, str]) -> tuple[float, float]:
    """Run a command to its end; return the milliseconds of processor time and of elapsed time.

    Raises:
        click.ClickException: It has failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command.words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{command.words} ended with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1000, wall * 1000


def environment(hive: HiveOnDisk, participant: str) -> dict[str, str]:
    """Return the environment of a command."""
    env = {name: value for name, value in hive.env.items() if name not in SLOWER}
    return {
        **env,
        "HIVE_SOCKET": str(hive.socket_of(participant)),
        "HIVE_STATE": str(hive.root / "harness"),
    }


def measure(hive: HiveOnDisk, rounds: int) -> dict[str, Costs]:
    """Run all commands in turns; the first round, which compiles modules, is not counted."""
    hive.configure(CONFIG)
    hive.start()
    try:
        for _ in range(UNREAD):
            hive.ok("send", "operator", "hello")
        costs = {name: Costs() for name in commands()}
        for number in range(rounds + 1):
            for name, command in commands().items():
                cpu, wall = run(command, environment(hive, command.participant))
                if number:
                    costs[name].cpu.append(cpu)
                    costs[name].wall.append(wall)
    finally:
        hive.interrupt()
        hive.close()
    return costs


@click.command()
@click.option("--rounds", type=click.IntRange(3), default=31, show_default=True)
def main(rounds: int) -> None:
    """Run each verb ROUNDS times, and print what it costs beside an empty Python."""
    root = Path(tempfile.mkdtemp(prefix="hive-"))
    try:
        click.echo(report(measure(HiveOnDisk(root), rounds)))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    click.echo(f"target: {TARGET:g}x; load average {os.getloadavg()[0]:.1f}")


main()
