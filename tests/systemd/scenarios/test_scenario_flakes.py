"""agent.nix: a proposed NixOS system is built by the meta flake, run, checked, and rolled back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hive.client import blocking
from tests.support.daemons import eventually
from tests.support.repositories import Repository
from tests.systemd import nixos
from tests.systemd.scenarios.hives import host, leader, shown
from tests.systemd.scenarios.nixos_hives import BUILD, NixosHive, needs_nix

pytestmark = needs_nix

ALICE = "container@h-alice.service"
AGENT = """
run = ["sh", "-c", "cat >/dev/null; cat /run/current-system/nixos-version"]
probe = ["grep", "-q", "good", "/run/current-system/nixos-version"]
"""
MANAGER = '[manager]\nexec = ["sleep", "3600"]\n'


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[NixosHive]:
    made = NixosHive(tmp_path, MANAGER)
    made.use_nixpkgs()
    yield made
    made.close()


def deploy(hive: NixosHive, verb: str, agent_nix: str) -> dict[str, Any]:
    """Propose a commit as the manager and approve it; return the approval when it has ended."""
    repository = Repository(hive.state_dir / "proposed" / "alice")
    sha = repository.commit({"agent.toml": AGENT, "agent.nix": agent_nix})
    key = "name" if verb == "request_spawn" else "agent"
    asked = {"cmd": verb, key: "alice", "commit_ref": sha}
    id_ = blocking.call(hive.socket_of("hm1nd"), asked, 30.0)["approval"]
    hive.ask("approve", id=id_)

    def ended() -> Any:
        row = hive.ask("approval", id=id_)["approval"]
        return row if row["status"] in {"done", "failed"} else None

    found: dict[str, Any] = eventually(ended, within=BUILD, what=f"the end of approval {id_}")
    return found


def git(hive: NixosHive, *words: str) -> list[str]:
    return host("git", "-C", str(hive.state_dir), *words).splitlines()


def system_of_alice() -> str:
    """Return the system that alice's container runs."""
    inside = ("systemd-run", "--machine=h-alice", "--wait", "--pipe", "--quiet")
    return host(*inside, "readlink", "/run/current-system").strip()


def profile_of_alice() -> str:
    return str(Path("/nix/var/nix/profiles/per-container/h-alice/system").resolve())


def test_a_proposed_system_is_built_run_and_checked_and_a_bad_one_rolled_back(
    hive: NixosHive,
) -> None:
    hive.start()
    hive.until_state("hm1nd", "running", within=BUILD)

    first = deploy(hive, "request_spawn", '{ version = "1 good"; }')
    assert first["status"] == "done", first["error"]
    assert hive.answer("alice") == "1 good"
    assert system_of_alice() == profile_of_alice()
    assert profile_of_alice().endswith("-nixos-system-h-alice")
    one = f"deploy alice: deploy 1, commit {first['fetched_sha']}"
    assert git(hive, "-C", "meta", "log", "--format=%s") == [one]

    container, id_ = leader("h-alice"), hive.ask("send", to="alice", body="wait")["id"]
    second = deploy(hive, "request_apply_commit", '{ version = "2 good"; }')
    assert second["status"] == "done", second["error"]
    assert leader("h-alice") != container, "it was restarted on the new system"
    assert hive.answer("alice") == "2 good"
    assert hive.answer_to(id_) in {"1 good", "2 good"}, "its mail is answered once it is up again"
    system = profile_of_alice()
    two = f"deploy alice: deploy 2, commit {second['fetched_sha']}"

    for number, nix, words in (
        (3, '{ version = "3 bad"; }', "probe"),
        (4, '{ version = "4 good"; boots = false; }', "start"),
        (5, "{ version = nonsense; }", "undefined variable 'nonsense'"),
    ):
        failed = deploy(hive, "request_apply_commit", nix)
        assert failed["status"] == "failed", f"deploy {number} ended {failed['status']}"
        assert words in failed["error"]
        assert (system_of_alice(), profile_of_alice()) == (system, system), "rolled back"
        assert hive.answer("alice") == "2 good"
        assert git(hive, "-C", "meta", "log", "--format=%s") == [two, one]
        tags = git(hive, "-C", "applied/alice", "tag", "--list", f"*/{failed['id']}")
        assert f"failed/{failed['id']}" in tags, number
        assert f"deployed/{failed['id']}" not in tags
    head = git(hive, "-C", "applied/alice", "rev-parse", "main")
    assert head == [second["fetched_sha"]]
    assert shown(ALICE, "ActiveState") == "active"
    meta = hive.state_dir / "meta"
    clean = subprocess.run(["git", "-C", meta, "diff", "--quiet", "HEAD"], check=False)
    assert clean.returncode == 0, "the flake that containers are made of is the committed one"
    assert not nixos.CONFS.joinpath("h-alice.conf.before-hyperhive").exists()
