"""An emergency stop of containers: the freezer of their control groups, by the kernel's word."""

from pathlib import Path

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, shown, unit

AGENTS = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; echo alice here"]
[agents.bob]
run = ["sh", "-c", "cat >/dev/null; echo bob here"]
"""


def frozen(name: str) -> str:
    """Return whether all of a container's control group is frozen, as the kernel shows it."""
    group = Path("/sys/fs/cgroup" + shown(unit(name), "ControlGroup"))
    lines = (group / "cgroup.events").read_text().splitlines()
    return dict(line.split() for line in lines)["frozen"]


def test_containers_are_frozen_over_a_restart_of_the_daemon_and_go_on(hive: ContainerHive) -> None:
    hive.configure(AGENTS)
    hive.start()
    before = {name: hive.until_state(name, "running", 60)["pid"] for name in ("alice", "bob")}
    eventually(lambda: hive.status("bob").get("connected"), within=60, what="bob's harness")

    hive.ok("estop")
    assert [frozen("alice"), frozen("bob")] == ["1", "1"]
    assert shown(unit("alice"), "FreezerState") == "frozen"
    hive.ok("send", "alice", "meanwhile")
    hive.kill()
    hive.start()
    assert hive.until_state("alice", "running")["pid"] == before["alice"]
    assert "frozen_since" in hive.status("alice")
    assert frozen("alice") == "1"
    assert hive.run("restart", "alice").returncode == 5

    hive.ok("stop", "bob")
    assert hive.state("bob") == "stopped"
    assert shown(unit("bob"), "ActiveState") in {"inactive", "failed"}

    hive.ok("thaw")
    assert frozen("alice") == "0"
    answer = eventually(lambda: hive.json("inbox"), within=60, what="the answer")
    assert [each["from"] for each in answer] == ["alice"]
    assert hive.status("alice")["pid"] == before["alice"]
    hive.ok("start", "bob", timeout=90)
    assert frozen("bob") == "0"
