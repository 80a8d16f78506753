"""A daemon that is killed, stopped and started again keeps its agents and messages."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.daemons import HiveOnDisk, eventually, pids_of

TWO_AGENTS = """
[agents.alice]
run = ["sh", "-c", "echo alice here"]
[agents.bob]
run = ["sh", "-c", "echo bob here"]
"""


def test_agents_survive_the_daemon_and_are_adopted(hive: HiveOnDisk) -> None:
    hive.configure(TWO_AGENTS)
    hive.start()
    for name in ("alice", "bob"):
        hive.until_state(name, "running")
    before = pids_of(hive.state_dir)
    hive.kill()
    assert pids_of(hive.state_dir) == before
    hive.start()
    for name in ("alice", "bob"):
        row = hive.until_state(name, "running")
        assert (row["pid"], row["source"]) == (before[name], "kernel")
    hive.ok("send", "alice", "still there?")
    answer = eventually(lambda: hive.json("inbox"), what="the answer")
    assert answer[0]["body"] == "alice here"

    os.killpg(before["alice"], signal.SIGKILL)
    again = eventually(
        lambda: (pid := hive.status("alice").get("pid")) not in {None, before["alice"]} and pid,
        what="the restart of an adopted agent",
    )
    assert hive.status("alice")["restarts"] == 1
    assert again != before["alice"]
    events = hive.json("events", "-n", "100")
    ended = [e for e in events if e["event"] == "ended" and e.get("name") == "alice"]
    assert ended[0]["detail"]["reason"].startswith(("killed by SIGKILL", "ended, cause unknown"))


def test_interrupt_stops_all_agents_and_keep_agents_keeps_them(hive: HiveOnDisk) -> None:
    hive.configure(TWO_AGENTS)
    hive.start()
    hive.until_state("bob", "running")
    hive.until_state("alice", "running")
    assert hive.interrupt() == 0
    assert pids_of(hive.state_dir) == {}
    assert "Traceback" not in hive.output()

    hive.start()
    running = {name: hive.until_state(name, "running")["pid"] for name in ("alice", "bob")}
    hive.ok("shutdown", "--keep-agents")
    assert hive.daemon is not None
    assert hive.daemon.wait(20) == 0
    assert pids_of(hive.state_dir) == running
    hive.start()
    assert hive.until_state("alice", "running")["pid"] == running["alice"]
    hive.ok("shutdown")
    assert hive.daemon.wait(20) == 0
    assert pids_of(hive.state_dir) == {}


def test_a_second_daemon_ends_at_once_and_names_the_first(hive: HiveOnDisk) -> None:
    first = hive.start()
    second = hive.run("serve", timeout=20)
    assert second.returncode == 5
    assert f"pid {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert hive.run("list").returncode == 0


def test_a_wrong_configuration_is_refused_before_anything_happens(hive: HiveOnDisk) -> None:
    hive.configure('[agents.alice]\nrun = ["x"]\ntime_limt = "5s"\n[agents."../x"]\nrun = ["y"]\n')
    done = hive.run("serve", "--config", str(hive.config), timeout=20)
    assert done.returncode == 7
    assert "hive.toml:3" in done.stderr
    assert "time_limit" in done.stderr
    assert "../x" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (hive.state_dir / "hive.sqlite").exists()


def test_without_a_daemon_every_verb_says_so(hive: HiveOnDisk) -> None:
    for verb in (["list"], ["send", "alice", "x"], ["status"], ["shutdown"]):
        done = hive.run(*verb)
        assert done.returncode == 3, verb
        assert str(hive.run_dir) in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "kill", "destroy"])
def test_an_unknown_name_is_refused_with_the_nearest(hive: HiveOnDisk, verb: str) -> None:
    hive.configure('[agents.alice]\nrun = ["true"]\n')
    hive.start()
    done = hive.run(verb, "alcie", *(["--yes"] if verb == "destroy" else []))
    assert done.returncode == 4
    assert "'alice'" in done.stderr
