"""Containers are unaffected by the end of the daemon, from any cause."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hive.errors import HiveError
from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, host, leader, shown, unit

KILLS = 10
SENT_BETWEEN = 4
NAMES = ("alice", "bob")
SWARM = "".join(
    f"""
[agents.{name}]
run = ["sh", "-c", "cat >/dev/null; echo {name} here"]
"""
    for name in NAMES
)


@contextmanager
def load(hive: ContainerHive) -> Iterator[set[int]]:
    """Send without a pause, daemon or no daemon; yields the ids that were answered."""
    asked: set[int] = set()
    over = threading.Event()

    def send() -> None:
        for name in itertools.cycle(NAMES):
            try:
                asked.add(hive.ask("send", to=name, body="work")["id"])
            except HiveError:  # it is being killed, or is not up again yet
                over.wait(0.01)
            if over.wait(0.02):
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield asked
    finally:
        over.set()
        sender.join()


def until_more(asked: set[int]) -> None:
    enough = len(asked) + SENT_BETWEEN
    eventually(lambda: len(asked) >= enough, what="mail on its way")


def test_killing_the_daemon_repeatedly_affects_no_container_and_loses_no_mail(
    hive: ContainerHive,
) -> None:
    hive.configure(SWARM)
    hive.start()
    for name in NAMES:
        hive.until_state(name, "running")
    runs = {name: shown(unit(name), "InvocationID") for name in NAMES}
    with load(hive) as asked:
        for _ in range(KILLS):
            until_more(asked)
            hive.kill()
            assert {name: shown(unit(name), "ActiveState") for name in NAMES} == dict.fromkeys(
                NAMES, "active"
            )
            hive.start()
    for name in NAMES:
        row = hive.until_state(name, "running")
        assert (row["pid"], row["restarts"]) == (leader(f"h-{name}"), 0)
    assert {name: shown(unit(name), "InvocationID") for name in NAMES} == runs

    def unanswered() -> set[int]:
        inbox = hive.ask("inbox", max=1000)["messages"]
        return asked - {mail.get("in_reply_to") for mail in inbox}

    eventually(lambda: not unanswered(), within=60, what="an answer to everything that was sent")
    happened = [e["event"] for e in hive.json("events", "-n", "1000")]
    assert happened.count("started") == len(NAMES), "started once, adopted ever after"
    # Events that a killed daemon had not yet written are missing.
    assert happened.count("adopted") >= len(NAMES)


def test_a_container_that_should_not_run_is_reported_and_not_killed(hive: ContainerHive) -> None:
    hive.configure(SWARM)
    hive.start()
    hive.until_state("bob", "running")
    hive.ok("stop", "bob")
    hive.kill()
    host("machinectl", "start", "h-bob")
    run = shown(unit("bob"), "InvocationID")
    hive.start()
    row = hive.until_state("bob", "stray")
    assert "hive-c0re stop bob" in row["reason"]
    assert (shown(unit("bob"), "InvocationID"), row["running"]) == (run, True)
    assert "stray" in [e["event"] for e in hive.json("events") if e.get("name") == "bob"]
    hive.ok("stop", "bob")
    assert hive.state("bob") == "stopped"
    assert shown(unit("bob"), "ActiveState") in {"inactive", "failed"}
    assert json.loads(host("machinectl", "list", "--output=json"))[0]["machine"] == "h-alice"
