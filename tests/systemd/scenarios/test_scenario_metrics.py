"""The timer of examples/monitoring keeps the file for node_exporter up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import parser

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually
from tests.systemd.scenarios.hives import host, shown

EXAMPLES = Path(__file__).parents[3] / "examples" / "monitoring"
UNITS = Path("/run/systemd/system")
SERVICE, TIMER = "hyperhive-metrics.service", "hyperhive-metrics.timer"
FILE = "/var/lib/prometheus/node-exporter/hyperhive.prom"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    made.configure("[peers.damocles]\n")
    made.start()
    yield made
    made.close()


@pytest.fixture
def file(processes: HiveOnDisk, tmp_path: Path) -> Iterator[Path]:
    """Install the units as they are, but for paths and the interval."""
    written = tmp_path / "hyperhive.prom"
    service = (EXAMPLES / SERVICE).read_text()
    assert FILE in service
    environment = f"Environment=HYPERHIVE_RUN_DIR={processes.run_dir}\n"
    service = service.replace("/usr/bin", str(PROGRAMS)).replace(FILE, str(written))
    (UNITS / SERVICE).write_text(service + environment)
    (UNITS / TIMER).write_text((EXAMPLES / TIMER).read_text().replace("=15", "=0.2"))
    host("systemctl", "daemon-reload")
    yield written
    host("systemctl", "stop", TIMER, SERVICE)
    for name in (SERVICE, TIMER):
        (UNITS / name).unlink()
    host("systemctl", "daemon-reload")


def unread(file: Path) -> float | None:
    if not file.exists():
        return None
    return next(
        sample.value
        for family in parser.text_string_to_metric_families(file.read_text())
        for sample in family.samples
        if sample.name == "hyperhive_mail_unread" and sample.labels["participant"] == "damocles"
    )


def test_the_timer_writes_the_present_numbers(processes: HiveOnDisk, file: Path) -> None:
    host("systemctl", "start", TIMER)
    eventually(lambda: unread(file) == 0.0, what="the first file")
    processes.ok("send", "damocles", "hello")
    eventually(lambda: unread(file) == 1.0, what="a newer file")
    assert shown(SERVICE, "Result") == "success"
