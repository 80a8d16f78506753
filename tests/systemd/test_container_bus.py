"""Hearing signals over a real bus, on which a small program plays systemd and machined."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

dbus_fast = pytest.importorskip("dbus_fast", reason="needs the extra [systemd] (dbus-fast)")

from dbus_fast import Message, MessageType  # noqa: E402
from dbus_fast.aio import MessageBus  # noqa: E402

from hive.machines.systemd import bus  # noqa: E402
from hive.machines.systemd.bus import listen, names, unescape  # noqa: E402
from hive.machines.systemd.hearing import Hearing, Polling, Signals  # noqa: E402

SYSTEMD = "org.freedesktop.systemd1"
MACHINED = "org.freedesktop.machine1"
UNIT = "systemd-nspawn@h-alice.service"
UNIT_PATH = "/org/freedesktop/systemd1/unit/systemd_2dnspawn_40h_2dalice_2eservice"


def escape(name: str) -> str:
    """Return a unit name as sd_bus_path_encode(3) makes a part of a path of it."""
    plain = (c if c.isascii() and c.isalnum() else f"_{ord(c):02x}" for c in name)
    return "".join(plain)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_every_unit_name_is_found_again_in_its_path(name: str) -> None:
    assert unescape(escape(name)) == name


def test_what_a_signal_is_about() -> None:
    assert list(names(UNIT_PATH, "PropertiesChanged", [])) == [UNIT]
    assert list(names("/", "MachineRemoved", ["h-alice", "/path"])) == ["h-alice"]
    assert list(names("/org/freedesktop/systemd1", "UnitNew", [UNIT, "/path"])) == []
    assert list(names("/elsewhere", "PropertiesChanged", [])) == []


class Daemon:
    """A message bus of its own, that can be ended and started again at the same address."""

    def __init__(self, root: Path) -> None:
        self.address = f"unix:path={root}/bus"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"),
            f"--address={self.address}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline()

    async def end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            assert process.stdout is not None
            await process.stdout.read()
            await process.wait()


class Played:
    """Plays systemd and machined."""

    def __init__(self, address: str) -> None:
        self._bus = MessageBus(bus_address=address)
        self.subscribed = asyncio.Event()

    async def appear(self) -> None:
        await self._bus.connect()
        self._bus.add_message_handler(self._answer)
        for name in (SYSTEMD, MACHINED):
            await self._bus.request_name(name)

    def leave(self) -> None:
        self._bus.disconnect()

    def change(self, path: str, interface: str = f"{SYSTEMD}.Unit") -> None:
        """Send the signal that a unit's properties have changed."""
        properties = "org.freedesktop.DBus.Properties"
        body = [interface, {}, []]
        self._bus.send(Message.new_signal(path, properties, "PropertiesChanged", "sa{sv}as", body))

    def remove_machine(self, name: str) -> None:
        """Send the signal that a machine is no longer registered."""
        path = "/org/freedesktop/machine1"
        signal = Message.new_signal(
            path, f"{MACHINED}.Manager", "MachineRemoved", "so", [name, path]
        )
        self._bus.send(signal)

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is MessageType.METHOD_CALL and message.member == "Subscribe":
            self.subscribed.set()
            return Message.new_method_return(message)
        return None


class Ear:
    """Listens, and keeps what it hears in the order in which it comes."""

    def __init__(self, address: str) -> None:
        self._heard: asyncio.Queue[str | Hearing] = asyncio.Queue()
        listening = listen(self._heard.put_nowait, self._heard.put_nowait, address=address)
        self.task = asyncio.create_task(listening)

    async def next(self) -> str | Hearing:
        return await self._heard.get()

    async def until(self, what: str | Hearing) -> None:
        while await self.next() != what:
            pass


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon")
    monkeypatch.setattr(bus, "RECONNECT_SECONDS", 0.05)
    daemon = Daemon(tmp_path)
    await daemon.start()
    yield daemon
    await daemon.end()


@pytest.fixture
async def systemd(daemon: Daemon) -> AsyncIterator[Played]:
    systemd = Played(daemon.address)
    await systemd.appear()
    yield systemd
    systemd.leave()


@pytest.fixture
async def ear(daemon: Daemon) -> AsyncIterator[Ear]:
    ear = Ear(daemon.address)
    yield ear
    ear.task.cancel()
    await asyncio.wait([ear.task])


async def test_it_asks_systemd_for_signals_and_looks_at_everything(
    systemd: Played, ear: Ear
) -> None:
    await systemd.subscribed.wait()
    assert await ear.next() == Signals()
    assert await ear.next() == ""


async def test_it_hears_units_and_machines_and_nothing_else(systemd: Played, ear: Ear) -> None:
    await ear.until("")
    systemd.change(UNIT_PATH, f"{SYSTEMD}.Service")
    systemd.change("/org/elsewhere")
    systemd.change(UNIT_PATH)
    systemd.remove_machine("h-alice")
    assert [await ear.next(), await ear.next()] == [UNIT, "h-alice"]


async def test_a_lost_bus_is_told_and_found_again(
    daemon: Daemon, systemd: Played, ear: Ear
) -> None:
    await ear.until("")
    await daemon.end()
    lost = await ear.next()
    assert isinstance(lost, Polling)
    await daemon.start()
    again = Played(daemon.address)
    await again.appear()
    await ear.until(Signals())
    assert await ear.next() == ""
    again.change(UNIT_PATH)
    assert await ear.next() == UNIT
    again.leave()


@pytest.mark.parametrize("turns", range(12))
async def test_it_can_be_ended_while_it_connects(systemd: Played, ear: Ear, turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    ear.task.cancel()
    await asyncio.wait([ear.task])
    assert ear.task.cancelled()


async def test_a_bus_without_systemd_is_no_bus(daemon: Daemon, ear: Ear) -> None:
    told = await ear.next()
    assert isinstance(told, Polling)
    assert "Subscribe" in told.why


async def test_no_bus_at_all_is_told(tmp_path: Path) -> None:
    ear = Ear(f"unix:path={tmp_path}/nothing")
    told = await ear.next()
    assert isinstance(told, Polling)
    assert "D-Bus cannot be used" in told.why
    ear.task.cancel()
    await asyncio.wait([ear.task])
