"""The hostile participant, a program of its own: bare sockets, one loop, no client's limits.

python -m tests.adversary.hostile ATTACK SOCKET SECONDS
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import sys
import time
from pathlib import Path

from attrs import define, field

from tests.adversary.attacks import ATTACKS, CLOSE, READ, Answers, Attack, Script, Step

READ_BYTES = 1 << 18
RECONNECT = 0.005
"""Seconds before a connection that was refused or closed is made again."""


@define(eq=False)
class Line:
    """One connection of the attack.

    Attributes:
        script: What it does.
        out: What is to be sent now.
        step: What it waits for when that is empty.
    """

    sock: socket.socket
    script: Script
    reads: bool
    out: memoryview = field(factory=lambda: memoryview(b""))
    step: Step | None = None
    answers: Answers = field(factory=list)
    pending: bytes = b""

    def advance(self) -> None:
        """Let the script say what is next."""
        answers, self.answers = self.answers, []
        self._take(self.script.send(answers))

    def begin(self) -> None:
        """Let the script say what is first."""
        self._take(next(self.script))

    def _take(self, found: bytes | Step) -> None:
        if isinstance(found, Step):
            self.step = found
        else:
            self.step, self.out = None, memoryview(found)

    def events(self) -> int:
        """Return what to wait for."""
        wanted = select.EPOLLIN if self.reads or self.step is READ else select.EPOLLRDHUP
        return wanted | (select.EPOLLOUT if self.out else 0)


@define(eq=False)
class Hostile:
    """Runs an attack on a socket."""

    attack: Attack
    path: Path
    lines: dict[int, Line] = field(factory=dict)
    epoll: select.epoll = field(factory=select.epoll)
    free: list[tuple[float, int]] = field(factory=list)
    numbers: dict[int, int] = field(factory=dict)
    sent: int = 0
    answered: int = 0
    connects: int = 0

    def run(self, seconds: float) -> dict[str, int]:
        """Attack for some seconds, and return what was done."""
        self.free = [(0.0, number) for number in range(self.attack.connections)]
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._connect_all(now)
            for descriptor, events in self.epoll.poll(0.01):
                if descriptor in self.lines:
                    self._serve(descriptor, events)
        for descriptor in list(self.lines):
            self._close(descriptor)
        return {"sent": self.sent, "answered": self.answered, "connects": self.connects}

    def _connect_all(self, now: float) -> None:
        due = [number for at, number in self.free if at <= now]
        self.free = [each for each in self.free if each[0] > now]
        for number in due:
            try:
                self._connect(number)
            except OSError:
                self.free.append((now + 10 * RECONNECT, number))

    def _connect(self, number: int) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(str(self.path))
        except BaseException:
            sock.close()
            raise
        self.connects += 1
        line = Line(sock, self.attack.script(number), self.attack.reads(number))
        line.begin()
        self.lines[sock.fileno()] = line
        self.numbers[sock.fileno()] = number
        self.epoll.register(sock.fileno(), line.events())

    def _serve(self, descriptor: int, events: int) -> None:
        line = self.lines[descriptor]
        try:
            if events & select.EPOLLIN:
                self._read(line)
            elif events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                raise ConnectionResetError
            if line.out:
                self._send(line)
            if not line.out:
                self._next(line)
        except OSError:
            self._close(descriptor)
            return
        if line.step is CLOSE and not line.out:
            self._close_like(line, descriptor)
        else:
            self.epoll.modify(descriptor, line.events())

    def _next(self, line: Line) -> None:
        if line.step is None or (line.step is READ and line.answers):
            line.advance()

    def _send(self, line: Line) -> None:
        with contextlib.suppress(BlockingIOError):
            count = line.sock.send(line.out)
            self.sent += count
            line.out = line.out[count:]

    def _read(self, line: Line) -> None:
        data = line.sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError
        *complete, line.pending = (line.pending + data).split(b"\n")
        self.answered += len(complete)
        if line.step is READ or len(line.answers) < 100:
            line.answers += [json.loads(each) for each in complete[:100]]

    def _close_like(self, line: Line, descriptor: int) -> None:
        """Close a connection whose script asks for it; the last one closes all that wait."""
        waiting = [n for n, each in self.lines.items() if each.step is CLOSE]
        if len(waiting) >= min(self.attack.connections, len(self.lines)) // 2:
            for each in waiting:
                self._close(each)
        else:
            self.epoll.modify(descriptor, select.EPOLLRDHUP)

    def _close(self, descriptor: int) -> None:
        self.epoll.unregister(descriptor)
        self.lines.pop(descriptor).sock.close()
        self.free.append((time.monotonic() + RECONNECT, self.numbers.pop(descriptor)))


def main(arguments: list[str]) -> None:
    """Run the attack of the command line."""
    name, path, seconds = arguments
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    done = Hostile(ATTACKS[name], Path(path)).run(float(seconds))
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main(sys.argv[1:])
