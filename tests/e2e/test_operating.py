"""The operator's verbs through the real programs: spawn, pause, watch, read, destroy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

ECHO = ["--", "sh", "-c", "echo received at $HIVE_NAME"]


@contextmanager
def follow(hive: HiveOnDisk, *arguments: str) -> Iterator[IO[str]]:
    """Run a verb that follows, and end it with SIGINT."""
    process = subprocess.Popen(
        [PROGRAMS / "hive-c0re", *arguments],
        env=hive.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 130


def test_an_agent_from_spawn_to_destroy(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("spawn", "alice", *ECHO)
    assert hive.run("spawn", "alice", *ECHO).returncode == 5, "the name is taken"
    assert hive.ok("send", "alice", "-", "--wait", "20", stdin="from a pipe").strip().endswith(
        "received at alice"
    )  # fmt: skip
    hive.interrupt()
    hive.start()
    hive.until_state("alice", "running")
    hive.ok("stop", "alice")
    hive.ok("send", "alice", "unread when destroyed")
    refused = hive.run("destroy", "alice")
    assert refused.returncode == 2, "without a terminal it takes --yes"
    hive.ok("destroy", "alice", "--yes")
    assert hive.json("list")["agents"] == []
    assert hive.run("send", "alice", "no such agent").returncode == 4
    hive.ok("spawn", "alice", *ECHO)
    eventually(lambda: len(hive.json("inbox")) == 2, what="mail that waited for its return")
    hive.ok("destroy", "alice", "--yes", "--purge")
    assert not (hive.state_dir / "agents" / "alice").exists()


def test_a_paused_agent_gets_no_mail_until_it_is_resumed(hive: HiveOnDisk) -> None:
    hive.configure('[agents.alice]\nrun = ["sh", "-c", "echo done"]\n')
    hive.start()
    hive.until_state("alice", "running")
    hive.ok("pause", "alice")
    hive.ok("send", "alice", "later")
    row = hive.status("alice")
    assert (row["paused"], row["unread"], row["running"]) == (True, 1, True)
    hive.interrupt()
    hive.start()
    assert hive.status("alice")["paused"] is True, "the pause outlives the daemon"
    assert hive.json("inbox") == []
    hive.ok("resume", "alice")
    eventually(lambda: hive.json("inbox"), what="the answer")


def test_events_and_logs_are_followed_without_a_gap(hive: HiveOnDisk) -> None:
    hive.configure('[agents.alice]\nrun = ["sh", "-c", "echo to the log >&2; cat >/dev/null"]\n')
    hive.start()
    hive.until_state("alice", "running")
    with (
        follow(hive, "events", "-f", "-n", "1000", "--json") as events,
        follow(hive, "logs", "alice", "-f") as logs,
    ):
        seen = [json.loads(events.readline())]
        hive.ok("send", "alice", "write")
        assert "to the log\n" in iter(logs.readline, "")
        hive.ok("stop", "alice")
        while seen[-1]["event"] != "stopped":
            seen.append(json.loads(events.readline()))
    numbers = [row["seq"] for row in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {"daemon_started", "started", "stopped"} <= {row["event"] for row in seen}


def test_the_operators_inbox_can_be_acked_and_others_cannot(hive: HiveOnDisk) -> None:
    hive.configure("[peers.damocles]\n")
    hive.start()
    hive.as_participant("damocles", "send", "operator", "ping")
    assert len(hive.json("inbox", "--unread")) == 1
    hive.ok("inbox", "--ack")
    assert hive.json("inbox", "--unread") == []
    assert hive.json("inbox")[0]["state"] == "acked"
    hive.ok("send", "damocles", "pong")
    assert hive.run("inbox", "damocles", "--ack").returncode != 0
    assert hive.json("inbox", "damocles")[0]["state"] == "stored"


def test_the_tree_and_status_views_are_plain_without_a_terminal(hive: HiveOnDisk) -> None:
    hive.configure('[agents.alice]\nexec = ["sleep", "1000"]\n[peers.damocles]\n')
    hive.start()
    hive.until_state("alice", "running")
    tree = hive.json("tree")
    assert [child["path"].rpartition("/")[2] for child in tree["children"]] == [
        "store", "broker", "maintenance", "pressure", "agents", "peers",
        "schedules", "changes", "gateway", "notices",
    ]  # fmt: skip
    plain = hive.ok("status")
    assert "\x1b" not in plain
    assert "alice" in plain
    assert "damocles" in plain
    shown = hive.json("status", "alice")
    pid = shown["pid"] if isinstance(shown, dict) else shown[0]["pid"]
    assert os.getpgid(pid) == pid
