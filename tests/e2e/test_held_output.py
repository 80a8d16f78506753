"""A daemon whose terminal is held, full or gone: everything but its own output goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hive.client.blocking import BlockingClient
from tests.support.daemons import HiveOnDisk, eventually

EVENTS = 300
"""More than what froze the daemon before: 15 on a terminal, 78 in a pipe of 4 KiB."""

IGNORING_HANGUP = ("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe of 4 KiB."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    close(reading, writing)


@pytest.fixture
def terminal(hive: HiveOnDisk) -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal on which a live view is shown."""
    hive.env["TERM"] = "xterm"
    ends = pty.openpty()
    termios.tcsetwinsize(ends[1], (24, 100))
    yield ends
    close(*ends)


def close(*descriptors: int) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def happen(hive: HiveOnDisk, events: int) -> None:
    """Let so many events happen; each request must be answered in time."""
    with BlockingClient(hive.run_dir / "host.sock") as operator:
        for _ in range(events // 2):
            operator.call({"cmd": "register_peer", "name": "box"}, 10)
            operator.call({"cmd": "unregister_peer", "name": "box"}, 10)


def read(descriptor: int) -> str:
    """Return all that can be read now; after half a second without anything, that is all."""
    found = b""
    while select.select([descriptor], [], [], 0.5)[0]:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:
            break
        if not chunk:
            break
        found += chunk
    return found.decode(errors="replace")


def test_a_pipe_that_nobody_reads_stops_nothing(hive: HiveOnDisk, pipe: tuple[int, int]) -> None:
    hive.start("--no-status", output=pipe[1])
    happen(hive, EVENTS)
    assert hive.ok("list") == ""
    assert read(pipe[0]).count("peer_registered") == EVENTS // 2, "once it is read, all come"


def test_a_terminal_that_is_held_stops_nothing(hive: HiveOnDisk, terminal: tuple[int, int]) -> None:
    hive.start(output=terminal[1])
    happen(hive, EVENTS)
    assert hive.ok("list") == ""
    shown = read(terminal[0])
    assert shown.count("peer_registered") == EVENTS // 2
    assert "no agents" in shown.lower() or "0 unread" in shown, "the picture is below them"


@pytest.mark.parametrize("held", ["pipe", "terminal"])
def test_a_daemon_ends_although_nobody_reads_its_output(
    hive: HiveOnDisk, held: str, request: pytest.FixtureRequest
) -> None:
    ends = request.getfixturevalue(held)
    hive.start(output=ends[1])
    happen(hive, EVENTS)
    assert hive.interrupt() == 0


def test_followers_get_every_event_after_the_terminal_was_closed(
    hive: HiveOnDisk, terminal: tuple[int, int]
) -> None:
    hive.wrapper = IGNORING_HANGUP
    daemon = hive.start(output=terminal[1])
    os.close(terminal[1])
    with BlockingClient(hive.run_dir / "host.sock") as follower:
        follower.call({"cmd": "events", "follow": True, "max": 1})
        os.close(terminal[0])
        happen(hive, 20)
        names = []
        for response in follower.further():
            names += [row["event"] for row in response.get("events", ())]
            if names.count("peer_unregistered") == 10:
                break
    assert names.count("peer_registered") == 10
    assert daemon.poll() is None


def test_a_closed_pipe_and_a_full_disk_stop_nothing(hive: HiveOnDisk) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        hive.start("--no-status", output=full)
    finally:
        os.close(full)
    happen(hive, 20)
    assert hive.interrupt() == 0


def test_a_log_that_has_room_again_says_what_it_lacks(hive: HiveOnDisk, tmp_path: Path) -> None:
    """A limit on the size of files is a full disk that the test can give room again."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(fifo, os.O_WRONLY)
    hive.start("--no-status", output=writing)
    os.close(writing)
    os.close(reading)  # the next write fails
    happen(hive, 20)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        happen(hive, 2)
        found = eventually(lambda: read(reading), what="output after the gap")
        assert "[hive] lines missing here: " in found
        assert "Broken pipe" in found
        assert "peer_registered" in found
    finally:
        os.close(reading)


def test_a_frozen_reader_of_a_follower_holds_only_the_follower(hive: HiveOnDisk) -> None:
    hive.start()
    with BlockingClient(hive.run_dir / "host.sock") as follower:
        follower.call({"cmd": "events", "follow": True, "max": 1})  # and never reads on
        happen(hive, EVENTS)
        assert hive.ok("list") == ""
    assert hive.daemon is not None
    hive.daemon.send_signal(signal.SIGTERM)
    assert hive.daemon.wait(20) == 0
