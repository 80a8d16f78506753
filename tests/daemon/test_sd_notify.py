"""systemd gets readiness, status and watchdog messages."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.daemon.sd_notify import PINGS, SystemdNotifier

ABSTRACT = f"@hyperhive-test-{os.getpid()}"


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The value of `NOTIFY_SOCKET`, and the socket at that address."""
    address = ABSTRACT if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1) if request.param == "abstract" else address)
        listening.setblocking(False)
        yield address, listening


def test_each_message_is_one_datagram(systemd: tuple[str, socket.socket]) -> None:
    address, listening = systemd
    notifier = SystemdNotifier(address)
    notifier.ready("2 agents")
    notifier.status("1 agent")
    notifier.stopping("stops")
    notifier.still_stopping("1 of 2", 30.0)
    assert [listening.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=2 agents",
        b"STATUS=1 agent",
        b"STOPPING=1\nSTATUS=stops",
        b"STATUS=1 of 2\nEXTEND_TIMEOUT_USEC=30000000",
    ]


@pytest.mark.sim
async def test_watchdog_messages_come_more_often_than_required(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.setblocking(False)
        alive = asyncio.create_task(SystemdNotifier(address, watchdog=30.0).keep_alive())
        for _ in range(4):
            await asyncio.sleep(30.0 / PINGS)
            assert listening.recv(4096) == b"WATCHDOG=1"
        alive.cancel()


@pytest.mark.sim
async def test_without_a_watchdog_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    await SystemdNotifier("/nowhere").keep_alive()
    assert not caplog.records, "it tried to send"


def test_the_variables_are_removed_from_the_environment() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    assert SystemdNotifier.from_environ(environ) == SystemdNotifier("/run/n", 30.0)
    assert environ == {"PATH": "/bin"}, "no agent can speak as the daemon"
    assert SystemdNotifier.from_environ(environ) == SystemdNotifier(None, None)


@pytest.mark.parametrize(("usec", "pid"), [("30000000", "1"), ("0", None), ("soon", None)])
def test_a_watchdog_of_another_process_or_an_invalid_one_is_ignored(
    usec: str, pid: str | None
) -> None:
    environ = {"WATCHDOG_USEC": usec} | ({"WATCHDOG_PID": pid} if pid else {})
    assert SystemdNotifier.from_environ(environ).watchdog is None


def test_a_systemd_that_does_not_listen_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    SystemdNotifier(str(tmp_path / "gone")).ready("up")
    assert "systemd could not be notified" in caplog.text
    SystemdNotifier(None).ready("up")
