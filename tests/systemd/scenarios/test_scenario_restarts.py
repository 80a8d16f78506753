"""Containers are restarted by their policy, and an operator's stop overrides every policy."""

import json
import subprocess
from typing import Any

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import (
    ContainerHive,
    host,
    kill_container,
    last_journal_lines,
    leader,
    shown,
    unit,
)

WORK = """
cat >/dev/null
echo $HIVE_MESSAGE_ATTEMPT $HIVE_MESSAGE_REDELIVERED >>$HIVE_STATE/seen
while [ ! -e $HIVE_STATE/go ]; do sleep 0.05; done
echo done
"""

SWARM = f"""
[agents.alice]
run = ["sh", "-c", {json.dumps(WORK)}]
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; echo bob here"]
[peers.damocles]
"""

ALWAYS_FAILS = """
[manager]
run = ["sh", "-c", "cat >$HIVE_STATE/notice"]
[agents.crashy]
exec = ["/bin/sh", "-c", "echo trying; echo because of the moon >&2; exit 1"]
[agents.crashy.restart]
max_restarts = 2
within = "5m"
base = "100ms"
factor = 2
jitter = 0
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; echo bob here"]
"""


def test_a_killed_container_is_restarted_and_its_message_redelivered(hive: ContainerHive) -> None:
    hive.configure(SWARM)
    hive.start()
    before = hive.until_state("alice", "running")
    bob = hive.until_state("bob", "running")
    bobs_run = shown(unit("bob"), "InvocationID")
    assert (before["source"], before["pid"]) == ("systemd", leader("h-alice"))
    hive.ok("send", "alice", "work")
    seen = hive.state_dir / "agents" / "alice" / "state" / "seen"
    eventually(seen.exists, what="alice at work")

    kill_container("alice")

    eventually(
        lambda: hive.status("alice").get("pid") not in {None, before["pid"]}, what="a new alice"
    )
    eventually(lambda: len(seen.read_text().splitlines()) == 2, what="the redelivery")
    (seen.parent / "go").touch()
    first, second = (line.split() for line in seen.read_text().splitlines())
    assert (first[0], second[0]) == ("1", "2")
    assert first[1] != second[1], "the second delivery is marked as such"
    answers = eventually(lambda: hive.json("inbox"), what="the answer")
    assert [answer["body"] for answer in answers] == ["done"], "answered once"
    alice, after = hive.status("alice"), hive.status("bob")
    assert (alice["restarts"], alice["last_end"]) == (1, "killed by SIGKILL")
    assert (after["pid"], after["restarts"]) == (bob["pid"], 0)
    assert shown(unit("bob"), "InvocationID") == bobs_run, "its sibling was not touched"


def test_a_container_that_always_fails_is_parked_with_its_last_lines(hive: ContainerHive) -> None:
    hive.configure(ALWAYS_FAILS)
    hive.start()
    row = hive.until_state("crashy", "failed", within=40)
    assert (row["failed"], row["running"], row["restarts"]) == (True, False, 2)
    assert row["reason"] == "exited with status 1"
    assert row["last_lines"][-2:] == ["trying", "because of the moon"]
    events = hive.json("events", "-n", "200")
    delays = [e["detail"]["in_seconds"] for e in events if e["event"] == "restarting"]
    assert delays == [0.1, 0.2]
    assert hive.state("bob") == "running"
    assert shown(unit("bob"), "NRestarts") == "0"

    [mail] = hive.json("inbox")
    notice = json.loads(mail["body"])
    assert (mail["from"], notice["event"], notice["agent"]) == ("system", "failed", "crashy")
    assert (notice["exit_status"], notice["last_lines"][-1]) == (1, "because of the moon")
    at_manager = hive.state_dir / "agents" / "hm1nd" / "state" / "notice"
    eventually(lambda: at_manager.exists() and at_manager.read_text(), what="the manager's mail")
    assert json.loads(json.loads(at_manager.read_text())["body"]) == notice

    hive.run("start", "crashy")
    row = hive.until_state("crashy", "failed", within=40)
    events = [e for e in hive.json("events", "-n", "200") if e.get("name") == "crashy"]
    assert [e["event"] for e in events].count("started") == 6, "revived with a whole budget"

    hive.kill()
    host("systemctl", "reset-failed")
    hive.start()
    row = hive.status("crashy")
    assert (row["state"], row["restarts"]) == ("failed", 4), "parked until the operator starts it"
    assert row["last_end"] == row["reason"] == "exited with status 1"


def test_a_stop_during_a_back_off_wins(hive: ContainerHive) -> None:
    hive.configure(ALWAYS_FAILS.replace('base = "100ms"', 'base = "1h"\ncap = "1h"'))
    hive.start()
    row = hive.until_state("crashy", "backoff")
    assert row["next_restart_at"] is not None
    hive.ok("stop", "crashy")
    assert hive.state("crashy") == "stopped"
    hive.interrupt()
    hive.start()
    row = hive.status("crashy")
    assert row["state"] == "stopped", "the wish outlives the daemon"
    assert row["last_end"] == "exited with status 1", "and so does the reason"
    assert shown(unit("crashy"), "ActiveState") == "failed", "it is not started again"


def test_a_reboot_from_inside_is_no_failure(hive: ContainerHive) -> None:
    hive.configure(SWARM)
    hive.start()
    before = hive.until_state("bob", "running")
    eventually(lambda: hive.status("bob")["connected"], what="bob at its socket")
    host("machinectl", "reboot", "h-bob")
    eventually(lambda: hive.status("bob").get("pid") not in {None, before["pid"]}, what="a new bob")
    assert hive.status("bob")["restarts"] == 0
    assert "rebooted" in [e["event"] for e in hive.json("events") if e.get("name") == "bob"]
    hive.ok("send", "bob", "hello")
    assert eventually(lambda: hive.json("inbox"), what="an answer")[0]["body"] == "bob here"


def restart_by_another_program(hive: ContainerHive) -> dict[str, Any]:
    """Restart bob's unit with systemctl; return the row and the last event before that.

    systemd-nspawn may refuse the start in the middle of a restart, because machined has not yet
    unregistered the old machine. Then the hive starts bob, and the restart is tried again.
    """
    for _ in range(3):
        before = hive.until_state("bob", "running")
        seen = hive.json("events")[-1]["seq"]
        argv = ("systemctl", "restart", unit("bob"))
        if subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0:
            return {**before, "seq": seen}
        eventually(
            lambda old=before: hive.status("bob").get("pid") not in {None, old["pid"]},
            what="bob's restart by the hive",
        )
    raise AssertionError(f"no restart of bob succeeded:\n{last_journal_lines()}")


def test_an_external_restart_is_reported_and_counted(hive: ContainerHive) -> None:
    hive.configure(SWARM)
    hive.start()
    before = restart_by_another_program(hive)
    eventually(
        lambda: hive.status("bob").get("pid") not in {None, before["pid"]}, what="the new bob"
    )
    row = hive.status("bob")
    expected = (before["restarts"] + 1, leader("h-bob"), "running")
    assert (row["restarts"], row["pid"], row["state"]) == expected
    events = [
        e for e in hive.json("events", "--after", str(before["seq"])) if e.get("name") == "bob"
    ]
    happened = [e["event"] for e in events]
    assert "external_restart" in happened
    assert "restarting" not in happened
    hive.ok("send", "bob", "hello")
    assert eventually(lambda: hive.json("inbox"), what="an answer")[0]["body"] == "bob here"
