"""A program gets a terminal of its own, and everything typed and shown is passed on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define

RELAY = """
import subprocess, sys
from hive.cli.terminal_relay import relayed
argv = ["setsid", "--ctty", "--wait", "sh", "-c", sys.argv[1]]
start = lambda tty: subprocess.Popen(argv, stdin=tty, stdout=tty, stderr=tty)
sys.exit(relayed(start).wait())
"""


@define
class Screen:
    """The operator's terminal, with the relay on it."""

    process: subprocess.Popen[bytes]
    fd: int
    seen: str = ""

    def expect(self, text: str) -> None:
        """Read until a text has been shown."""
        while text not in self.seen:
            data = self.read()
            assert data, f"{text!r} never came: {self.seen!r}"

    def read(self) -> bytes:
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return b""
        self.seen += data.decode()
        return data

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while self.read():
            pass
        return self.process.wait(30)


@pytest.fixture
def opened() -> Iterator[list[Screen]]:
    found: list[Screen] = []
    yield found
    for screen in found:
        screen.process.kill()
        screen.process.wait()
        os.close(screen.fd)


def start(opened: list[Screen], script: str, rows: int = 33, columns: int = 77) -> Screen:
    """Run a script of the shell on a relayed terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    argv = ["setsid", "--ctty", sys.executable, "-c", RELAY, script]
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    opened.append(Screen(process, ours))
    return opened[-1]


def test_it_is_another_terminal_of_the_same_size(opened: list[Screen]) -> None:
    screen = start(opened, 'tty; stty size; read -r line; echo "[$line]"; exit 7')
    screen.expect("33 77")
    assert os.ttyname(screen.fd) not in screen.seen.split()
    os.write(screen.fd, b"hello\r")
    screen.expect("[hello]")
    assert screen.end() == 7


def test_ctrl_c_reaches_the_program_and_not_the_relay(opened: list[Screen]) -> None:
    screen = start(
        opened, 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.05; done'
    )
    screen.expect("ready")
    os.write(screen.fd, b"\x03")
    screen.expect("caught")
    assert screen.end() == 5


def test_a_new_size_reaches_the_program(opened: list[Screen]) -> None:
    screen = start(opened, 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done')
    screen.expect("ready")
    fcntl.ioctl(screen.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 99, 0, 0))
    screen.expect("50 99")


def test_the_program_ends_with_the_operators_terminal(opened: list[Screen], tmp_path: Path) -> None:
    end = tmp_path / "end"
    os.mkfifo(end)
    script = f'trap "echo gone >{end}; exit" HUP; echo ready; while :; do sleep 0.05; done'
    screen = start(opened, script)
    screen.expect("ready")
    os.close(screen.fd)
    opened.clear()
    assert end.read_text() == "gone\n"
    screen.process.wait(30)


def test_what_is_shown_goes_on_while_the_program_takes_nothing_that_is_typed(
    opened: list[Screen], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    screen = start(
        opened,
        f"stty raw -echo; echo ready; read -r line <{go}; "
        "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo shown; exit 3",
    )
    screen.expect("ready")
    os.set_blocking(screen.fd, False)
    _type_until_nothing_is_taken(screen.fd)
    os.set_blocking(screen.fd, True)
    go.write_text("go\n")
    screen.expect("shown")
    assert screen.end() == 3


def _type_until_nothing_is_taken(fd: int) -> None:
    """Type more than the program's terminal holds."""
    full = 0
    while full < 20:  # the relay may be about to take the next piece
        try:
            os.write(fd, b"x" * 4096)
            full = 0
        except BlockingIOError:
            full += 1
            time.sleep(0.02)
