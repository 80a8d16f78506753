"""Agents are restarted by their policy, and an operator's stop overrides every policy."""

from __future__ import annotations

import json
import os
import signal

from tests.support.daemons import HiveOnDisk, eventually, pids_of

WORK = """
cat >/dev/null
echo $HIVE_MESSAGE_ATTEMPT $HIVE_MESSAGE_REDELIVERED >>$HIVE_STATE/seen
while [ ! -e $HIVE_STATE/go ]; do sleep 0.05; done
echo done
"""

SLOW_WORKER = f"""
[agents.alice]
run = ["sh", "-c", {json.dumps(WORK)}]
[agents.alice.restart]
base = "50ms"
[agents.bob]
run = ["sh", "-c", "echo bob here"]
"""

ALWAYS_FAILS = """
[agents.crashy]
exec = ["sh", "-c", "echo trying; echo because of the moon >&2; exit 1"]
[agents.crashy.restart]
max_restarts = 3
within = "1m"
base = "100ms"
factor = 2
jitter = 0
[agents.bob]
run = ["sh", "-c", "echo bob here"]
"""


def test_a_killed_agent_is_restarted_and_its_message_redelivered(hive: HiveOnDisk) -> None:
    hive.configure(SLOW_WORKER)
    hive.start()
    hive.until_state("alice", "running")
    bob = hive.until_state("bob", "running")
    hive.ok("send", "alice", "work")
    seen = hive.state_dir / "agents" / "alice" / "state" / "seen"
    eventually(seen.exists, what="alice at work")
    before = hive.status("alice")["pid"]

    os.killpg(before, signal.SIGKILL)

    eventually(lambda: hive.status("alice").get("pid") not in {None, before}, what="a new alice")
    eventually(lambda: len(seen.read_text().splitlines()) == 2, what="the redelivery")
    (seen.parent / "go").touch()
    first, second = seen.read_text().splitlines()
    assert first.split()[0] == "1"
    assert second.split()[0] == "2"
    assert first.split()[1] != second.split()[1], "the second delivery is marked as such"
    answer = eventually(lambda: hive.json("inbox"), what="the answer")
    assert [message["body"] for message in answer] == ["done"]
    after = hive.status("bob")
    assert (after["pid"], after["restarts"]) == (bob["pid"], 0)
    assert hive.status("alice")["restarts"] == 1


def test_an_agent_that_always_fails_is_parked_with_its_last_lines(hive: HiveOnDisk) -> None:
    hive.configure(ALWAYS_FAILS)
    hive.start()
    row = hive.until_state("crashy", "failed")
    assert row["failed"] is True
    assert row["running"] is False
    assert row["restarts"] == 3
    assert row["reason"] == "exited with status 1"
    assert "because of the moon" in row["last_lines"]
    events = hive.json("events", "-n", "200")
    delays = [e["detail"]["in_seconds"] for e in events if e["event"] == "restarting"]
    assert delays == row["restart_delays"] == [0.1, 0.2, 0.4], "the back-off as it is printed"
    assert "0.1 s, 0.2 s, 0.4 s, then failed" in hive.ok("status", "crashy")
    assert [e["event"] for e in events if e.get("name") == "crashy"][-1] == "failed"
    assert hive.state("bob") == "running"

    started = len([e for e in events if e["event"] == "started" and e.get("name") == "crashy"])
    hive.run("start", "crashy")
    hive.until_state("crashy", "failed")
    events = hive.json("events", "-n", "200")
    again = len([e for e in events if e["event"] == "started" and e.get("name") == "crashy"])
    assert again == started + 4, "revived with a fresh budget: one start and three restarts"


def test_a_stop_during_a_back_off_wins(hive: HiveOnDisk) -> None:
    hive.configure(ALWAYS_FAILS.replace('base = "100ms"', 'base = "1h"').replace(
        "jitter = 0", 'jitter = 0\ncap = "1h"'))  # fmt: skip
    hive.start()
    row = hive.until_state("crashy", "backoff")
    assert row["next_restart_at"] is not None
    hive.ok("stop", "crashy")
    assert hive.state("crashy") == "stopped"
    hive.interrupt()
    hive.start()
    assert hive.state("crashy") == "stopped", "the desired state outlives the daemon"
    assert "crashy" not in pids_of(hive.state_dir)


def test_stop_start_restart_and_kill_change_the_state(hive: HiveOnDisk) -> None:
    hive.configure('[agents.bob]\nrun = ["sh", "-c", "echo bob here"]\n')
    hive.start()
    first = hive.until_state("bob", "running")["pid"]
    hive.ok("restart", "bob")
    second = hive.status("bob")["pid"]
    assert second not in {None, first}
    hive.ok("stop", "bob")
    row = hive.status("bob")
    assert (row["state"], row["running"], row.get("pid")) == ("stopped", False, None)
    hive.ok("send", "bob", "wait for me")
    assert hive.status("bob")["unread"] == 1
    hive.ok("start", "bob")
    answer = eventually(lambda: hive.json("inbox"), what="the answer")
    assert answer[0]["body"] == "bob here"
    hive.ok("kill", "--force", "bob")
    assert hive.state("bob") == "stopped"


def test_a_program_that_cannot_be_started_says_why(hive: HiveOnDisk) -> None:
    hive.start()
    done = hive.run("spawn", "eve", "--exec", "--", "/does/not/exist")
    assert done.returncode == 2
    assert "there is no program '/does/not/exist'" in done.stderr
    assert "Traceback" not in done.stderr
    assert hive.json("list")["agents"] == [], "nothing is left behind"
