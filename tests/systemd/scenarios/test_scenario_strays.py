"""A container that runs although it should not is seen by systemd's signals, stopped or adopted."""

import threading
import time
from typing import Any

import pytest

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, host, leader, shown, unit

SEEN_SECONDS = 1.0
"""Longest time from the start of a container by another program until the status shows it."""

AGENT = '[agents.bob]\nexec = ["sleep", "1000"]\n'
FAILS = """
[agents.bob]
exec = ["/bin/sh", "-c", "[ ! -e /agents/bob/state/fails ] || exit 1; exec sleep 1000"]
[agents.bob.restart]
max_restarts = 1
base = "100ms"
factor = 1
jitter = 0
"""


def seen_within(hive: ContainerHive, state: str, *, since: float) -> dict[str, Any]:
    """Return the row once bob is in a state, which must be soon after `since`."""
    row = hive.until_state("bob", state, within=5)
    assert time.monotonic() - since < SEEN_SECONDS, "seen by a signal, not by polling"
    return row


def start_by_another_program() -> float:
    """Start bob's container with machinectl; return when it ran."""
    host("machinectl", "start", "h-bob")
    return time.monotonic()


def events_of_bob(hive: ContainerHive) -> list[str]:
    return [e["event"] for e in hive.json("events", "-n", "100") if e.get("name") == "bob"]


@pytest.fixture
def stopped(hive: ContainerHive) -> ContainerHive:
    """A hive whose agent bob was stopped by its operator."""
    hive.configure(AGENT)
    hive.start()
    hive.until_state("bob", "running")
    hive.ok("stop", "bob")
    return hive


def test_a_stopped_agents_container_that_was_started_by_others_is_shown_at_once(
    stopped: ContainerHive,
) -> None:
    row = seen_within(stopped, "stray", since=start_by_another_program())
    assert (row["running"], row["pid"], row["source"]) == (True, leader("h-bob"), "systemd")
    assert "'hive-c0re stop bob' ends it" in row["reason"]
    assert "'hive-c0re start bob' takes it over" in row["reason"]
    assert "stray" in events_of_bob(stopped)
    assert "stray" in stopped.ok("list")
    found = stopped.run("doctor", "--config", str(stopped.config))
    assert "bob runs although it should be stopped" in found.stdout

    stopped.ok("stop", "bob")
    assert stopped.state("bob") == "stopped"
    assert shown(unit("bob"), "ActiveState") in {"inactive", "failed"}


def test_a_stray_that_ends_is_shown_as_stopped_again(stopped: ContainerHive) -> None:
    seen_within(stopped, "stray", since=start_by_another_program())
    host("machinectl", "terminate", "h-bob")
    seen_within(stopped, "stopped", since=time.monotonic())


def test_a_start_adopts_a_stray_and_supervises_it(stopped: ContainerHive) -> None:
    seen_within(stopped, "stray", since=start_by_another_program())
    run, before = shown(unit("bob"), "InvocationID"), leader("h-bob")
    stopped.ok("start", "bob")
    row = stopped.status("bob")
    assert (row["state"], row["pid"], row.get("reason")) == ("running", before, None)
    assert shown(unit("bob"), "InvocationID") == run, "no second start"
    assert "adopted" in events_of_bob(stopped)
    host("machinectl", "terminate", "h-bob")
    eventually(lambda: stopped.status("bob").get("pid") not in {None, before}, what="a restart")


def test_a_parked_agents_container_that_was_started_by_others_is_a_stray(
    hive: ContainerHive,
) -> None:
    hive.configure(FAILS)
    fails = hive.state_dir / "agents/bob/state/fails"
    fails.parent.mkdir(parents=True)
    fails.touch()
    hive.start()
    hive.until_state("bob", "failed")
    fails.unlink()
    row = seen_within(hive, "stray", since=start_by_another_program())
    assert "it has failed (exited with status 1)" in row["reason"]
    hive.ok("start", "bob")
    assert hive.state("bob") == "running"


def test_a_container_started_during_a_back_off_is_taken_over_at_once(hive: ContainerHive) -> None:
    hive.configure(FAILS.replace('base = "100ms"', 'base = "1h"\ncap = "1h"'))
    fails = hive.state_dir / "agents/bob/state/fails"
    fails.parent.mkdir(parents=True)
    fails.touch()
    hive.start()
    hive.until_state("bob", "backoff")
    fails.unlink()
    row = seen_within(hive, "running", since=start_by_another_program())
    assert (row["pid"], row["restarts"]) == (leader("h-bob"), 1)


def test_a_start_by_others_during_a_stop_is_never_hidden(stopped: ContainerHive) -> None:
    for _ in range(3):
        stopped.ok("start", "bob")
        others = threading.Thread(target=stopped.run, args=("stop", "bob"))
        others.start()
        eventually(lambda: shown(unit("bob"), "ActiveState") != "active", what="the stop")
        host("sh", "-c", "machinectl start h-bob || true")
        others.join()
        time.sleep(SEEN_SECONDS)
        is_up = shown(unit("bob"), "ActiveState") == "active"
        assert stopped.state("bob") == ("stray" if is_up else "stopped")
