"""The facts of a status row in a real daemon: memory, processors, cause, the overview."""

from __future__ import annotations

import time

from tests.support.daemons import HiveOnDisk, eventually

AGENTS = """
[restart]
max_restarts = 1
base = "10ms"

[agents.alice]
run = ["cat"]
[agents.bob]
exec = ["sh", "-c", "echo starting; echo 'boom: no such key' >&2; exit 4"]
"""


def test_the_facts_of_real_agents(hive: HiveOnDisk) -> None:
    hive.configure(AGENTS)
    hive.start()
    hive.until_state("alice", "running")
    hive.until_state("bob", "failed")
    eventually(lambda: "memory_bytes" in hive.status("alice"), what="a first sample")
    first = hive.status("alice")
    assert first["memory_bytes"] > 1 << 20, "the harness is a Python program"
    assert first["resources_at"] > first["since"]
    time.sleep(1.1)  # real samples: processor time between two of them

    def has_processors() -> bool:
        return hive.status("alice").get("cpu_percent") is not None

    eventually(has_processors, what="a second sample")
    failed = hive.status("bob")
    assert (failed["reason"], failed["cause"]) == ("exited with status 4", "boom: no such key")
    assert (failed["tier"], failed.get("memory_bytes")) == ("failed", None)
    shown = hive.ok("status", "bob")
    assert "Cause: boom: no such key" in shown
    assert "exited with status 4: boom: no such key" in hive.ok("status")
    assert " MiB, read " in hive.ok("status", "alice")
    overview = hive.ok("overview")
    assert "Agents: 2: 1 failed, 1 running" in overview
    assert f"Config: {hive.config}" in overview
