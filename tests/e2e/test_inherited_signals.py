"""The daemon and a harness under nohup, with `&`, in a closed terminal: agents notice nothing."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually
from tests.support.signals import ignored_in

AGENTS = """
[agents.raw]
exec = ["sleep", "100000"]
[agents.echo]
run = ["grep", "SigIgn", "/proc/self/status"]
"""

IGNORING = "trap '' HUP INT QUIT USR1 USR2 CHLD; exec \"$@\""

SESSION = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the controlling terminal, then runs a program."""


def ignored(pid: int) -> int:
    """Return the mask of the signals that a process ignores."""
    found = re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return ignored_in(found[1])


def assert_agents_ignore_nothing(hive: HiveOnDisk) -> None:
    assert ignored(hive.until_state("raw", "running")["pid"]) == 0
    hive.until_state("echo", "running")
    assert ignored_in(hive.ok("send", "echo", "x", "--wait=20").split()[-1]) == 0


@pytest.mark.parametrize(
    "wrapper", [("nohup",), ("sh", "-c", IGNORING, "sh")], ids=["nohup", "ignored"]
)
def test_agents_of_a_daemon_that_ignores_signals_ignore_none(
    hive: HiveOnDisk, wrapper: tuple[str, ...]
) -> None:
    hive.wrapper = wrapper
    hive.configure(AGENTS)
    daemon = hive.start()
    assert_agents_ignore_nothing(hive)
    daemon.send_signal(signal.SIGHUP)
    if "trap" in str(wrapper):
        daemon.send_signal(signal.SIGQUIT)
        daemon.send_signal(signal.SIGUSR1)
    hive.ok("restart", "raw")
    assert_agents_ignore_nothing(hive)
    assert hive.interrupt() == 0, "SIGINT ends it nevertheless, as SIGTERM does"


def test_the_program_of_a_harness_that_ignores_signals_ignores_none(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("register-peer", "lab")
    harness = subprocess.Popen(
        [
            *("sh", "-c", IGNORING, "sh", PROGRAMS / "hive-ag3nt", "serve", "--"),
            *("grep", "SigIgn", "/proc/self/status"),
        ],
        env={
            **hive.env,
            "HIVE_SOCKET": str(hive.socket_of("lab")),
            "HIVE_STATE": str(hive.root / "lab"),
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        answer = hive.ok("send", "lab", "x", "--wait=20")
        assert ignored_in(answer.split()[-1]) == 0
        harness.send_signal(signal.SIGHUP)
        assert hive.ok("send", "lab", "x", "--wait=20") == answer
    finally:
        harness.terminate()
        assert harness.wait(20) == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("start", ["nohup {} &", "{} & disown"], ids=["nohup", "disown"])
def test_a_daemon_in_the_background_outlives_its_terminal(hive: HiveOnDisk, start: str) -> None:
    hive.configure(AGENTS)
    serve = f"{PROGRAMS}/hive-c0re serve --no-status --config {hive.config}"
    outer, inner = pty.openpty()
    shell = subprocess.Popen(
        [PROGRAMS / "python", "-c", SESSION, "bash", "--norc", "-i"],
        env=hive.env,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    line = start.format(f"{serve} > {hive.log} 2>&1 < /dev/null")
    os.write(outer, f"{line}\necho $! > {hive.root}/pid\n".encode())
    eventually(lambda: (hive.root / "pid").exists() and (hive.root / "pid").read_text().strip())
    pid = int((hive.root / "pid").read_text())
    try:
        eventually(
            lambda: (hive.run_dir / "host.sock").exists() and hive.run("list").returncode == 0,
            what="a daemon that answers",
        )
        assert_agents_ignore_nothing(hive)
        os.close(outer)
        shell.wait(20)
        assert_agents_ignore_nothing(hive)
        assert hive.run("shutdown", "--wait").returncode == 0
        assert "stopping" in hive.output()
    finally:
        if (
            Path(f"/proc/{pid}").exists()
            and "hive-c0re" in Path(f"/proc/{pid}/cmdline").read_text()
        ):
            os.kill(pid, signal.SIGKILL)
