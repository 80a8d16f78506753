"""Agents in NixOS containers: the daemon builds them from a flake, runs and destroys them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd import nixos
from tests.systemd.scenarios.hives import ContainerHive, leader

pytestmark = pytest.mark.skipif(shutil.which("nix") is None, reason=str(nixos.missing()))

BUILD = 120.0
"""Seconds in which even a busy machine builds two systems and starts them."""

ALICE = "container@h-alice.service"
SWARM = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; cat /run/current-system/nixos-version"]
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; readlink /run/current-system"]
"""


class NixosHive(ContainerHive):
    """A hive whose agents' containers are built from a flake."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.env["PATH"] = f"{nixos.FAKES}:{self.env['PATH']}"
        self.flake = nixos.make_flake(root)
        self.config.write_text(nixos.hive_toml(self.flake) + SWARM)

    def close(self) -> None:
        super().close()
        nixos.destroy_all()


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[NixosHive]:
    nixos.install()
    made = NixosHive(tmp_path)
    yield made
    made.close()


def answer(hive: NixosHive, name: str) -> str:
    """Send an agent a message and return its answer: something about the system it runs in."""
    id_ = hive.ask("send", to=name, body="hello")["id"]

    def found() -> str | None:
        mail = hive.ask("inbox")["messages"]
        return next((each["body"] for each in mail if each.get("in_reply_to") == id_), None)

    return str(eventually(found, what="an answer"))


def listed(hive: NixosHive) -> list[str]:
    return hive.ok("list", program=str(nixos.FAKES / "nixos-container")).split()


def test_an_agent_is_built_run_rebuilt_and_destroyed(hive: NixosHive) -> None:
    hive.start()
    row = hive.until_state("alice", "running", within=BUILD)
    assert (row["source"], row["pid"]) == ("systemd", leader("h-alice"))
    assert sorted(listed(hive)) == ["h-alice", "h-bob"]
    assert answer(hive, "bob").endswith("-nixos-system-bob"), "not alice's, built at the same time"
    assert answer(hive, "alice") == "1"

    hive.kill()
    hive.start()
    assert hive.until_state("alice", "running")["pid"] == row["pid"], "adopted"

    nixos.release(hive.flake, "2")
    hive.ok("restart", "alice")
    assert answer(hive, "alice") == "1", "a restart runs what was built"
    hive.ok("rebuild", "alice")
    assert answer(hive, "alice") == "2"
    (hive.flake / "version").unlink()
    refused = hive.run("rebuild", "alice")
    assert refused.returncode == 1
    assert "failed to build" in refused.stderr
    assert answer(hive, "alice") == "2", "it goes on as it was"

    hive.ok("stop", "alice")
    assert hive.state("alice") == "stopped"
    status = hive.ok("status", "h-alice", program=str(nixos.FAKES / "nixos-container"))
    assert status == "down\n"
    hive.ok("destroy", "alice", "--yes")
    assert listed(hive) == ["h-bob"]
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
