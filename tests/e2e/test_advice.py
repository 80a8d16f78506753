"""Remedies are carried out as the messages give them, with the real programs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually

ALICE = '[agents.alice]\nrun = ["cat"]\n'
MANAGER = '[manager]\nrun = ["cat"]\n'


def quoted(text: str, word: str) -> str:
    """Return the command between quotes in a message that contains a word."""
    return next(each for each in re.findall(r"'([^']+)'", text) if word in each)


def carry_out(hive: HiveOnDisk, command: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of a message, with its assignments, in a shell's way."""
    words = shlex.split(command)
    env = dict(hive.env)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    return subprocess.run(
        [*words, *more], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_manager_that_hive_toml_no_longer_has_can_go(hive: HiveOnDisk) -> None:
    hive.configure(MANAGER + ALICE)
    hive.start()
    refused = hive.run("destroy", "hm1nd", "--yes")
    assert refused.returncode == 5
    hive.interrupt()
    hive.configure(ALICE)
    hive.start()
    [trouble] = [row for row in hive.json("events", "-n", "50") if row["event"] == "trouble"]

    done = carry_out(hive, quoted(str(trouble), "destroy"), "--yes")

    assert (done.returncode, done.stderr) == (0, "")
    assert hive.json("list")["agents"] == ["alice"]
    hive.interrupt()
    hive.start()
    assert hive.json("list")["agents"] == ["alice"]


def test_a_manager_in_hive_toml_goes_as_the_refusal_says(hive: HiveOnDisk) -> None:
    hive.configure(MANAGER + ALICE)
    hive.start()
    refused = hive.run("destroy", "hm1nd", "--yes")
    hive.configure(ALICE)

    done = carry_out(hive, quoted(refused.stderr, "reload"))

    assert done.returncode == 0
    assert hive.json("list")["agents"] == ["alice"]


def test_a_spawned_manager_can_be_destroyed(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("spawn", "hm1nd", "--", "cat")

    hive.ok("destroy", "hm1nd", "--yes")

    assert hive.json("list")["agents"] == []


def test_a_removed_run_directory_comes_back_with_its_lock(hive: HiveOnDisk) -> None:
    hive.configure(ALICE)
    daemon = hive.start()
    shutil.rmtree(hive.run_dir)

    eventually(hive.answers, what="sockets that are back")
    eventually(hive.socket_of("alice").exists, what="the socket of alice")

    other = hive.run("serve", env={"HYPERHIVE_STATE_DIR": str(hive.root / "other")})
    assert other.returncode == 5
    assert f"(pid {daemon.pid}) already serves {hive.run_dir}" in other.stderr
    assert hive.ok("doctor").count("problem") == 0


def test_a_daemon_that_nobody_reaches_is_ended_by_its_pid(hive: HiveOnDisk) -> None:
    hive.configure(ALICE)
    daemon = hive.start()
    shutil.rmtree(hive.run_dir)
    hive.run_dir.touch()  # so that the directory cannot be made again
    eventually(lambda: "is not" in hive.output() or "cannot listen" in hive.output())
    shutdown = hive.run("shutdown")
    doctor = hive.run("doctor")
    serve = hive.run("serve", env={"HYPERHIVE_RUN_DIR": str(hive.root / "elsewhere")})
    kill = f"kill {daemon.pid}"
    assert kill in shutdown.stderr
    assert kill in doctor.stdout
    assert kill in serve.stderr
    assert (shutdown.returncode, doctor.returncode, serve.returncode) == (3, 1, 5)

    assert carry_out(hive, quoted(shutdown.stderr, "kill")).returncode == 0

    daemon.wait(20)
    hive.run_dir.unlink()
    hive.start()


def test_a_daemon_of_another_run_directory_is_reached_as_the_error_says(hive: HiveOnDisk) -> None:
    hive.start()
    there = {"HYPERHIVE_RUN_DIR": str(hive.root / "elsewhere")}
    missed = hive.run("list", env=there)
    second = hive.run("serve", env=there)
    doctor = hive.run("doctor", env=there)
    assert (missed.returncode, second.returncode) == (3, 5)
    assert f"set HYPERHIVE_RUN_DIR={hive.run_dir}" in missed.stderr
    assert f"-> set HYPERHIVE_RUN_DIR={hive.run_dir}" in doctor.stdout

    assert carry_out(hive, quoted(second.stderr, "shutdown")).returncode == 0

    assert hive.daemon is not None
    assert hive.daemon.wait(20) == 0


def test_without_a_daemon_the_error_names_the_command_that_starts_it(hive: HiveOnDisk) -> None:
    missing = hive.run("list")
    doctor = hive.run("doctor")

    assert quoted(missing.stderr, "serve") == "hive-c0re serve"
    assert "-> start it: 'hive-c0re serve'" in doctor.stdout
    hive.start()  # runs that command

    hive.ok("list")


def test_a_taken_name_is_freed_as_the_error_says(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("spawn", "alice", "--", "cat")
    hive.ok("register-peer", "laptop")
    of_agent = hive.run("spawn", "alice", "--", "cat").stderr
    of_peer = hive.run("spawn", "laptop", "--", "cat").stderr

    assert carry_out(hive, quoted(of_agent, "hive-c0re start")).returncode == 0
    assert carry_out(hive, quoted(of_agent, "destroy"), "--yes").returncode == 0
    assert carry_out(hive, quoted(of_peer, "unregister-peer")).returncode == 0

    hive.ok("spawn", "alice", "--", "cat")
    hive.ok("spawn", "laptop", "--", "cat")


def test_an_agent_that_runs_is_renamed_as_the_error_says(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("spawn", "alice", "--", "cat")
    refused = hive.run("rename", "alice", "bob").stderr

    assert carry_out(hive, quoted(refused, "hive-c0re stop")).returncode == 0

    hive.ok("rename", "alice", "bob")


def test_an_empty_message_is_sent_as_the_error_says(hive: HiveOnDisk) -> None:
    hive.configure(ALICE)
    hive.start()
    assert hive.run("send", "alice").returncode == 2

    hive.ok("send", "alice", "")


@pytest.mark.parametrize("verb", ["send", "answer"])
def test_a_text_with_a_dash_is_taken_as_the_error_says(hive: HiveOnDisk, verb: str) -> None:
    hive.configure(ALICE)
    hive.start()
    target = "alice" if verb == "send" else "9"
    refused = hive.run(verb, target, "- [ ] x")
    assert "Write -- before" in refused.stderr

    assert hive.run(verb, target, "--", "- [ ] x").returncode != refused.returncode


def test_a_run_directory_that_is_too_long_for_a_name_is_refused_before_anything_is_made(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    room = 107 - len(os.fsencode(f"{tmp_path}//agents/damocles/mcp.sock"))
    short, long = tmp_path / ("r" * room), tmp_path / ("r" * (room + 1))
    hive.configure("[peers.damocles]\n")

    refused = hive.run("serve", "--config", str(hive.config), env={"HYPERHIVE_RUN_DIR": str(long)})

    assert refused.returncode == 2
    assert "has 108 bytes, the kernel allows 107; set HYPERHIVE_RUN_DIR to a shorter" in (
        refused.stderr
    )
    assert not long.exists()
    assert not hive.state_dir.exists()
    hive.env["HYPERHIVE_RUN_DIR"] = str(short)
    hive.run_dir = short
    hive.start()
    for verb in (("register-peer", "damocles2"), ("spawn", "damocles9", "--", "cat")):
        assert hive.run(*verb).returncode == 2
    assert hive.run("rename", "damocles", "damocles2").returncode == 2
    found = hive.json("list")
    assert (found["agents"], found["peers"]) == ([], ["damocles"])


def test_a_terminal_ctrl_c_after_a_lost_directory_still_ends_it(hive: HiveOnDisk) -> None:
    daemon = hive.start()
    shutil.rmtree(hive.run_dir)
    daemon.send_signal(signal.SIGINT)

    assert daemon.wait(20) == 0
