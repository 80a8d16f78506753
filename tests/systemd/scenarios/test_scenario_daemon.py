"""The daemon is disposable: containers never notice that it ends, however it ends."""

import json

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, host, leader, shown, unit

KILLS = 10
NAMES = ("alice", "bob")
SWARM = "".join(
    f"""
[agents.{name}]
run = ["sh", "-c", "cat >/dev/null; echo {name} here"]
"""
    for name in NAMES
)


def test_killing_the_daemon_again_and_again_touches_no_container_and_loses_no_mail(
    hive: ContainerHive,
) -> None:
    hive.configure(SWARM)
    hive.start()
    for name in NAMES:
        hive.until_state(name, "running")
    runs = {name: shown(unit(name), "InvocationID") for name in NAMES}
    asked: set[int] = set()
    for _ in range(KILLS):
        for name in NAMES:
            asked.add(int(hive.json("send", name, "work")["id"]))
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
        inbox = hive.json("inbox", "-n", "1000")
        return asked - {mail.get("in_reply_to") for mail in inbox}

    eventually(lambda: not unanswered(), within=60, what="an answer to everything that was sent")
    events = hive.json("events", "-n", "1000")
    assert [e["event"] for e in events].count("adopted") == KILLS * len(NAMES)


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
