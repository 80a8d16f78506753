"""A process that outlives the stop of its agent is a stray, as a container is."""

import subprocess

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually, pids_of

STUBBORN = """
[agents.bob]
exec = ["sh", "-c", "trap '' TERM; touch ready; while :; do sleep 0.1; done"]
stop_timeout = "10m"
"""


def test_a_process_that_survived_its_stop_is_ended_or_adopted(hive: HiveOnDisk) -> None:
    hive.configure(STUBBORN)
    hive.start()
    pid = hive.until_state("bob", "running")["pid"]
    eventually((hive.state_dir / "agents/bob/state/ready").exists, what="a process without TERM")
    for act, state in (("start", "running"), ("stop", "stopped")):
        stop = subprocess.Popen(
            [PROGRAMS / "hive-c0re", "stop", "bob"], env=hive.env, stderr=subprocess.DEVNULL
        )
        hive.until_state("bob", "stopping")
        hive.kill()
        stop.wait()
        hive.start()
        row = hive.until_state("bob", "stray")
        assert (row["running"], row["pid"], row["source"]) == (True, pid, "kernel")
        assert "'hive-c0re start bob' takes it over" in row["reason"]
        assert "agent, stray" in hive.ok("list")
        hive.ok(act, "bob", *(["--now"] if act == "stop" else []))
        assert hive.state("bob") == state
        assert pids_of(hive.state_dir).get("bob") == (pid if state == "running" else None)
