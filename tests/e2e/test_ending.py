"""The end of the real program: signals, `shutdown --wait`, the last picture, PID 1."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually, pids_of

CALM = '[agents.{}]\nexec = ["sleep", "100000"]\n'
STUBBORN = (
    '[agents.{}]\nexec = ["sh", "-c", "trap : TERM; while :; do sleep 1; done"]\n'
    'stop_timeout = "{}s"\n'
)
NAMES = ("alice", "bob", "carol")
UNANSWERED, TIMED_OUT, NO_DAEMON = 8, 6, 3


def started(hive: HiveOnDisk, toml: str, *options: str) -> subprocess.Popen[bytes]:
    """Start the daemon and wait until its agents run."""
    hive.configure(toml)
    daemon = hive.start(*options)
    for name in hive.json("list")["agents"]:
        hive.until_state(name, "running")
    return daemon


# What is not waited for in vain


def test_a_wait_for_an_answer_ends_with_the_message(hive: HiveOnDisk) -> None:
    started(hive, '[agents.busy]\nrun = ["sleep", "1000"]\n[agents.quiet]\nrun = ["true"]\n')
    quiet = hive.run("send", "quiet", "hi", "--wait=60")
    assert quiet.returncode == UNANSWERED
    assert "gets no answer: 'quiet' has acked it without an answer" in quiet.stderr

    hive.ok("send", "busy", "job")
    eventually(lambda: hive.status("busy").get("activity") == "working", what="a turn")
    with subprocess.Popen(
        [PROGRAMS / "hive-c0re", "send", "busy", "", "--wait=60"],
        env=hive.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        eventually(lambda: hive.status("busy")["unread"] == 2, what="the second message")
        hive.ok("discard", "--inbox", "busy", "--state", "stored")
        assert waiting.wait(10) == UNANSWERED
        assert waiting.stderr is not None
        assert "gets no answer: it has expired" in waiting.stderr.read()

    # What `cancel` says that it does: the message becomes a dead letter.
    assert "become dead letters" in " ".join(hive.ok("cancel", "--help").split())
    hive.ok("cancel", "busy")
    [letter] = eventually(lambda: hive.json("dead-letters"), what="the dead letter")
    assert letter["reason"] == "cancelled by the operator"


def test_a_wait_says_that_the_recipient_is_stopped_and_goes_on(hive: HiveOnDisk) -> None:
    started(hive, '[agents.echo]\nrun = ["cat"]\n')
    hive.ok("stop", "echo")
    with subprocess.Popen(
        [PROGRAMS / "hive-c0re", "send", "echo", "hello", "--wait=60"],
        env=hive.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stdout is not None
        said = waiting.stderr.readline()
        assert "'echo' is stopped; 'hive-c0re start echo' starts it" in said
        hive.ok("start", "echo")
        assert "hello" in waiting.stdout.read()
        assert waiting.wait(10) == 0


# Signals


def test_agents_are_stopped_at_once_and_the_second_signal_kills(hive: HiveOnDisk) -> None:
    daemon = started(hive, "".join(STUBBORN.format(name, 100) for name in NAMES))
    daemon.send_signal(signal.SIGINT)
    said = "stopping: 0 of 3 agents ended, waiting for alice, bob, carol"
    eventually(lambda: said in hive.run("status").stderr, what="the progress")
    line = re.compile(rf"{said} \d s; Ctrl-C or SIGTERM again kills what is left")
    eventually(lambda: line.search(hive.output()), what="what a second signal does")
    done = hive.run("start", "alice")
    assert done.returncode == NO_DAEMON
    assert "hive-c0re is stopping" in done.stderr
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert "SIGTERM again: killing alice, bob, carol" in hive.output()
    assert "Traceback" not in hive.output()
    assert pids_of(hive.state_dir) == {}


def test_slow_agents_are_stopped_in_parallel(hive: HiveOnDisk) -> None:
    daemon = started(hive, "".join(STUBBORN.format(name, 3) for name in NAMES))
    before = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
    assert time.monotonic() - before < 7.5, "one after the other takes nine seconds"
    assert pids_of(hive.state_dir) == {}


def test_a_hangup_that_was_ignored_at_the_start_stays_ignored(hive: HiveOnDisk) -> None:
    hive.wrapper = (shutil.which("nohup") or "nohup",)
    daemon = started(hive, CALM.format("alice"))
    daemon.send_signal(signal.SIGHUP)
    assert hive.run("list").returncode == 0
    assert "reloaded" not in hive.output()
    assert daemon.poll() is None


# Events from before the sockets


def test_events_from_before_host_sock_answers_reach_the_console(hive: HiveOnDisk) -> None:
    first = started(hive, CALM.format("alice") + CALM.format("bob"))
    hive.ok("shutdown", "--keep-agents", "--wait")
    assert first.wait(1) == 0
    hive.log.unlink()
    started(hive, CALM.format("alice"))
    seen = hive.output()
    assert re.search(r"\d+ adopted +alice|adopted.*alice", seen)
    assert "'bob' is not in hive.toml any more" in seen
    shown = [row["seq"] for row in hive.json("events", "-n", "100")]
    since = [row["seq"] for row in hive.json("events", "-n", "100") if row["event"] == "trouble"]
    for number in [each for each in shown if each >= min(since)]:
        assert str(number) in seen, f"event {number}"


# shutdown --wait


def test_after_shutdown_wait_another_daemon_can_start(hive: HiveOnDisk) -> None:
    first = started(hive, STUBBORN.format("alice", 2))
    hive.ok("shutdown", "--wait")
    assert first.wait(0.5) == 0
    second = hive.start()
    assert second.pid != first.pid


def test_shutdown_wait_gives_up_in_time_and_the_daemon_goes_on_ending(hive: HiveOnDisk) -> None:
    daemon = started(hive, STUBBORN.format("alice", 100))
    done = hive.run("shutdown", "--wait=0.2")
    assert done.returncode == TIMED_OUT
    assert f"hive-c0re (pid {daemon.pid}) has not ended within 0.2 s; it goes on" in done.stderr
    hive.ok("kill", "--force", "alice")
    assert daemon.wait(10) == 0


# The last picture


WITHOUT_TEXTUAL = (
    *(PROGRAMS / "python", "-c"),
    "import sys; sys.modules['textual'] = None; "
    "from hive.cli.main import main; sys.exit(main(sys.argv[1:]))",
)
"""The program of a machine without the interactive view: the status is below the events."""


@contextmanager
def on_terminal(
    hive: HiveOnDisk, toml: str, program: tuple[Path | str, ...] = (PROGRAMS / "hive-c0re",)
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the daemon with a controlling terminal; yield it and the other end."""
    hive.configure(toml)
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 80))
    daemon = hive.daemon = subprocess.Popen(
        [
            PROGRAMS / "python",
            "-c",
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            "os.execv(sys.argv[1], sys.argv[1:])",
            *(*program, "serve", "--config", hive.config),
        ],
        env={**hive.env, "TERM": "xterm"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    try:
        yield daemon, outer
    finally:
        os.close(inner)
        os.close(outer)


def read_until_end(daemon: subprocess.Popen[bytes], outer: int, keys: bytes) -> str:
    """Press keys, and return all that is shown until the daemon has ended."""
    os.write(outer, keys)
    seen = b""
    for _ in range(3000):
        if select.select([outer], [], [], 0.01)[0]:
            with suppress(OSError):
                seen += os.read(outer, 65536)
        elif daemon.poll() is not None:
            break
    return seen.decode()


def test_the_last_picture_is_true(hive: HiveOnDisk) -> None:
    toml = "".join(CALM.format(name) for name in NAMES)
    with on_terminal(hive, toml, WITHOUT_TEXTUAL) as (daemon, outer):
        echoes = termios.tcgetattr(outer)[3] & termios.ECHOCTL
        assert echoes
        eventually(hive.answers, what="a daemon that answers")
        for name in NAMES:
            hive.until_state(name, "running")
        eventually(lambda: not termios.tcgetattr(outer)[3] & termios.ECHOCTL, what="no echo of ^C")
        shown = read_until_end(daemon, outer, b"\x03")
        assert daemon.returncode == 0
        assert termios.tcgetattr(outer)[3] & termios.ECHOCTL
    last = shown[shown.rindex("NAME") :]
    assert "3 agents: 3 stopped" in last
    assert last.count("stopped") >= len(NAMES)
    assert "cannot connect" not in shown
    assert "^C" not in shown


def test_closing_the_terminal_is_an_orderly_end(hive: HiveOnDisk) -> None:
    with on_terminal(hive, CALM.format("alice")) as (daemon, _):
        eventually(hive.answers, what="a daemon that answers")
        hive.until_state("alice", "running")
        daemon.send_signal(signal.SIGHUP)  # what the kernel sends when a terminal is closed
        assert daemon.wait(10) == 0
    assert pids_of(hive.state_dir) == {}


# PID 1


def in_a_pid_namespace() -> tuple[str, ...]:
    unshare = shutil.which("unshare")
    wrapper = (unshare or "unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    if (
        unshare is None
        or subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this needs the right to make a PID namespace")
    return wrapper


def zombies(root: int) -> list[str]:
    """Return the states of the ended processes below a process that nobody has reaped."""
    listed = subprocess.check_output(["ps", "-eo", "pid,ppid,stat"], text=True)
    rows = [line.split() for line in listed.splitlines()[1:]]
    children: dict[int, list[list[str]]] = {}
    for row in rows:
        children.setdefault(int(row[1]), []).append(row)
    found, queue = [], [root]
    while queue:
        for row in children.get(queue.pop(), []):
            found.append(row[2])
            queue.append(int(row[0]))
    return [state for state in found if state.startswith("Z")]


def test_as_the_first_process_of_a_container_it_reaps_orphans(hive: HiveOnDisk) -> None:
    hive.wrapper = in_a_pid_namespace()
    orphans = "for i in 1 2 3 4 5; do (setsid sleep 0.2 &); done; touch made; sleep 100000"
    hive.configure(f'[agents.alice]\nexec = ["sh", "-c", "{orphans}"]\n')
    daemon = hive.start()
    hive.until_state("alice", "running")
    made = hive.state_dir / "agents" / "alice" / "state" / "made"
    eventually(made.exists, what="the orphans")
    eventually(lambda: not sleepers(daemon.pid), what="the end of the orphans")
    eventually(lambda: not zombies(daemon.pid), what="that nothing is left to reap")
    [init] = children_of(daemon.pid)
    os.kill(init, signal.SIGTERM)  # as `docker stop` does
    assert daemon.wait(20) == 0
    assert "daemon_stopping" in hive.output()


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def sleepers(root: int) -> list[int]:
    queue, found = [root], []
    while queue:
        for child in children_or_none(queue.pop()):
            queue.append(child)
            with suppress(OSError):
                if b"0.2" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
    return found


def children_or_none(pid: int) -> list[int]:
    try:
        return children_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_the_last_line_says_what_became_of_the_agents(hive: HiveOnDisk) -> None:
    fails = 'exec = ["sh", "-c", "exit 4"]\nrestart = { max_restarts = 0 }\n'
    hive.configure(f'[agents.alice]\nexec = ["sleep", "1000"]\n[agents.bob]\n{fails}')
    hive.start()
    hive.until_state("alice", "running")
    hive.until_state("bob", "failed")
    hive.ok("shutdown", "--wait")
    last = hive.log.read_text().rstrip().splitlines()[-1]
    assert last == "hive-c0re ended; 1 agent stopped, 1 had failed"
