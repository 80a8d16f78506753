"""A host socket that answers through the real codec, and three ways to run a command line."""

from __future__ import annotations

import os
import pty
import socketserver
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from attrs import define, field, frozen

from hive.cli.main import main
from hive.errors import BadRequestError, HiveError
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder, encode_error, encode_ok
from hive.wire.host import HostRequest

Response = dict[str, Any] | HiveError
Answer = Callable[[Any], list[Response]]


@define
class HostDaemon:
    """The daemon's side of the socket: the requests that arrived, and the responses to them."""

    path: Path
    requests: list[Request] = field(factory=list)
    refused: list[str] = field(factory=list)
    answers: dict[type[Request], Answer] = field(factory=dict)
    otherwise: Answer = lambda _: [{}]
    hang_up: bool = False

    def on(self, kind: type[Request], *responses: Response) -> None:
        """Answer each request of a kind with these responses, one after the other."""
        self.answers[kind] = lambda _: list(responses)

    def answer_all(self, response: Response) -> None:
        """Answer each request of any kind with this response."""
        self.otherwise = lambda _: [response]

    def answer(self, line: bytes) -> list[bytes]:
        """Return the lines that answer a line."""
        try:
            request = RequestDecoder[Request](HostRequest).decode(line)
        except BadRequestError as error:
            self.refused.append(str(error))
            return [encode_error(error)]
        self.requests.append(request)
        answers = self.answers.get(type(request), self.otherwise)(request)
        return [
            encode_error(each) if isinstance(each, HiveError) else encode_ok(**each)
            for each in answers
        ]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    def __init__(self, daemon: HostDaemon) -> None:
        self.hive = daemon
        super().__init__(str(daemon.path), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.wfile.write(b"".join(self.server.hive.answer(line)))
                if self.server.hive.hang_up:
                    return
        except (BrokenPipeError, ConnectionResetError):
            return


@pytest.fixture(name="run_dir")
def _run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYPERHIVE_RUN_DIR", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


@pytest.fixture(name="daemon")
def _daemon(run_dir: Path) -> Iterator[HostDaemon]:
    daemon = HostDaemon(run_dir / "host.sock")
    server = _Server(daemon)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield daemon
    server.shutdown()
    thread.join()
    server.server_close()  # waits for the threads of its connections
    assert daemon.refused == []


@frozen
class Ran:
    """The result of a command line."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(name="hive")
def _hive(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line inside this process, through `main`."""

    def run(*args: str) -> Ran:
        capsys.readouterr()
        status = main(args)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture(name="program")
def _program(run_dir: Path) -> Run:
    """Run a command line as a separate program."""

    def run(*args: str, stdin: str | None = None, **env: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "hive.cli", *args],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **env},
            timeout=30,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


_SIZE = frozenset({"COLUMNS", "LINES"})
"""Variables that would override the real size of a terminal."""


@define
class Terminal:
    """A program on a terminal of a given size."""

    process: subprocess.Popen[bytes]
    fd: int
    seen: str = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def expect(self, text: str) -> None:
        """Read until a text has been shown."""
        while text not in self.seen:
            assert self._read(), f"{text!r} never came: {self.seen!r}"

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            pass
        return self.process.wait(timeout=30)

    def _read(self) -> bool:
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@pytest.fixture(name="terminal")
def _terminal(run_dir: Path) -> Iterator[Callable[..., Terminal]]:
    """Run a command line as a program on a pseudo-terminal."""
    opened: list[Terminal] = []

    def run(*args: str, columns: int = 100, rows: int = 24, **env: str) -> Terminal:
        fd, side = pty.openpty()
        termios.tcsetwinsize(side, (rows, columns))
        ours = {name: value for name, value in os.environ.items() if name not in _SIZE}
        process = subprocess.Popen(
            [sys.executable, "-m", "hive.cli", *args],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**ours, "TERM": "xterm-256color", **env},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # one system call, no locks
        )
        os.close(side)
        opened.append(Terminal(process, fd))
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.fd)


def _take_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C reaches the program."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
