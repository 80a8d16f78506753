"""The daemon as a service, from the unit file that it prints."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd import nixos
from tests.systemd.scenarios.hives import ContainerHive, host, shown, unit

SERVICE = "hive-c0re.service"
BUILD = 120.0
"""Seconds in which even a busy machine builds a container's system and starts it."""

UNITS = Path("/run/systemd/system")
SWARM = """
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; echo bob here"]
[peers.damocles]
"""


class ServiceHive(ContainerHive):
    """A hive whose daemon systemd runs, in the directories that its unit file names."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.run_dir.rmdir()
        self.run_dir, self.state_dir = Path("/run/hyperhive"), Path("/var/lib/hyperhive")
        self.env |= {"HYPERHIVE_RUN_DIR": "/run/hyperhive"}

    def change(self, *lines: str) -> None:
        """Change the unit by a drop-in."""
        drop_in = UNITS / f"{SERVICE}.d" / "test.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text("\n".join(["[Service]", *lines, ""]))
        host("systemctl", "daemon-reload")

    def install(self) -> None:
        (UNITS / SERVICE).write_text(self.ok("install-unit", "--config", str(self.config)))
        host("systemctl", "daemon-reload")

    def close(self) -> None:
        host("systemctl", "stop", SERVICE)
        super().close()
        (UNITS / SERVICE).unlink(missing_ok=True)
        shutil.rmtree(UNITS / f"{SERVICE}.d", ignore_errors=True)
        host("systemctl", "daemon-reload")
        shutil.rmtree(self.state_dir)


@pytest.fixture
def service(hive: ContainerHive, tmp_path: Path) -> Iterator[ServiceHive]:
    made = ServiceHive(tmp_path)
    made.configure(SWARM)
    made.install()
    yield made
    made.close()


def answers(hive: ContainerHive) -> None:
    before = len(hive.json("inbox"))
    hive.ok("send", "bob", "hello")
    eventually(lambda: len(hive.json("inbox")) == before + 1, what="an answer")


def test_the_unit_is_ready_when_it_answers_and_its_containers_outlive_it(
    service: ServiceHive,
) -> None:
    host("systemctl", "start", SERVICE)
    assert service.json("list")["agents"] == ["bob"], "started means that it answers"
    service.until_state("bob", "running")
    eventually(
        lambda: shown(SERVICE, "StatusText") == "running: 1 of 1 agent; 1 peer", what="the status"
    )
    assert_hardened(int(shown(SERVICE, "MainPID")))
    run = shown(unit("bob"), "InvocationID")
    answers(service)

    host("systemctl", "restart", SERVICE)

    service.until_state("bob", "running")
    assert shown(unit("bob"), "InvocationID") == run
    answers(service)
    happened = [e["event"] for e in service.json("events") if e.get("name") == "bob"]
    assert "adopted" in happened

    host("systemctl", "stop", SERVICE)
    assert shown(SERVICE, "Result") == "success"
    assert shown(unit("bob"), "ActiveState") == "active"
    assert (service.run_dir / "agents" / "bob").is_dir(), "what is bound into it is still there"


def assert_hardened(daemon: int) -> None:
    """Check that the restrictions of the unit apply to the process."""
    assert "NoNewPrivs:\t1" in Path(f"/proc/{daemon}/status").read_text()
    assert "Seccomp:\t2" in Path(f"/proc/{daemon}/status").read_text()
    inside = ("nsenter", f"--target={daemon}", "--mount", "touch")
    refused = subprocess.run([*inside, "/etc/intruder"], check=False, capture_output=True)
    assert b"Read-only file system" in refused.stderr


def test_the_service_creates_nixos_containers_while_the_rest_of_etc_is_read_only(
    service: ServiceHive, tmp_path: Path
) -> None:
    if reason := nixos.missing():
        pytest.skip(reason)
    nixos.install()
    shutil.rmtree(nixos.CONFS, ignore_errors=True)
    flake = nixos.make_flake(tmp_path)
    service.config.write_text(nixos.hive_toml(flake) + SWARM)
    service.change(f"Environment=PATH={nixos.PATH}")
    try:
        host("systemctl", "start", SERVICE)
        service.until_state("bob", "running", within=BUILD)
        answers(service)
        assert (nixos.CONFS / "h-bob.conf").exists()
    finally:
        host("systemctl", "stop", SERVICE)
        nixos.destroy_all()


def test_a_daemon_that_hangs_is_replaced_and_its_containers_are_unaffected(
    service: ServiceHive,
) -> None:
    service.change("WatchdogSec=2s", "TimeoutAbortSec=1s")
    host("systemctl", "start", SERVICE)
    service.until_state("bob", "running")
    run, daemon = shown(unit("bob"), "InvocationID"), shown(SERVICE, "MainPID")

    os.kill(int(daemon), signal.SIGSTOP)

    eventually(
        lambda: (
            shown(SERVICE, "MainPID") not in {"0", daemon}
            and shown(SERVICE, "ActiveState") == "active"
        ),
        what="another daemon",
    )
    assert int(shown(SERVICE, "NRestarts")) == 1
    service.until_state("bob", "running")
    assert shown(unit("bob"), "InvocationID") == run
    answers(service)
