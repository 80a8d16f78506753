"""An emergency stop of real processes, over a restart of the daemon."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.daemons import HiveOnDisk, eventually, pids_of

WORK = """
case "$(cat)" in *quick*) body=quick ;; *) body=slow ;; esac
echo "$body $HIVE_MESSAGE_ATTEMPT" >>$HIVE_STATE/seen
[ "$body" = quick ] || while [ ! -e $HIVE_STATE/go ]; do sleep 0.02; done
echo "done $body"
"""

WORKERS = f"""
[limits]
lease = "2s"
[agents.alice]
time_limit = "1900ms"
run = ["sh", "-c", {json.dumps(WORK)}]
[agents.bob]
time_limit = "1900ms"
run = ["sh", "-c", {json.dumps(WORK)}]
"""


def states_of(hive: HiveOnDisk, name: str) -> set[str]:
    """Return the states of all processes of an agent, by the kernel's word."""
    mark = f"HIVE_STATE={hive.state_dir}/agents/{name}/state".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add((entry / "stat").read_text().rpartition(")")[2].split()[0])
            except OSError:
                continue
    return found


def seen(hive: HiveOnDisk, name: str) -> list[str]:
    file = hive.state_dir / "agents" / name / "state" / "seen"
    return file.read_text().splitlines() if file.exists() else []


def test_a_turn_is_frozen_past_its_lease_and_ends_after_the_thaw(hive: HiveOnDisk) -> None:
    hive.configure(WORKERS)
    hive.start()
    for name in ("alice", "bob"):
        hive.until_state(name, "running")
    hive.ok("send", "alice", "slow")
    eventually(lambda: seen(hive, "alice"), what="alice at work")

    hive.ok("estop")
    assert states_of(hive, "alice") == states_of(hive, "bob") == {"T"}
    hive.ok("send", "alice", "quick")
    hive.ok("send", "bob", "quick")
    row = hive.status("alice")
    assert (row["state"], "frozen_since" in row) == ("running", True)
    assert ", frozen" in hive.ok("status")
    refused = hive.run("restart", "alice")
    assert (refused.returncode, "hive-c0re thaw alice" in refused.stderr) == (5, True)
    eventually(lambda: _seconds_frozen(hive) > 3, what="more time than a lease has")

    hive.ok("thaw")
    (hive.state_dir / "agents" / "alice" / "state" / "go").touch()
    eventually(lambda: len(hive.json("inbox")) == 3, what="all answers")
    assert seen(hive, "alice") == ["slow 1", "quick 1"], "nothing was delivered twice"
    assert seen(hive, "bob") == ["quick 1"]
    assert hive.status("alice")["restarts"] == 0


def test_a_frozen_hive_is_still_frozen_under_the_next_daemon(hive: HiveOnDisk) -> None:
    hive.configure(WORKERS)
    hive.start()
    hive.until_state("bob", "running")
    hive.until_state("alice", "running")
    before = pids_of(hive.state_dir)
    hive.ok("estop")
    hive.kill()
    assert states_of(hive, "bob") == {"T"}
    hive.start()
    hive.ok("send", "bob", "quick")
    row = hive.until_state("bob", "running")
    assert ("frozen_since" in row, pids_of(hive.state_dir)) == (True, before)
    assert states_of(hive, "bob") == {"T"}
    hive.ok("thaw")
    eventually(lambda: seen(hive, "bob") == ["quick 1"], what="the mail")


def test_a_frozen_agent_is_killed_and_started_after_its_thaw(hive: HiveOnDisk) -> None:
    hive.configure(WORKERS)
    hive.start()
    hive.until_state("alice", "running")
    hive.ok("estop", "alice")
    hive.ok("stop", "alice")
    assert states_of(hive, "alice") == set()
    assert hive.run("start", "alice").returncode == 5
    hive.ok("thaw", "alice")
    hive.ok("start", "alice")
    assert hive.state("alice") == "running"


def _seconds_frozen(hive: HiveOnDisk) -> float:
    """Return the seconds since the freeze, by the clock of the store's events."""
    from datetime import UTC, datetime

    since = datetime.fromisoformat(hive.status("alice")["frozen_since"])
    return (datetime.now(UTC) - since).total_seconds()
