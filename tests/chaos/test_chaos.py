"""Faults are injected for a while, and the history that clients recorded is valid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest
from attrs import define, field

from hive.testing.history import check, read
from tests.support.daemons import HiveOnDisk, eventually

SENDERS = ("ann", "ben", "cat", "dan")
SINKS = ("sink-a", "sink-b")
RECEIVERS = 2
"""Receiving clients of each sink."""

CONFIG = "\n".join(f"[peers.{name}]" for name in (*SENDERS, *SINKS))

ROOT = Path(__file__).parents[2]

pause = threading.Event().wait


@define
class Clients:
    """The client programs; one that was killed is started again under a new name."""

    hive: HiveOnDisk
    running: dict[str, subprocess.Popen[bytes]] = field(factory=dict)
    lives: Iterator[int] = field(factory=lambda: count(1))

    @property
    def histories(self) -> list[Path]:
        return sorted(self.hive.root.glob("*.jsonl"))

    def start(self, name: str) -> None:
        """Start a sender by its participant's name, a receiver by `sink/number`."""
        participant = name.partition("/")[0]
        process = f"{name.replace('/', '-')}.{next(self.lives)}"
        verb, inboxes = ("send", SINKS) if name in SENDERS else ("receive", (participant,))
        path = self.hive.socket_of(participant)
        history = self.hive.root / f"{process}.jsonl"
        words = [verb, path, process, history, *inboxes]
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.client", *map(str, words)], cwd=ROOT
        )

    def start_all(self) -> None:
        for name in (*SENDERS, *(f"{sink}/{each}" for sink in SINKS for each in range(RECEIVERS))):
            self.start(name)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def end(self, names: list[str]) -> None:
        for name in names:
            self.kill(name)


@define
class Monkey:
    """Injects one fault at a time."""

    hive: HiveOnDisk
    clients: Clients
    random: Random
    done: dict[str, int] = field(factory=dict)

    def strike(self) -> None:
        name, fault = self.random.choice(
            [
                ("kill daemon", self.kill_daemon),
                ("stop daemon", self.stop_daemon),
                ("kill client", self.kill_client),
                ("stop client", self.stop_client),
                ("cut line", self.cut_line),
                ("stalled reader", self.stall),
            ]
        )
        fault()
        self.done[name] = self.done.get(name, 0) + 1

    def kill_daemon(self) -> None:
        self.hive.kill()
        self.hive.launch()
        eventually(self.hive.answers, what="a daemon that answers")

    def stop_daemon(self) -> None:
        assert self.hive.daemon is not None
        with stopped(self.hive.daemon.pid):
            pause(self.random.random() * 0.5)

    def kill_client(self) -> None:
        name = self.random.choice(list(self.clients.running))
        self.clients.kill(name)
        self.clients.start(name)

    def stop_client(self) -> None:
        name = self.random.choice(list(self.clients.running))
        with stopped(self.clients.running[name].pid):
            pause(self.random.random() * 0.5)

    def cut_line(self) -> None:
        """Send one and a half requests, and disconnect."""
        path = self.hive.socket_of(self.random.choice(SENDERS))
        with connected(path) as line:
            line.sendall(b'{"cmd":"status"}\n{"cmd":"send","to":"sink-a","bo')

    def stall(self) -> None:
        """Request more than fits into the socket's buffers and read none of it."""
        path = self.hive.socket_of(self.random.choice(SENDERS))
        with connected(path) as line:
            line.settimeout(0.2)
            with suppress(TimeoutError):
                line.sendall(b'{"cmd":"who"}\n' * 20_000)
            pause(self.random.random() * 0.3)


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """Yield a bare connection; the daemon may close it at any time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, suppress(OSError):
        line.connect(os.fspath(path))
        yield line


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_the_history_of_a_hive_under_faults_is_valid(
    hive: HiveOnDisk,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    seconds: float = pytestconfig.getoption("--chaos-seconds")
    seed = time.time_ns() % 1_000_000
    record_property("seed", seed)
    hive.configure(CONFIG)
    hive.start()
    clients = Clients(hive)
    monkey = Monkey(hive, clients, Random(seed))
    clients.start_all()
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            monkey.strike()
            pause(monkey.random.random() * 0.3)
        clients.end([name for name in clients.running if name in SENDERS])
        eventually(
            lambda: all(hive.status(name)["unread"] == 0 for name in SINKS),
            within=60,
            what="empty inboxes after the faults",
        )
        left = {row["body"] for name in SINKS for row in hive.json("inbox", name, "--unread")}
    finally:
        clients.end(list(clients.running))

    history = read(clients.histories)
    record_property("events", len(history))
    record_property("faults", monkey.done)
    acked = sum(event.verb == "ack" and event.phase == "ok" for event in history)
    assert acked > 5 * seconds, f"seed {seed}: hardly anything happened: {monkey.done}"
    violations = check(history, left=left)
    assert not violations, f"seed {seed}:\n" + "\n".join(map(str, violations[:20]))
    assert "Traceback" not in hive.output()
