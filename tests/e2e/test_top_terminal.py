"""The interactive view on a real terminal: keys, sizes, suspends, ends, and what is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually
from tests.support.terminals import ShellOnTerminal, needs_tmux

pytestmark = [needs_tmux, pytest.mark.slow, pytest.mark.timeout(300)]

TOP = str(PROGRAMS / "hive-c0re") + " top"

SERVE = str(PROGRAMS / "hive-c0re") + " serve --config hive.toml"

AGENTS = """
[agents.alice]
run = ["cat"]
[agents.bob]
run = ["cat"]
[peers.damocles]
"""


@pytest.fixture(name="hive")
def _hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    hive = HiveOnDisk(tmp_path)
    hive.configure(AGENTS)
    yield hive
    hive.close()


@pytest.fixture(name="terminal")
def _terminal(hive: HiveOnDisk) -> Iterator[ShellOnTerminal]:
    terminal = ShellOnTerminal({**os.environ, **hive.env})
    terminal.type(f"cd {hive.root}; clear", "Enter")
    yield terminal
    terminal.close()


def pid_of(words: str, parent: str = "") -> int:
    """Return the pid of the one process with these words in its command line."""

    def find() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environ = (entry / "environ").read_bytes().decode(errors="replace")
            except (OSError, ValueError):
                continue
            if words in line and "tmux" not in line and "bash" not in line and parent in environ:
                found.append(int(entry.name))
        return found

    return int(eventually(find, what=words)[0])


def test_keys_resize_and_quit(hive: HiveOnDisk, terminal: ShellOnTerminal) -> None:
    hive.start("--no-status")
    terminal.type(TOP, "Enter")
    terminal.expect("2 agents: 2 idle; 1 peer")
    terminal.type("", "End")
    terminal.type("p")
    terminal.expect("damocles is a peer: its lifecycle is not the hive's")
    terminal.type("/bob", "Enter")
    terminal.type("", "Home")
    terminal.type("x")
    terminal.expect("stop bob? it stays stopped")
    terminal.type("y")
    terminal.expect("bob was stopped")
    assert hive.state("bob") == "stopped"
    terminal.type("", "Escape")
    eventually(lambda: "filter:" not in terminal.screen, what="no filter")
    terminal.type("/alice", "Enter")
    terminal.type("", "Home")
    terminal.type("mhello there", "Enter")
    terminal.expect("sent to alice")
    terminal.expect('"body": "hello there"')
    terminal.resize(60, 18)
    eventually(lambda: "TOKENS" not in terminal.screen, what="fewer columns")
    terminal.resize(150, 50)
    terminal.expect("TOKENS")
    terminal.type(":status ali", "Tab")
    terminal.expect("status alice")
    terminal.type("", "Enter")
    terminal.expect("alice - running")
    terminal.type("", "Escape")
    terminal.expect("NEEDS YOU")
    terminal.type("q")
    terminal.expect_restored()


def test_suspend_and_continue(hive: HiveOnDisk, terminal: ShellOnTerminal) -> None:
    hive.start("--no-status")
    terminal.type(TOP, "Enter")
    terminal.expect("2 agents")
    terminal.type("", "C-z")
    terminal.expect("Stopped")
    terminal.expect_restored()
    terminal.type("fg", "Enter")
    terminal.expect("AGENTS")
    terminal.type("?")
    terminal.expect("the mouse works, too")
    terminal.type("", "C-c")
    terminal.expect_restored()


def test_it_survives_the_daemon(hive: HiveOnDisk, terminal: ShellOnTerminal) -> None:
    hive.start("--no-status")
    terminal.type(TOP, "Enter")
    terminal.expect("2 agents: 2 idle")
    hive.kill()
    terminal.expect("last data ")
    terminal.expect("alice")
    hive.start("--no-status")
    eventually(lambda: "last data" not in terminal.screen, within=60, what="a new picture")
    terminal.type("q")
    terminal.expect_restored()


CRASH = "import sys; from hive.top import terminal_app, picture; terminal_app.view = None; "
CRASH += "from hive.cli.main import main; sys.exit(main(['top']))"


@pytest.mark.parametrize(
    ("start", "number", "status"),
    [
        (TOP, signal.SIGTERM, 143),
        (TOP, signal.SIGHUP, 129),
        (f'{PROGRAMS / "python"} -c "{CRASH}"', None, 1),
    ],
    ids=["terminated", "hung up", "crashed"],
)
def test_the_terminal_is_restored_after_any_end(
    hive: HiveOnDisk,
    terminal: ShellOnTerminal,
    start: str,
    number: signal.Signals | None,
    status: int,
) -> None:
    hive.start("--no-status")
    terminal.type(f"{start}; echo ended with $?", "Enter")
    if number is not None:
        terminal.expect("2 agents")
        os.kill(pid_of("hive-c0re top", str(hive.run_dir)), number)
    terminal.expect(f"ended with {status}")
    terminal.expect_restored()


def test_serve_shows_it_and_ctrl_c_ends_both_with_a_true_last_line(
    hive: HiveOnDisk, terminal: ShellOnTerminal
) -> None:
    terminal.type(SERVE, "Enter")
    terminal.expect("2 agents: 2 idle")
    terminal.expect("^C stop the hive")
    terminal.type("", "C-z")
    terminal.expect("Stopped")
    terminal.type("fg", "Enter")
    terminal.expect("AGENTS")
    terminal.type("", "C-c")
    shown = terminal.expect("hive-c0re ended; 2 agents stopped")
    assert "daemon_stopping" in shown, "what was kept is printed"
    terminal.expect_restored()


def test_a_view_that_is_left_or_killed_leaves_the_daemon(
    hive: HiveOnDisk, terminal: ShellOnTerminal
) -> None:
    terminal.type(SERVE, "Enter")
    terminal.expect("2 agents: 2 idle")
    os.kill(pid_of("hive.cli top", str(hive.run_dir)), signal.SIGKILL)
    terminal.expect("the view ended with -9; the daemon runs on")
    assert terminal.modes["alternate_on"] is False
    assert hive.state("alice") == "running"
    terminal.type("", "C-c")
    terminal.expect("hive-c0re ended; 2 agents stopped")
    terminal.expect_restored()


def test_a_shutdown_from_elsewhere_ends_the_view_too(
    hive: HiveOnDisk, terminal: ShellOnTerminal
) -> None:
    terminal.type(SERVE, "Enter")
    terminal.expect("2 agents: 2 idle")
    hive.ok("shutdown", "--keep-agents", "--wait")
    terminal.expect("hive-c0re ended; 2 agents left running")
    terminal.expect_restored()
