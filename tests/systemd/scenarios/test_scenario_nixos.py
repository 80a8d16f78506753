"""Agents in NixOS containers: the daemon builds them from a flake, runs and destroys them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd import nixos
from tests.systemd.scenarios.hives import leader
from tests.systemd.scenarios.nixos_hives import BUILD, NixosHive, needs_nix

pytestmark = needs_nix

ALICE = "container@h-alice.service"
SWARM = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; cat /run/current-system/nixos-version"]
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; readlink /run/current-system"]
"""


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[NixosHive]:
    made = NixosHive(tmp_path, SWARM)
    yield made
    made.close()


def test_an_agent_is_built_run_rebuilt_and_destroyed(hive: NixosHive) -> None:
    hive.start()
    row = hive.until_state("alice", "running", within=BUILD)
    assert (row["source"], row["pid"]) == ("systemd", leader("h-alice"))
    assert sorted(hive.containers()) == ["h-alice", "h-bob"]
    assert hive.answer("bob").endswith("-nixos-system-bob"), "not alice's, built at the same time"
    assert hive.answer("alice") == "1"

    hive.kill()
    hive.start()
    assert hive.until_state("alice", "running")["pid"] == row["pid"], "adopted"

    nixos.release(hive.flake, "2")
    hive.ok("restart", "alice")
    assert hive.answer("alice") == "1", "a restart runs what was built"
    hive.ok("rebuild", "alice")
    assert hive.answer("alice") == "2"
    (hive.flake / "version").unlink()
    refused = hive.run("rebuild", "alice")
    assert refused.returncode == 1
    assert "failed to build" in refused.stderr
    assert hive.answer("alice") == "2", "it goes on as it was"

    hive.ok("stop", "alice")
    assert hive.state("alice") == "stopped"
    status = hive.nixos_container("status", "h-alice")
    assert status == "down\n"
    hive.ok("destroy", "alice", "--yes")
    assert hive.containers() == ["h-bob"]
    assert not list(Path("/run/systemd/system").glob(f"{ALICE}.d"))


def test_a_container_that_the_host_declares_is_refused_and_left_alone(hive: NixosHive) -> None:
    with nixos.declared(hive.root, "h-alice") as file:
        text = file.read_text()
        try:
            hive.start()
            row = eventually(
                lambda: (seen := hive.status("alice")).get("reason") and seen, what="the refusal"
            )
            assert "belongs to the host's own NixOS configuration" in row["reason"]
            assert row["running"] is False
            assert file.read_text() == text
        finally:
            hive.interrupt()
