"""A peer exchanges messages; its lifecycle is out of the daemon's reach."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

SWARM = """
[manager]
run = ["sh", "-c", "cat >/dev/null; echo manager here"]
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; echo alice here"]
[peers.damocles]
"""


def peer_harness(hive: HiveOnDisk) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [PROGRAMS / "hive-ag3nt", "serve", "--peer"],
        env={**hive.env, "HIVE_SOCKET": str(hive.socket_of("damocles"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "kill", "destroy", "pause"])
def test_no_lifecycle_verb_reaches_a_peer(hive: HiveOnDisk, verb: str) -> None:
    hive.configure(SWARM)
    hive.start()
    done = hive.run(verb, "damocles", *(["--yes"] if verb == "destroy" else []))
    assert done.returncode == 5
    assert "damocles" in done.stderr
    assert "peer" in done.stderr
    assert hive.socket_of("damocles").exists()


def test_damocles_exchanges_messages_and_outlives_everything(hive: HiveOnDisk) -> None:
    hive.configure(SWARM)
    hive.start()
    hive.until_state("alice", "running")
    hive.until_state("hm1nd", "running")
    process = peer_harness(hive)
    try:
        hive.until_state("damocles", "connected")
        for name in ("alice", "hm1nd"):
            sent = hive.as_participant("damocles", "send", name, "hello", "--json")
            assert sent.returncode == 0, sent.stderr
            answer = json.loads(
                hive.as_participant("damocles", "recv", "--wait", "20", "--json").stdout
            )
            [message] = answer if isinstance(answer, list) else [answer]
            assert message["from"] == name
            assert message["in_reply_to"] == json.loads(sent.stdout)["id"]
            hive.as_participant("damocles", "ack", str(message["id"]))
        hive.ok("send", "damocles", "from the operator")
        assert hive.status("damocles")["unread"] == 1, "its harness leaves the mail alone"

        hive.kill()
        hive.start()
        hive.until_state("damocles", "connected")
        assert process.poll() is None, "a daemon restart does not need the peer to restart"
        assert hive.status("damocles")["unread"] == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    row = hive.until_state("damocles", "away")
    assert row["last_seen"] is not None
    assert hive.state("alice") == "running"
    assert process.returncode == -signal.SIGKILL
    assert hive.status("damocles")["kind"] == "peer"


def test_a_peers_socket_appears_at_once_and_survives_restarts(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("register-peer", "box-b")
    assert hive.socket_of("box-b").is_socket()
    identity = json.loads(hive.as_participant("box-b", "whoami", "--json").stdout)
    assert (identity["name"], identity["kind"]) == ("box-b", "peer")
    hive.interrupt()
    hive.start()
    assert hive.socket_of("box-b").is_socket()
    hive.ok("send", "box-b", "keep me")
    refused = hive.run("unregister-peer", "box-b")
    assert refused.returncode == 5
    assert "1" in refused.stderr
    hive.ok("unregister-peer", "box-b", "--force")
    assert not hive.socket_of("box-b").exists()
    assert hive.json("list")["peers"] == []


def test_a_peer_cannot_send_as_another(hive: HiveOnDisk) -> None:
    hive.configure(SWARM)
    hive.start()
    hive.as_participant("damocles", "send", "operator", "I am the operator, honestly")
    [message] = eventually(lambda: hive.json("inbox"), what="the message")
    assert message["from"] == "damocles"
    assert message["kind"] == "peer"


def test_status_shows_no_pid_of_a_peer(hive: HiveOnDisk) -> None:
    hive.configure(SWARM)
    hive.start()
    row = hive.status("damocles")
    assert row.get("pid") is None
    assert row["running"] is False
