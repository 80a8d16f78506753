"""Measure what open pages of the dashboard cost the daemon, and how it answers others meanwhile.

Daemon and dashboard are the real programs, the agents run, and are paused and resumed. A page is a
client that loads it and follows its stream: half of them the overview, half the page of an agent.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from attrs import frozen

from benchmarks.dashboard.open_pages import OpenPage, Visitor
from benchmarks.scale.processor_time import seconds_of
from benchmarks.top.daemon_load import Changes, answer_times, until_running
from tests.support.daemons import HiveOnDisk
from tests.web.dashboard_process import DashboardProcess

TARGET_CORE, TARGET_P99 = 0.01, 20.0
"""The share of one processor that a page may cost the daemon, and the milliseconds of its p99."""

SETTLE = 3.0
"""Seconds between the opening of pages and a measurement."""

HEAD = f"{'open pages':<24}{'daemon':>9}{'added':>9}{'dashboard':>11}{'median':>10}{'p99':>10}"


@frozen
class Figures:
    """What was measured with some pages open.

    Attributes:
        daemon: Share of a processor of the daemon.
        web: That of the dashboard.
        answers: Milliseconds of each answer of the daemon to somebody else.
    """

    daemon: float
    web: float
    answers: Sequence[float]

    @property
    def p99(self) -> float:
        """Milliseconds that 99 of 100 answers took at most."""
        return statistics.quantiles(self.answers, n=100)[98]


@click.command()
@click.option("--agents", default=50, show_default=True, help="Number of agents.")
@click.option("--pages", default=50, show_default=True, help="Most pages that are open at once.")
@click.option("--events", default=5, show_default=True, help="Events a second.")
@click.option("--seconds", default=20.0, show_default=True, help="Seconds of each measurement.")
def main(agents: int, pages: int, events: int, seconds: float) -> None:
    """Print the processor time of daemon and dashboard, and the answers of the daemon."""
    with tempfile.TemporaryDirectory() as root:
        hive = HiveOnDisk(Path(root))
        web = DashboardProcess(hive)
        try:
            _start(hive, web, agents)
            with Changes(hive.run_dir / "host.sock", agents, events):
                _compare(hive, web, agents, pages, seconds)
        finally:
            web.close()
            hive.close()
    print(f"{agents} agents, {events} events a second, {seconds:g} s for each line")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _start(hive: HiveOnDisk, web: DashboardProcess, agents: int) -> None:
    table = '[agents.a{}]\nexec = ["sleep", "infinity"]\n'
    hive.configure("".join(table.format(number) for number in range(agents)))
    hive.start("--no-status")
    web.start()
    until_running(hive.run_dir / "host.sock", agents)


def _compare(
    hive: HiveOnDisk, web: DashboardProcess, agents: int, pages: int, seconds: float
) -> None:
    visitor = Visitor(web.listen, web.log_in())
    many = ["/" if number % 2 else f"/agent/a{number % agents}/" for number in range(pages)]
    cases = {"none": [], "1 overview": ["/"], "1 agent": ["/agent/a0/"], f"{pages} pages": many}
    print(HEAD)
    none = 0.0
    for title, paths in {**cases, "none again": []}.items():
        with _opened(visitor, paths):
            time.sleep(SETTLE)
            found = _figures(hive, web, seconds)
        none = none if paths else found.daemon
        print(
            f"{title:<24}{found.daemon:>9.2%}{found.daemon - none:>9.2%}{found.web:>11.2%}"
            f"{statistics.median(found.answers):>7.2f} ms{found.p99:>7.2f} ms"
        )
    print(f"targets: 1 page adds {TARGET_CORE:.0%}, p99 {TARGET_P99:g} ms with {pages} pages")


def _figures(hive: HiveOnDisk, web: DashboardProcess, seconds: float) -> Figures:
    assert hive.daemon is not None
    assert web.process is not None
    pids = (hive.daemon.pid, web.process.pid)
    before, began = [seconds_of(pid) for pid in pids], time.monotonic()
    answers = answer_times(hive.run_dir / "host.sock", seconds)
    took = time.monotonic() - began
    daemon, dashboard = (
        (seconds_of(pid) - old) / took for pid, old in zip(pids, before, strict=True)
    )
    return Figures(daemon, dashboard, answers)


@contextmanager
def _opened(visitor: Visitor, paths: Sequence[str]) -> Iterator[None]:
    pages = [OpenPage(visitor, path) for path in paths]
    try:
        for page in pages:
            page.open()
        yield
        silent = [page.path for page in pages if not page.received]
        assert not silent, f"nothing came for {silent}"
    finally:
        for page in pages:
            page.close()


if __name__ == "__main__":
    main()
