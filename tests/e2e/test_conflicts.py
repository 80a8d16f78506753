"""Names that hive.toml has on another side than the store: the real daemon serves all the same."""

from __future__ import annotations

import json

import pytest

from tests.support.daemons import HiveOnDisk

PROGRAM = 'exec = ["sleep", "100000"]\n'
BEFORE = f"[agents.alice]\n{PROGRAM}[agents.eve]\n{PROGRAM}[peers.damocles]\n"
AFTER = f"[peers.alice]\n[agents.damocles]\n{PROGRAM}[agents.eve]\n{PROGRAM}"


@pytest.fixture(name="torn")
def _torn(hive: HiveOnDisk) -> HiveOnDisk:
    """A hive whose file has two names on the other side since the last start."""
    hive.configure(BEFORE)
    hive.start()
    hive.ok("send", "damocles", "hello")
    hive.kill()
    hive.configure(AFTER)
    hive.start()
    return hive


def conflicts(hive: HiveOnDisk) -> dict[str, str]:
    return dict(hive.json("list").get("conflicts", {}))


def test_everything_is_served_and_the_conflicts_are_shown_everywhere(torn: HiveOnDisk) -> None:
    for name in ("alice", "eve"):
        torn.until_state(name, "running")
    assert torn.json("list")["peers"] == ["damocles"]
    found = conflicts(torn)
    assert found.keys() == {"alice", "damocles"}
    assert "'hive-c0re release alice'" in found["alice"]
    assert "'hive-c0re adopt damocles --yes'" in found["damocles"]
    for name, sentence in found.items():
        assert torn.status(name)["conflict"] == sentence
        assert f"Conflict: {sentence}" in torn.ok("status", name)
        assert sentence in torn.run("list").stderr
        assert sentence in torn.ok("status")
    assert "conflict" not in torn.status("eve")
    findings = json.loads(torn.run("doctor", "--json").stdout)
    told = [each for each in findings if each["check"] == "conflict"]
    assert {each["verdict"] for each in told} == {"problem"}
    assert {f"{each['sentence']}; {each['remedy']}" for each in told} == set(found.values())


def test_the_advice_works_and_no_mail_is_lost(torn: HiveOnDisk) -> None:
    torn.ok("adopt", "damocles", "--yes")
    torn.ok("release", "alice")
    assert conflicts(torn) == {}
    torn.until_state("damocles", "running")
    listing = torn.json("list")
    assert (listing["agents"], listing["peers"]) == (["eve", "damocles"], ["alice"])
    assert torn.status("damocles")["unread"] == 1
    torn.ok("reload")
    torn.kill()
    torn.start()
    assert conflicts(torn) == {}


def test_the_other_way_out_is_the_file(torn: HiveOnDisk) -> None:
    done = torn.run("reload")
    assert "nothing is changed: 'damocles' is an agent in hive.toml" in done.stderr
    torn.configure(BEFORE)
    torn.ok("reload")
    assert conflicts(torn) == {}


def test_a_rename_makes_a_conflict_and_ends_one(torn: HiveOnDisk) -> None:
    torn.configure(BEFORE)
    torn.ok("reload")
    torn.ok("rename", "eve", "ewa", "--restart")
    torn.configure(f"{BEFORE}[peers.ewa]\n")
    torn.kill()
    torn.start()
    found = conflicts(torn)  # 'eve' is made anew, as the advice of the rename says
    assert found.keys() == {"ewa"}
    torn.ok("rename", "ewa", "ena", "--restart")
    assert conflicts(torn) == {}, "a rename is a way out, too"


def test_what_to_change_in_the_file_is_printed_also_into_a_pipe(hive: HiveOnDisk) -> None:
    hive.configure(BEFORE)
    hive.start()
    done = hive.run("rename", "eve", "ewa", "--restart")
    assert "hive.toml still has [agents.eve]: make it [agents.ewa]" in done.stderr
    done = hive.run("release", "alice", "--json")
    advice = json.loads(done.stdout)["advice"]
    assert advice.startswith("hive.toml still has [agents.alice]: make it [peers.alice]")
    assert advice in done.stderr
    done = hive.run("rename", "ewa", "eva", "--restart", "--json")
    assert json.loads(done.stdout)["advice"] is None
    done = hive.run("adopt", "damocles", "--yes", "--json", "--", "cat")
    assert "hive.toml still has [peers.damocles]" in json.loads(done.stdout)["advice"]
    assert "it becomes a process of this machine" in done.stderr
    assert conflicts(hive).keys() == {"alice", "damocles"}, "what the advice is about"


def test_a_move_after_the_change_of_the_file_leaves_no_conflict(hive: HiveOnDisk) -> None:
    """The file first, then the move: so says docs/migrating-damocles.md."""
    hive.configure(BEFORE)
    hive.start()
    hive.configure(AFTER)
    hive.ok("release", "alice")
    assert conflicts(hive).keys() == {"damocles"}, "the file is read at each move"
    hive.ok("adopt", "damocles", "--yes")
    assert conflicts(hive) == {}
    assert hive.ok("reload", "--dry-run") == ""


def test_a_removal_says_what_would_make_the_participant_again(hive: HiveOnDisk) -> None:
    hive.configure(BEFORE)
    hive.start()
    done = hive.run("destroy", "eve", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    assert "hive.toml still has [agents.eve]: take it out, or the next reload" in done.stderr
    assert hive.run("register-peer", "damocles", "--no-broadcast").stderr == "", "as it is there"
    done = hive.run("register-peer", "damocles", "--description", "day job")
    assert "hive.toml says otherwise of 'description' in [peers.damocles]: change" in done.stderr
    done = hive.run("unregister-peer", "damocles")
    assert "hive.toml still has [peers.damocles]: take it out" in done.stderr
    assert hive.ok("reload").splitlines() == [
        "agents.eve: new, takes effect now",
        "peers.damocles: new, takes effect now",
    ]
    hive.configure("")
    planned = hive.ok("reload", "--dry-run").splitlines()
    assert planned[-1] == "peers.damocles: left over, is removed with --prune"
    planned = hive.ok("reload", "--dry-run", "--prune").splitlines()
    assert planned[-1] == "peers.damocles: left over, is removed now"
    hive.ok("reload", "--prune")
    assert not any(hive.json("list").values())
    done = hive.run("register-peer", "damocles")
    assert hive.run("unregister-peer", "damocles").stderr == "", "the file does not have it"


def test_what_cannot_be_released_adopted_or_rolled_back_says_why(hive: HiveOnDisk) -> None:
    hive.configure(BEFORE)
    hive.start()
    for words, sentence in (
        (("release", "damocles"), "'damocles' is a peer already, so there is nothing to release"),
        (("adopt", "alice"), "'alice' is an agent already"),
        (("adopt", "damocles"), "its program ('hive-c0re adopt damocles -- PROGRAM')"),
        (("rollback", "alice"), "'alice' is described in hive.toml, and a rollback returns only"),
        (("rollback", "*"), "this hive builds no NixOS systems"),
    ):
        done = hive.run(*words)
        assert done.returncode in {2, 5}, "refused, and the daemon serves"
        assert sentence in done.stderr
    found = json.loads(hive.ok("adopt", "damocles", "--json", "--", "cat"))
    assert found["manifest"] == 'run = ["cat"]\n'
    assert found["approval"]["subject"] == "gets a process of its own"
