"""Hearing and asking over a real bus, on which a small program plays systemd and machined."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

dbus_fast = pytest.importorskip("dbus_fast", reason="needs the extra [systemd] (dbus-fast)")

from dbus_fast import Message, MessageType, Variant  # noqa: E402
from dbus_fast.aio import MessageBus  # noqa: E402

from hive.errors import FailedError  # noqa: E402
from hive.machines.systemd import dbus  # noqa: E402
from hive.machines.systemd.dbus import escape, listen, names, unescape  # noqa: E402  # noqa: E402
from hive.machines.systemd.event_source import (  # noqa: E402
    DBusSignals,
    EventSource,
    NoAnswerError,
    Polling,
    StateQueries,
)
from hive.machines.systemd.service_manager import ServiceManager  # noqa: E402
from hive.machines.systemd.unit_state import Active, Code, ContainerState, UnitState  # noqa: E402
from hive.subprocesses import Outcome  # noqa: E402

SYSTEMD = "org.freedesktop.systemd1"
MACHINED = "org.freedesktop.machine1"
UNIT = "systemd-nspawn@h-alice.service"
UNIT_PATH = "/org/freedesktop/systemd1/unit/systemd_2dnspawn_40h_2dalice_2eservice"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_every_unit_name_is_found_again_in_its_path(name: str) -> None:
    assert unescape(escape(name)) == name


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (UNIT, UNIT_PATH.rpartition("/")[2]),
        ("h-alice", "h_2dalice"),
        ("7up.service", "_37up_2eservice"),
        ("a_b", "a_5fb"),
    ],
)
def test_a_name_in_a_path_is_as_systemd_writes_it(name: str, label: str) -> None:
    assert escape(name) == label


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
        self.objects: dict[str, dict[str, Variant]] = {}
        self.silent = False

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
        if message.member == "GetAll" and self.silent:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "no")
        if message.member == "GetAll" and message.path in self.objects:
            return Message.new_method_return(message, "a{sv}", [self.objects[message.path]])
        if message.member == "GetAll":
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", "none")
        return None


class Ear:
    """Listens, and keeps what it hears in the order in which it comes."""

    def __init__(self, address: str) -> None:
        self._heard: asyncio.Queue[str | EventSource] = asyncio.Queue()
        self.line: StateQueries | None = None
        hear = self._heard.put_nowait
        listening = listen(hear, hear, on_connection=self._connected, address=address)
        self.task = asyncio.create_task(listening)

    def _connected(self, line: StateQueries | None) -> None:
        self.line = line

    async def next(self) -> str | EventSource:
        return await self._heard.get()

    async def until(self, what: str | EventSource) -> None:
        while await self.next() != what:
            pass


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon")
    monkeypatch.setattr(dbus, "RECONNECT_SECONDS", 0.05)
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
    assert await ear.next() == DBusSignals()
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
    await ear.until(DBusSignals())
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


RUNNING = {
    "Id": Variant("s", UNIT),
    "ActiveState": Variant("s", "active"),
    "SubState": Variant("s", "running"),
    "Result": Variant("s", "success"),
    "InvocationID": Variant("ay", bytes.fromhex("ecb512a7e01c42a5b1cba973ee8e9b63")),
    "ExecMainCode": Variant("i", 0),
    "ExecMainStatus": Variant("i", 0),
    "ExecMainPID": Variant("u", 54),
    "ActiveEnterTimestampMonotonic": Variant("t", 2374261940),
    "Job": Variant("(uo)", [0, "/"]),
    "Environment": Variant("as", ["SYSTEMD_LOG_TARGET=console"]),
}
FAILED = RUNNING | {
    "ActiveState": Variant("s", "failed"),
    "Result": Variant("s", "oom-kill"),
    "ExecMainCode": Variant("i", 2),
    "ExecMainStatus": Variant("i", 9),
    "Job": Variant("(uo)", [17, "/org/freedesktop/systemd1/job/17"]),
}
MACHINE = {"Leader": Variant("u", 56), "State": Variant("s", "running")}
MACHINE_PATH = "/org/freedesktop/machine1/machine/h_2dalice"


class Programs:
    """Plays `systemctl` and `machinectl`, and remembers which of them were run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def __call__(self, argv: object, *, deadline: float) -> Outcome:
        assert isinstance(argv, tuple)
        self.ran.append(argv[0])
        out = f"Id={UNIT}\nActiveState=inactive\nLeader=7\n"
        return Outcome(argv, 0, out, "", deadline)


async def test_a_container_is_asked_for_on_the_line(systemd: Played, ear: Ear) -> None:
    systemd.objects |= {UNIT_PATH: RUNNING, MACHINE_PATH: MACHINE}
    await ear.until("")
    programs = Programs()
    unit = UnitState(
        id=UNIT,
        active=Active.ACTIVE,
        sub="running",
        invocation="ecb512a7e01c42a5b1cba973ee8e9b63",
        since_usec=2374261940,
        main_pid=54,
    )
    host = ServiceManager(programs, ear.line)
    assert await host.container_state(UNIT, "h-alice") == ContainerState(unit, 56)
    systemd.objects[UNIT_PATH] = FAILED
    failed = await host.unit_state(UNIT)
    assert (failed.active, failed.result, failed.job) == (Active.FAILED, "oom-kill", True)
    assert (failed.code, failed.status) == (Code.KILLED, 9)
    assert programs.ran == []


async def test_a_machine_that_machined_does_not_know_is_none(systemd: Played, ear: Ear) -> None:
    await ear.until("")
    programs = Programs()
    assert await ServiceManager(programs, ear.line).leader("h-alice") is None
    systemd.objects[MACHINE_PATH] = MACHINE | {"State": Variant("s", "closing")}
    assert await ServiceManager(programs, ear.line).leader("h-alice") is None
    assert programs.ran == []


async def test_a_refusal_has_the_programs_asked(systemd: Played, ear: Ear) -> None:
    systemd.silent = True
    await ear.until("")
    programs = Programs()
    view = await ServiceManager(programs, ear.line).container_state(UNIT, "h-alice")
    assert (view.unit.active, view.leader) == (Active.INACTIVE, 7)
    assert sorted(programs.ran) == ["machinectl", "systemctl"]


async def test_an_answer_that_is_no_unit_is_told(systemd: Played, ear: Ear) -> None:
    systemd.objects[UNIT_PATH] = RUNNING | {"ActiveState": Variant("s", "confused")}
    await ear.until("")
    with pytest.raises(FailedError, match="no state of a unit"):
        await ServiceManager(Programs(), ear.line).unit_state(UNIT)


async def test_on_a_lost_line_nobody_answers(daemon: Daemon, systemd: Played, ear: Ear) -> None:
    systemd.objects[UNIT_PATH] = RUNNING
    await ear.until("")
    line = ear.line
    assert line is not None
    await daemon.end()
    with pytest.raises(NoAnswerError):
        await line.unit_state(UNIT)
    assert isinstance(await ear.next(), Polling)
    assert ear.line is None
