"""Agents with users of their own, in whole hives, with and without idmapped mounts."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, leader

ALICE = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; echo $TEXT; echo $HIVE_MESSAGE_ID >> $HIVE_STATE/turns"]
env = { TEXT = "%s" }
"""
TURNS = "agents/alice/state/turns"


@pytest.fixture(params=["mapped", "run directory", "state directory"])
def users(request: pytest.FixtureRequest, hive: ContainerHive) -> Iterator[ContainerHive]:
    """A hive, one of whose directories is on a file system whose owners cannot be mapped."""
    wanted = {"run directory": hive.run_dir, "state directory": hive.state_dir / "agents"}
    path = wanted.get(request.param)
    if path is None:
        yield hive
        return
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "ramfs", "none", str(path)], check=True)
    yield hive
    hive.close()
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def answer(hive: ContainerHive) -> str:
    """Return alice's answer to a message, once the message is acked.

    The ack follows the answer. A daemon and a harness that both end between the two would leave
    the message to be delivered again, as at-least-once delivery has it.
    """
    done = hive.run("send", "alice", "hello", "--wait=60")
    assert done.returncode == 0, done.stderr + hive.output()
    eventually(lambda: settled(hive), what="the ack of the message")
    return done.stdout.strip()


def settled(hive: ContainerHive) -> bool:
    """Return whether alice has finished all her mail."""
    mail = hive.ask("inbox", name="alice")["messages"]
    return bool(mail) and all(each["state"] == "acked" for each in mail)


def root_outside() -> int:
    """Return the id on the host of root in alice's container."""
    return int(Path(f"/proc/{leader('h-alice')}/uid_map").read_text().split()[1])


def test_an_agent_works_through_restarts_of_all_kinds_and_changes_of_its_users(
    users: ContainerHive,
) -> None:
    users.configure(ALICE % "one")
    users.start()
    users.until_state("alice", "running")
    assert "one" in answer(users)
    first = root_outside()
    assert first != 0

    users.kill()
    users.start()  # binds the socket again
    assert "one" in answer(users)
    assert root_outside() == first

    users.kill()
    users.configure(ALICE % "two")  # writes the agent's unit again
    users.start()
    assert users.run("restart", "alice").returncode == 0
    assert "two" in answer(users)
    assert root_outside() == first

    for line, shared in (("private_users = false", True), ("private_users = true", False)):
        users.kill()
        users.configure(ALICE % "three" + line)
        users.start()
        assert users.run("restart", "alice").returncode == 0
        assert "three" in answer(users)
        assert (root_outside() == 0) is shared
    turns = (users.state_dir / TURNS).read_text().split()
    assert len(turns) == 5
    assert len(set(turns)) == 5, "no message was worked on twice"
    assert users.run("destroy", "alice", "--purge", "--yes").returncode == 0
    assert not (users.state_dir / "agents/alice").exists()
