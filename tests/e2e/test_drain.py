"""A drain, then a restart of the daemon: no turn of three working agents is cut or repeated."""

from __future__ import annotations

import json

from tests.support.daemons import HiveOnDisk, eventually

NAMES = ("alice", "bob", "carol")

WORK = """
cat >/dev/null
echo "$HIVE_MESSAGE_ID $HIVE_MESSAGE_ATTEMPT" >>$HIVE_STATE/begun
sleep 2
echo "$HIVE_MESSAGE_ID" >>$HIVE_STATE/done
echo finished
"""

CONFIG = "".join(f'[agents.{name}]\nrun = ["sh", "-c", {json.dumps(WORK)}]\n' for name in NAMES)


def lines(hive: HiveOnDisk, name: str, file: str) -> list[str]:
    path = hive.state_dir / "agents" / name / "state" / file
    return path.read_text().splitlines() if path.exists() else []


def test_no_turn_is_lost_by_a_drain_and_a_restart_of_the_daemon(hive: HiveOnDisk) -> None:
    hive.configure(CONFIG)
    hive.start()
    for name in NAMES:
        hive.until_state(name, "running")
        hive.ok("send", name, "first")
        hive.ok("send", name, "second")
    before = {name: hive.status(name)["pid"] for name in NAMES}
    eventually(lambda: all(lines(hive, name, "begun") for name in NAMES), what="three turns")

    hive.ok("drain", "--timeout", "30")
    for name in NAMES:
        begun = [line.split()[0] for line in lines(hive, name, "begun")]
        assert begun == lines(hive, name, "done"), "every turn that had begun has ended"
    hive.ok("shutdown", "--keep-agents")
    assert hive.daemon is not None
    hive.daemon.wait(20)
    hive.start()
    after = {name: hive.until_state(name, "running")["pid"] for name in NAMES}
    assert after == before
    hive.ok("resume", "--all")

    eventually(lambda: len(hive.json("inbox")) == 6, what="six answers", within=30)
    for name in NAMES:
        attempts = [line.split()[1] for line in lines(hive, name, "begun")]
        assert attempts == ["1", "1"], "nothing was delivered twice"
