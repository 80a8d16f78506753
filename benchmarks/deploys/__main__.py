"""Measure approve → healthy of a command agent, and the `whoami` of a peer meanwhile.

A bare server beside the daemon answers at the same times: what it takes is the machine's part.

The hive is a daemon of its own with the process runtime and real git. The agent's own start is
that of `hive-c0re restart` of the same agent until its harness has reported, less the time for
which a healthy agent is watched.

With `--systems` there is a second hive, under nixos-container: each deploy locks the meta flake,
builds a system with the real Nix, and restarts a container on it. That needs a host that systemd
has booted, such as the one of tests.testbed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from attrs import define

from benchmarks.deploys.latencies import Latencies, bare_server
from hive.client.blocking import call
from hive.deploys.health_gate import STABLE_SECONDS
from tests.support.daemons import HiveOnDisk
from tests.support.repositories import Repository

SECONDS_TARGET, LATENCY_TARGET = 1.0, 20.0
"""Targets: seconds that a deploy adds to the agent's own start, p99 of `whoami` in milliseconds."""

CONFIG = '[manager]\nexec = ["sleep", "3600"]\n[peers.bob]\n[limits]\nrequests = 1000000\n'


Files = Callable[[int], dict[str, str]]
"""Returns the files of the commit of a deploy, by its number."""


def manifest(number: int) -> dict[str, str]:
    """Return the files of a command agent."""
    return {"agent.toml": f'run = ["/bin/cat"]\ndescription = "version {number}"\n'}


def system(number: int) -> dict[str, str]:
    """Return the files of a command agent with a NixOS system, which no deploy before has built."""
    return {**manifest(number), "agent.nix": f'{{ version = "{number} of {time.time()}"; }}\n'}


@define
class Field:
    """A hive on disk with a manager and one proposed agent."""

    hive: HiveOnDisk
    repository: Repository
    files: Files

    def host(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Ask as the operator."""
        return call(self.hive.run_dir / "host.sock", {"cmd": cmd, **fields}, 120.0)

    def deploy(self, number: int) -> float:
        """Propose and approve a commit; return the seconds from the approval to healthy."""
        sha = self.repository.commit(self.files(number))
        verb, key = ("request_spawn", "name") if number == 1 else ("request_apply_commit", "agent")
        manager = self.hive.run_dir / "agents" / "hm1nd" / "mcp.sock"
        approval = call(manager, {"cmd": verb, key: "alice", "commit_ref": sha})["approval"]
        started = time.perf_counter()
        self.host("approve", id=approval)
        while True:
            rows = self.host("deploys", name="alice", max=1)["deploys"]
            if rows and rows[0]["approval"] == approval and "ended_at" in rows[0]:
                break
            time.sleep(0.005)
        taken = time.perf_counter() - started
        if rows[0]["step"] != "deployed":
            raise click.ClickException(f"deploy {number}: {rows[0]}")
        return taken

    def own_start(self) -> float:
        """Restart the agent; return the seconds until its harness is connected and has reported."""
        started = time.perf_counter()
        self.host("restart", name="alice")
        while True:
            rows = self.host("agent_status")["agent_statuses"]
            row = next(each for each in rows if each["name"] == "alice")
            if row.get("connected") and row.get("activity") not in {None, "unknown"}:
                return time.perf_counter() - started
            time.sleep(0.005)


@define
class Figures:
    """What was measured of one hive: seconds, and the latencies of its peer."""

    starts: list[float]
    deploys: list[float]
    quiet: Latencies
    busy: Latencies
    bare: Latencies


def measure(hive: HiveOnDisk, files: Files, count: int) -> Figures:
    """Deploy `count` times in a hive that is configured."""
    hive.start()
    try:
        field = Field(hive, Repository(hive.state_dir / "proposed" / "alice"), files)
        field.deploy(1)
        starts = [field.own_start() for _ in range(count)]
        of_bob, beside = hive.run_dir / "agents" / "bob" / "mcp.sock", hive.run_dir / "bare.sock"
        with Latencies(of_bob) as quiet:
            time.sleep(3)
        with bare_server(beside), Latencies(beside) as bare, Latencies(of_bob) as busy:
            deploys = [field.deploy(number) for number in range(2, count + 2)]
    finally:
        hive.interrupt()
    return Figures(starts, deploys, quiet, busy, bare)


def show(title: str, found: Figures) -> None:
    """Print the figures of one hive."""
    print(title)
    for what, times in (
        ("approve to healthy", found.deploys),
        ("the agent's start", found.starts),
    ):
        print(f"  {what:<19}p50 {statistics.median(times):.2f} s   max {max(times):.2f} s")
    for what, latencies in (
        ("whoami meanwhile", found.busy),
        ("a bare server", found.bare),
        ("whoami before", found.quiet),
    ):
        print(
            f"  {what:<19}p50 {statistics.median(latencies.times):.1f} ms   "
            f"p99 {latencies.p99():.1f} ms   n {len(latencies.times)}"
        )
    met = "met" if found.busy.p99() < LATENCY_TARGET else "missed"
    print(f"  p99 meanwhile: {LATENCY_TARGET:g} ms is {met}")


def show_added(found: Figures) -> None:
    """Print what a deploy adds to the agent's own start."""
    added = statistics.median(found.deploys) - statistics.median(found.starts)
    print(
        f"  a deploy adds {added:.2f} s, of which {STABLE_SECONDS:g} s are watched: "
        f"{SECONDS_TARGET:g} s is {'met' if added <= SECONDS_TARGET else 'missed'}"
    )


def measure_processes(root: Path, count: int) -> None:
    """Measure deploys of processes: git alone."""
    hive = HiveOnDisk(root)
    hive.configure(CONFIG)
    found = measure(hive, manifest, count)
    show("processes: git", found)
    show_added(found)


def measure_systems(root: Path, count: int) -> None:
    """Measure deploys of NixOS systems: git, Nix and containers."""
    from tests.systemd.scenarios.nixos_hives import NixosHive  # needs root and Nix

    hive = NixosHive(root, CONFIG)
    hive.use_nixpkgs()
    try:
        show("NixOS systems: git, nix build, containers", measure(hive, system, count))
    finally:
        hive.close()


@click.command()
@click.option("--count", type=click.IntRange(2), default=10, show_default=True)
@click.option("--systems", is_flag=True, help="Also deploy NixOS systems; needs a booted systemd.")
def main(count: int, systems: bool) -> None:
    """Deploy an agent COUNT times, and print how long that takes and what others notice."""
    for of in (measure_processes, measure_systems) if systems else (measure_processes,):
        root = Path(tempfile.mkdtemp(prefix="hive-"))
        try:
            of(root, count)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


main()
