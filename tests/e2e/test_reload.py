"""Reloads of the real program: SIGHUP, the verb, files that cannot be used, a closed terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

ONE = '[agents.alice]\nexec = ["sleep", "100000"]\n'
TWO = ONE + '[agents.bob]\nexec = ["sleep", "100000"]\n'
CHANGED = '[agents.alice]\nexec = ["sleep", "200000"]\n'
REFUSED, CONFIG_ERROR = 2, 7
"""Exit statuses: the daemon refuses a file, and a program that reads one itself."""

SESSION = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes standard input the controlling terminal, and becomes the program after it."""


def names(hive: HiveOnDisk) -> list[str]:
    return sorted(hive.json("list")["agents"])


def hang_up(hive: HiveOnDisk) -> None:
    assert hive.daemon is not None
    hive.daemon.send_signal(signal.SIGHUP)


def test_sighup_reloads_a_service_and_a_bad_file_changes_nothing(hive: HiveOnDisk) -> None:
    hive.configure(ONE)
    hive.start()
    pid = hive.until_state("alice", "running")["pid"]
    hive.configure(TWO)
    hang_up(hive)
    hive.until_state("bob", "running")
    eventually(lambda: "hive.toml was reloaded: 1 change\n" in hive.output(), what="the report")
    for broken in ('[agents.alice]\nexec = ["sleep"]\nunknown = 1\n', "[agents", "\0"):
        hive.configure(broken)
        seen = hive.output().count("was not reloaded")
        hang_up(hive)
        eventually(
            lambda seen=seen: hive.output().count("was not reloaded") > seen, what="the refusal"
        )
        done = hive.run("reload")
        assert done.returncode == REFUSED
        assert str(hive.config) in done.stderr
    assert names(hive) == ["alice", "bob"]
    assert hive.status("alice")["pid"] == pid, "nothing was restarted"


def test_a_file_that_is_replaced_removed_or_unreadable(hive: HiveOnDisk) -> None:
    hive.configure(ONE)
    hive.start()
    new = hive.config.with_suffix(".new")
    new.write_text(TWO)
    new.rename(hive.config)  # as editors and configuration tools do
    hive.ok("reload")
    assert names(hive) == ["alice", "bob"]
    hive.config.unlink()
    done = hive.run("reload")
    assert (done.returncode, "No such file" in done.stderr) == (REFUSED, True)
    hive.config.mkdir()
    done = hive.run("reload")
    assert (done.returncode, "directory" in done.stderr) == (REFUSED, True)
    hive.config.rmdir()
    assert names(hive) == ["alice", "bob"]


def test_needs_update_ends_with_a_restart_and_with_the_change_taken_back(hive: HiveOnDisk) -> None:
    hive.configure(ONE)
    hive.start()
    pid = hive.until_state("alice", "running")["pid"]
    hive.configure(CHANGED)
    assert json.loads(hive.ok("reload", "--dry-run", "--json"))
    assert hive.status("alice")["needs_update"] is False
    assert "at restart" in hive.ok("reload")
    row = hive.status("alice")
    assert (row["needs_update"], row["pid"]) == (True, pid)
    assert "200000" in row["differs"][0]
    hive.configure(ONE)
    hive.ok("reload")
    row = hive.status("alice")
    assert (row["needs_update"], row["pid"]) == (False, pid)
    hive.configure(CHANGED)
    hive.ok("reload")
    hive.ok("restart", "alice")
    assert hive.until_state("alice", "running")["needs_update"] is False


def test_a_reload_while_agents_start(hive: HiveOnDisk) -> None:
    hive.configure(ONE)
    hive.start()
    many = "".join(f'[agents.a{number}]\nexec = ["sleep", "100000"]\n' for number in range(10))
    hive.configure(ONE + many)
    for _ in range(5):
        hang_up(hive)
    hive.ok("reload")
    hive.configure(many)
    hive.ok("reload", "--prune")
    for number in range(10):
        hive.until_state(f"a{number}", "running")
    assert names(hive) == [f"a{number}" for number in range(10)]


@pytest.mark.parametrize("view", ["--status", "--no-status"])
def test_a_closed_terminal_ends_the_daemon_in_an_orderly_way(hive: HiveOnDisk, view: str) -> None:
    """A closed terminal is no terminal any more when SIGHUP comes."""
    hive.configure(ONE)
    outer, inner = pty.openpty()
    with hive.log.open("ab") as log:
        hive.daemon = subprocess.Popen(
            [
                PROGRAMS / "python",
                "-c",
                SESSION,
                PROGRAMS / "hive-c0re",
                "serve",
                "--config",
                hive.config,
                view,
            ],
            env=hive.env,
            stdin=inner,
            stdout=inner,
            stderr=log,
            start_new_session=True,
        )
    os.close(inner)
    eventually(hive.answers, what="a daemon that answers")
    pid = hive.until_state("alice", "running")["pid"]
    os.close(outer)
    assert hive.daemon.wait(30) == 0, hive.output()
    assert not Path(f"/proc/{pid}").exists(), "its agents ended with it"
    assert not (hive.run_dir / "host.sock").exists()


def test_check_has_an_exit_status_and_json(hive: HiveOnDisk) -> None:
    hive.configure(ONE)
    assert json.loads(hive.ok("check", str(hive.config), "--json")) == {
        "ok": True,
        "agents": 1,
        "peers": 0,
        "error": None,
    }
    hive.configure('[agents.alice]\nexec = ["/no/such/program"]\n')
    done = hive.run("check", str(hive.config), "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (CONFIG_ERROR, False)
    assert "hive.toml:2" in answer["error"]
    assert "/no/such/program" in answer["error"]
    done = hive.run("check", str(hive.config.with_name("missing.toml")))
    assert (done.returncode, "No such file" in done.stderr) == (CONFIG_ERROR, True)
    assert not hive.run_dir.joinpath("host.sock").exists(), "no daemon is needed"


def test_a_restart_says_what_of_an_edited_file_is_not_in_force(hive: HiveOnDisk) -> None:
    manager = '[manager]\nexec = ["sleep", "100000"]\n'
    hive.configure(manager + ONE)
    hive.start()
    mind = {"HIVE_SOCKET": str(hive.run_dir / "manager.sock")}
    hive.until_state("alice", "running")
    for verb in ("restart", "update"):
        assert hive.run(verb, "alice", program="hive-m1nd", env=mind).stderr == ""
    hive.configure(manager + CHANGED + 'description = "edited"\n')
    waits = (
        "hive.toml has another value of description, exec for alice, which is not in force: "
        "'hive-c0re reload', then a restart of alice\n"
    )
    for verb in ("restart", "update"):
        done = hive.run(verb, "alice", program="hive-m1nd", env=mind)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"hive-m1nd: {waits}")
    for verb in ("restart", "rebuild"):
        done = hive.run(verb, "alice")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"hive-c0re: {waits}")
    hive.ok("reload")
    for verb in ("restart", "rebuild"):
        assert hive.run(verb, "alice").stderr == ""
    hive.configure("[agents")
    assert hive.run("restart", "alice").stderr == "", "a file that cannot be read hides nothing"
