"""A user's own Claude Code, the real program, in a home of the test and with a scripted model."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from tests.support.messages_endpoint import PATIENCE

needs_claude = [
    pytest.mark.skipif(
        find_spec("claude_agent_sdk") is None,
        reason="the extra hyperhive[claude] is not installed",
    ),
    pytest.mark.timeout(180),
]
"""Marks of the tests with the real program, which is slow on a busy machine."""

QUIET = {
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    "DISABLE_AUTOUPDATER": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "IS_SANDBOX": "1",
}
"""Variables with which it connects to the endpoint only, and offers all tools at once."""

LISTENS = "00010000"
"""The flags of a listening socket in /proc/net/unix."""


def claude_program() -> Path:
    """Return the program that the SDK brings."""
    spec = find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("_bundled") / "claude"


def sockets_of(pid: int) -> list[Path]:
    """Return the unix sockets that a process listens on."""
    opened = {_link(each) for each in Path(f"/proc/{pid}/fd").iterdir()}
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    return [
        Path(row[7])
        for row in rows
        if len(row) > 7 and row[3] == LISTENS and f"socket:[{row[6]}]" in opened
    ]


@define(eq=False)
class Streaming:
    """A session that a program uses: prompts are lines on standard input."""

    _process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ask(self, text: str) -> None:
        """Send a prompt as its user."""
        assert self._process.stdin is not None
        line: dict[str, Any] = {
            "type": "user",
            "message": {"role": "user", "content": text},
            "parent_tool_use_id": None,
        }
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def streaming(home: Path, env: Mapping[str, str], *options: str) -> Iterator[Streaming]:
    """Run a session of lines, which ends with the block."""
    lines = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
    process = subprocess.Popen(
        [claude_program(), "--print", *lines, *options],
        cwd=home,
        env={**env, **QUIET},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    try:
        with process.stdin:
            yield Streaming(process)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


@define(eq=False)
class Terminal:
    """An interactive session in a terminal of 120 columns."""

    _descriptor: int
    _written: str = ""
    _changed: threading.Condition = field(factory=threading.Condition)

    @property
    def shown(self) -> str:
        """All text drawn so far, without blanks, since the cursor skips those."""
        return re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[^\[]|\s", "", self._written)

    def until_shown(self, text: str) -> None:
        """Wait until a text has been drawn."""
        wanted = re.sub(r"\s", "", text)
        with self._changed:
            if not self._changed.wait_for(lambda: wanted in self.shown, PATIENCE):
                raise AssertionError(f"{text!r} was not shown:\n{self.shown}")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def read(self) -> None:
        """Read the output until the program ends, so that it never blocks on its terminal."""
        while data := _read(self._descriptor):
            with self._changed:
                self._written += data.decode(errors="replace")
                self._changed.notify_all()


@contextmanager
def terminal(home: Path, env: Mapping[str, str], *options: str) -> Iterator[Terminal]:
    """Run an interactive session, which gets SIGTERM at the end of the block."""
    with on_terminal([claude_program(), *options], home, {**env, **QUIET}) as (shown, process):
        yield shown
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def on_terminal(
    argv: Sequence[str | Path], directory: Path, env: Mapping[str, str]
) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    """Run a program on a terminal of its own, and kill it at the end of the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        argv,
        cwd=directory,
        env={**env, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = Terminal(ours)
    reader = threading.Thread(target=shown.read)
    reader.start()
    try:
        yield shown, process
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(ours)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # the other end is closed
            return b""
        raise


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
