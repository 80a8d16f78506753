"""`attach` and `shell`: what they start, with which surroundings, and what ends the hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.cli.entering import beside_process, conversation_in, in_container, shell_in
from hive.errors import ExitStatus, FailedError, NotAllowedError
from hive.wire.attach import Attach, OpenShell
from tests.support.claude_code import on_terminal

INSIDE = {
    "runtime": "machinectl",
    "machine": "h-alice",
    "pid": 1,
    "directory": "/agents/alice/state",
    "variables": {"HIVE_NAME": "alice"},
    "program": ["/p/hive-ag3nt"],
    "session": "s-1",
}


def test_a_container_is_entered_by_a_unit_of_its_own_systemd() -> None:
    environ = {"TERM": "xterm", "HOME": "/operator"}
    assert in_container(INSIDE, ("true",), environ).argv == (
        *("systemd-run", "--machine=h-alice", "--pipe", "--wait", "--collect", "--quiet"),
        *("--service-type=exec", "--working-directory=/agents/alice/state"),
        *("--setenv=TERM=xterm", "--setenv=HIVE_NAME=alice", "--", "true"),
    )


def test_the_conversation_inside_takes_over_the_surroundings_of_the_harness() -> None:
    argv = conversation_in(INSIDE, {}, 1).argv
    after = argv[argv.index("--") + 1 :]
    assert after == ("/p/hive-ag3nt", "converse", "s-1", "--unit", "hive-agent.service")


def test_a_shell_inside_is_a_login_shell_of_the_container() -> None:
    argv = shell_in(INSIDE, {"SHELL": "/bin/operators-own"}, 1).argv
    assert argv[-3:-1] == ("/bin/sh", "-c")
    assert "operators-own" not in argv[-1]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with variables of its own, in a directory of its own."""
    env = {"TOKEN": "t", "TERM": "dumb", "HIVE_RUN": "r-1", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(["sleep", "1000"], env=env, cwd=tmp_path)
    while b"TOKEN" not in Path(f"/proc/{process.pid}/environ").read_bytes():
        time.sleep(0.01)  # until it has begun its program
    yield process
    process.kill()
    process.wait()


def beside(process: subprocess.Popen[bytes], tmp_path: Path) -> dict[str, object]:
    """Return the entrance to a process."""
    return {"runtime": "process", "pid": process.pid, "directory": str(tmp_path)}


def test_beside_a_process_everything_is_as_it_has_it_but_the_terminal(agent, tmp_path) -> None:
    environ = {"TERM": "xterm", "HOME": "/operator"}
    found = beside_process(beside(agent, tmp_path), ("sh",), environ, os.getpid())
    assert found.environ == {"TOKEN": "t", "TERM": "xterm", "PATH": "/usr/bin:/bin"}
    assert (found.directory, found.uid) == (str(tmp_path), None)
    assert "TOKEN" not in repr(found)


def test_a_process_that_is_not_of_the_daemons_user_is_not_entered(agent, tmp_path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can have a process of another user")
    other = subprocess.Popen(["sleep", "1000"], user=65534, extra_groups=[])
    try:
        with pytest.raises(NotAllowedError, match="so nothing was started"):
            beside_process(beside(other, tmp_path), ("sh",), {}, os.getpid())
        found = beside_process(beside(other, tmp_path), ("sh",), {}, other.pid)
        assert (found.uid, found.gid) == (65534, other_group(other.pid))
    finally:
        other.kill()
        other.wait()


def other_group(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_gid


def test_a_process_that_has_ended_cannot_be_entered(agent, tmp_path) -> None:
    agent.kill()
    agent.wait()
    with pytest.raises(FailedError, match="cannot be entered"):
        beside_process(beside(agent, tmp_path), ("sh",), {}, os.getpid())


def script(path: Path, text: str) -> str:
    """Write a program and return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_shell_has_the_agents_directory_and_gives_its_exit_status(
    daemon, terminal, agent, tmp_path
) -> None:
    daemon.on(OpenShell, {"entrance": beside(agent, tmp_path)})
    own = script(tmp_path / "own-shell", 'echo "[$TOKEN|$TERM|$(pwd)|$HIVE_RUN]"; exit 7')
    shell = terminal("shell", "alice", SHELL=own)
    assert shell.end() == 7
    assert f"[t|xterm-256color|{tmp_path}|]" in shell.seen
    assert daemon.requests == [OpenShell(name="alice")]


def test_neither_opens_anything_without_a_terminal(daemon, hive) -> None:
    for verb in ("attach", "shell"):
        ran = hive(verb, "alice")
        assert (ran.status, ran.out) == (ExitStatus.USAGE, "")
        assert "must be one; over ssh use: ssh -t" in ran.err
    assert daemon.requests == []


def test_the_wait_for_a_turn_is_said_and_the_hold_lasts_as_long_as_the_session(
    daemon, terminal, agent, tmp_path
) -> None:
    own = script(tmp_path / "harness", 'echo "[$1 $2|$TOKEN]"; read -r line; exit 3')
    entrance = {**beside(agent, tmp_path), "program": [own], "session": "s-1"}
    daemon.on(Attach, {}, {"waiting": "holds 1 message"}, {"entrance": entrance})
    shell = terminal("attach", "alice", "--now", columns=200)
    shell.expect("[converse s-1|t]")
    assert "alice holds 1 message; its conversation opens when it has ended" in shell.seen
    assert daemon.requests == [Attach(name="alice", now=True)]
    shell.type("\x03")  # is the session's, which ends by it
    assert shell.end() == 130
    assert "Traceback" not in shell.seen


def test_the_hold_is_asked_for_again_when_the_daemon_comes_back(
    daemon, terminal, agent, tmp_path
) -> None:
    own = script(tmp_path / "harness", "echo ready; read -r line; exit 3")
    entrance = {**beside(agent, tmp_path), "program": [own], "session": "s-1"}
    daemon.on(Attach, {}, {"entrance": entrance})
    daemon.hang_up = True
    shell = terminal("attach", "alice", columns=200)
    shell.expect("ready")
    deadline = time.monotonic() + 20
    while len(daemon.requests) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)  # for the other program
    assert daemon.requests[:3] == [Attach(name="alice", now=False)] * 3
    daemon.hang_up = False
    shell.type("x\n")
    assert shell.end() == 3
    assert "the daemon went away meanwhile: alice may have had turns beside you" in shell.seen


def test_the_session_ends_with_an_attach_that_is_killed(daemon, agent, tmp_path) -> None:
    own = script(tmp_path / "harness", 'echo "pids $$ $PPID ."; exec sleep 1000')
    entrance = {**beside(agent, tmp_path), "program": [own], "session": "s-1"}
    daemon.on(Attach, {}, {"entrance": entrance})
    # It is no controlling terminal here: its hang-up would end the session as well.
    argv = [sys.executable, "-m", "hive.cli", "attach", "alice"]
    with on_terminal(argv, tmp_path, os.environ) as (shown, _):
        shown.until_shown(".")
        written = shown._written.partition("pids ")[2]
        session, attach = map(int, written.split()[:2])
        os.kill(attach, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while is_alive(session) and time.monotonic() < deadline:
            time.sleep(0.02)  # for the kernel
        assert not is_alive(session)


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
