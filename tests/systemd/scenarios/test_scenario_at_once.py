"""`stop --now` and `kill --force` overtake a boot and a build; a failed reload stops no rebuild."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, eventually
from tests.systemd import nixos
from tests.systemd.scenarios.hives import ContainerHive, host, shown, unit
from tests.systemd.scenarios.nixos_hives import BUILD, NixosHive, needs_nix

AT_ONCE = 5.0
"""Seconds that an end at once may take; a boot and a build here take a minute."""

AGENT = '[agents.bob]\nexec = ["sleep", "1000"]\n'
SLOW = Path("/run/systemd/system/systemd-nspawn@h-bob.service.d/10-slow.conf")
AT_ONCE_VERBS = [("stop", "bob", "--now"), ("kill", "bob", "--force")]
NIXOS_AGENT = '[agents.alice]\nexec = ["sleep", "1000"]\n'


@pytest.fixture
def slow_boot() -> Iterator[None]:
    """Make bob's container take a minute to boot."""
    SLOW.parent.mkdir(parents=True, exist_ok=True)
    SLOW.write_text("[Service]\nExecStartPre=/bin/sleep 60\n")
    host("systemctl", "daemon-reload")
    yield
    SLOW.unlink()
    host("systemctl", "daemon-reload")


@pytest.mark.parametrize("verb", AT_ONCE_VERBS, ids=" ".join)
@pytest.mark.usefixtures("slow_boot")
def test_an_end_at_once_overtakes_a_boot(hive: ContainerHive, verb: tuple[str, ...]) -> None:
    hive.configure(AGENT)
    hive.start()
    eventually(lambda: shown(unit("bob"), "ActiveState") == "activating", what="a boot")
    began = time.monotonic()
    hive.ok(*verb)
    assert time.monotonic() - began < AT_ONCE
    assert hive.state("bob") == "stopped"
    assert shown(unit("bob"), "ActiveState") in {"inactive", "failed"}
    assert shown(unit("bob"), "Job") == ""
    SLOW.write_text("")
    host("systemctl", "daemon-reload")
    hive.ok("start", "bob")
    assert hive.state("bob") == "running"


@pytest.mark.usefixtures("slow_boot")
def test_an_end_at_once_overtakes_a_boot_that_another_program_began(hive: ContainerHive) -> None:
    hive.configure(AGENT)
    hive.start()
    eventually(lambda: shown(unit("bob"), "ActiveState") == "activating", what="a boot")
    hive.kill()
    hive.start()
    began = time.monotonic()
    hive.ok("stop", "bob", "--now")
    assert time.monotonic() - began < AT_ONCE
    assert shown(unit("bob"), "ActiveState") in {"inactive", "failed"}


@pytest.fixture
def nixos_hive(tmp_path: Path) -> Iterator[NixosHive]:
    made = NixosHive(tmp_path, NIXOS_AGENT)
    yield made
    made.close()


def slow_build(hive: NixosHive) -> None:
    """Make each build of the flake take a minute from now on."""
    build = hive.flake / "build.sh"
    build.write_text(f"sleep 60\n{build.read_text()}")


@needs_nix
def test_an_end_at_once_overtakes_the_first_build(nixos_hive: NixosHive) -> None:
    slow_build(nixos_hive)
    nixos_hive.start()
    eventually(lambda: host("sh", "-c", "pgrep -f '[n]ix build' || true"), what="a build")
    began = time.monotonic()
    nixos_hive.ok("stop", "alice", "--now")
    assert time.monotonic() - began < AT_ONCE
    assert nixos_hive.state("alice") == "stopped"
    assert not host("sh", "-c", "pgrep -f '[n]ix build' || true"), "the build was ended"


@needs_nix
def test_a_stop_during_a_rebuild_is_final(nixos_hive: NixosHive) -> None:
    nixos_hive.start()
    nixos_hive.until_state("alice", "running", within=BUILD)
    slow_build(nixos_hive)
    rebuild = subprocess.Popen(
        [PROGRAMS / "hive-c0re", "rebuild", "alice"], env=nixos_hive.env, stderr=subprocess.PIPE
    )
    eventually(lambda: host("sh", "-c", "pgrep -f '[n]ix build' || true"), what="a build")
    began = time.monotonic()
    nixos_hive.ok("stop", "alice", "--now")
    _, words = rebuild.communicate(timeout=30)
    assert time.monotonic() - began < AT_ONCE
    assert b"stopped by another request" in words
    assert not host("sh", "-c", "pgrep -f '[n]ix build' || true"), "the build was ended"
    assert nixos_hive.state("alice") == "stopped"


@needs_nix
def test_a_rebuild_whose_reload_fails_restarts_the_agent_all_the_same(
    nixos_hive: NixosHive,
) -> None:
    nixos_hive.start()
    before = nixos_hive.until_state("alice", "running", within=BUILD)
    switch = nixos_hive.flake / "switch.sh"
    text = switch.read_text()
    switch.write_text(text.replace("set -eu\n", 'set -eu\n[ "$1" = boot ] || exit 4\n'))
    nixos.release(nixos_hive.flake, "2")
    done = nixos_hive.run("rebuild", "alice")
    assert done.returncode == 0, done.stderr
    row = nixos_hive.until_state("alice", "running")
    assert row["pid"] != before["pid"], "restarted"
    current = Path("/proc", str(row["pid"]), "root/run/current-system/nixos-version")
    eventually(lambda: current.exists() and current.read_text().strip() == "2", what="version 2")
    assert "failed to reload container" in done.stderr, "it says what was applied"
    said = json.dumps(nixos_hive.json("events", "-n", "50"))
    assert "failed to reload container" in said
