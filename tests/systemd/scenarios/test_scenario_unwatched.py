"""What ended while the daemon was down is reported by the next one, once, with systemd's reason."""

import os
import signal
from typing import Any

from tests.support.daemons import eventually
from tests.systemd.host.lab import GETTY
from tests.systemd.prompts import wait_for_prompt
from tests.systemd.scenarios.hives import ContainerHive, host, kill_container, leader, shown, unit

WORKS = f"{GETTY}; exec sleep 1000"
WAITS = f"{GETTY}; while [ ! -e $HIVE_STATE/go ]; do sleep 0.05; done"

SWARM = f"""
[agents.alice]
exec = ["sh", "-c", "{WORKS}"]
[agents.bob]
exec = ["sh", "-c", "{WORKS}"]
[agents.carol]
exec = ["sh", "-c", "{WAITS}; echo at work; echo last words; kill -KILL $$"]
[agents.dave]
exec = ["sh", "-c", "{WAITS}; exit 7"]
[agents.erin]
exec = ["sh", "-c", "{WORKS}"]
"""

UNWATCHED = ", while no daemon was watching"


def ends(hive: ContainerHive, name: str) -> list[dict[str, Any]]:
    """Return the details of the events about ends of an agent."""
    events = hive.json("events", "-n", "500")
    return [e["detail"] for e in events if (e["event"], e.get("name")) == ("ended", name)]


def until_down(name: str) -> None:
    eventually(
        lambda: shown(unit(name), "ActiveState") in {"inactive", "failed"}, what=f"{name}'s end"
    )


def test_ends_without_a_daemon_are_reported_by_the_next_one_once(hive: ContainerHive) -> None:
    hive.configure(SWARM)
    hive.start()
    names = ("alice", "bob", "carol", "dave", "erin")
    for name in names:
        hive.until_state(name, "running")
    wait_for_prompt(*names)
    hive.ok("stop", "erin")
    host("machinectl", "start", "h-erin")  # it runs though it should not, and the next one looks
    hive.kill()
    kill_container("alice")
    host("machinectl", "poweroff", "h-bob")
    for name in ("carol", "dave"):
        (hive.state_dir / "agents" / name / "state" / "go").touch()
    for name in ("alice", "bob", "carol", "dave"):
        until_down(name)
    for name in ("carol", "dave"):
        (hive.state_dir / "agents" / name / "state" / "go").unlink()
    host("machinectl", "start", "h-dave")  # so the unit's state is that of another run
    run = shown(unit("dave"), "InvocationID")

    hive.start()
    for name in ("alice", "bob", "carol", "dave"):
        hive.until_state(name, "running")
    assert [e["reason"] for e in ends(hive, "alice")] == [f"killed by SIGKILL{UNWATCHED}"]
    assert [e["reason"] for e in ends(hive, "bob")] == [f"exited with status 0{UNWATCHED}"]
    [carol] = ends(hive, "carol")
    assert (carol["reason"], carol["result"]) == (f"killed by SIGKILL{UNWATCHED}", "signal")
    assert carol["last_lines"] == ["at work", "last words"]
    [dave] = ends(hive, "dave")
    assert (dave["reason"], dave["exit_status"]) == (f"exited with status 7{UNWATCHED}", 7)
    row = hive.status("dave")
    assert (row["pid"], row["last_end"]) == (leader("h-dave"), dave["reason"])
    assert shown(unit("dave"), "InvocationID") == run, "it is adopted, not started again"
    assert hive.status("alice")["restarts"] == 0

    hive.kill()
    os.kill(leader("h-erin"), signal.SIGKILL)
    until_down("erin")
    hive.start()
    for name in ("alice", "bob", "carol", "dave"):
        assert len(ends(hive, name)) == 1, "each end is reported once"
    assert [e["reason"] for e in ends(hive, "erin")] == [f"killed by SIGKILL{UNWATCHED}"]
    assert hive.state("erin") == "stopped"
