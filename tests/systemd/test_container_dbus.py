"""Signals and queries over a real bus, with a fake systemd and machined."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

import pytest
from blockbuster import BlockBuster
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
def test_a_unit_name_round_trips_through_its_object_path(name: str) -> None:
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
def test_a_name_is_escaped_as_systemd_escapes_it(name: str, label: str) -> None:
    assert escape(name) == label


def test_a_signal_names_its_unit_or_machine() -> None:
    assert list(names(UNIT_PATH, "PropertiesChanged", [])) == [UNIT]
    assert list(names("/", "MachineRemoved", ["h-alice", "/path"])) == ["h-alice"]
    assert list(names("/org/freedesktop/systemd1", "UnitNew", [UNIT, "/path"])) == []
    assert list(names("/elsewhere", "PropertiesChanged", [])) == []


class Daemon:
    """A message bus that can be ended and started again at the same address."""

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


class FakeSystemd:
    """A fake systemd and machined."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._bus = MessageBus(bus_address=address)
        self.subscribed = asyncio.Event()
        self.objects: dict[str, dict[str, Variant]] = {}
        self.silent = False

    async def connect(self) -> None:
        await self._bus.connect()

    async def flushed(self) -> None:
        """Return when the bus has passed on what was sent."""
        await self._bus.introspect("org.freedesktop.DBus", "/org/freedesktop/DBus")

    async def appear(self) -> None:
        await self.connect()
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


class Listener:
    """Listens, and queues signals and event sources in order of arrival."""

    def __init__(self, address: str) -> None:
        self._received: asyncio.Queue[str | EventSource] = asyncio.Queue()
        self.line: StateQueries | None = None
        receive = self._received.put_nowait
        listening = listen(receive, receive, on_connection=self._connected, address=address)
        self.task = asyncio.create_task(listening)

    def _connected(self, line: StateQueries | None) -> None:
        self.line = line

    async def next(self) -> str | EventSource:
        return await self._received.get()

    async def until(self, what: str | EventSource) -> None:
        while await self.next() != what:
            pass


@pytest.fixture(autouse=True)
def _connecting_may_block(blockbuster: BlockBuster | None) -> None:
    """Before dbus-fast 5.0, the constructor connects; at a socket of this host that is no wait."""
    if blockbuster is not None and int(version("dbus-fast").partition(".")[0]) < 5:
        blockbuster.functions["socket.socket.connect"].deactivate()


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
async def systemd(daemon: Daemon) -> AsyncIterator[FakeSystemd]:
    systemd = FakeSystemd(daemon.address)
    await systemd.appear()
    yield systemd
    systemd.leave()


@pytest.fixture
async def listener(daemon: Daemon) -> AsyncIterator[Listener]:
    listener = Listener(daemon.address)
    yield listener
    listener.task.cancel()
    await asyncio.wait([listener.task])


async def test_a_listener_subscribes_and_then_requests_a_full_check(
    systemd: FakeSystemd, listener: Listener
) -> None:
    await systemd.subscribed.wait()
    assert await listener.next() == DBusSignals()
    assert await listener.next() == ""


async def test_only_signals_of_units_and_machines_are_passed_on(
    systemd: FakeSystemd, listener: Listener
) -> None:
    await listener.until("")
    systemd.change(UNIT_PATH, f"{SYSTEMD}.Service")
    systemd.change("/org/elsewhere")
    systemd.change(UNIT_PATH)
    systemd.remove_machine("h-alice")
    assert [await listener.next(), await listener.next()] == [UNIT, "h-alice"]


async def test_a_lost_bus_is_reported_and_reconnected(
    daemon: Daemon, systemd: FakeSystemd, listener: Listener
) -> None:
    await listener.until("")
    await daemon.end()
    lost = await listener.next()
    assert isinstance(lost, Polling)
    await daemon.start()
    again = FakeSystemd(daemon.address)
    await again.appear()
    await listener.until(DBusSignals())
    assert await listener.next() == ""
    again.change(UNIT_PATH)
    assert await listener.next() == UNIT
    again.leave()


@pytest.mark.parametrize("turns", range(12))
async def test_a_listener_can_be_cancelled_while_it_connects(
    systemd: FakeSystemd, listener: Listener, turns: int
) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    listener.task.cancel()
    await asyncio.wait([listener.task])
    assert listener.task.cancelled()


async def test_without_systemd_on_the_bus_it_polls(daemon: Daemon, listener: Listener) -> None:
    source = await listener.next()
    assert isinstance(source, Polling)
    assert "Subscribe" in source.why


async def test_without_a_bus_it_polls(tmp_path: Path) -> None:
    listener = Listener(f"unix:path={tmp_path}/nothing")
    source = await listener.next()
    assert isinstance(source, Polling)
    assert "D-Bus cannot be used" in source.why
    listener.task.cancel()
    await asyncio.wait([listener.task])


async def test_an_address_that_is_none_is_a_failed_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = Listener("carrier-pigeon:x=1")
    source = await listener.next()
    assert isinstance(source, Polling)
    assert "D-Bus cannot be used: " in source.why
    assert caplog.records == []
    listener.task.cancel()
    await asyncio.wait([listener.task])


# Before dbus-fast 5.0, the socket of a failed connection is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_bus_that_never_answers_is_given_up_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus, "CALL_SECONDS", 0.1)
    monkeypatch.setattr(dbus, "RECONNECT_SECONDS", 0.01)
    connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.put_nowait(writer)

    async with await asyncio.start_unix_server(keep_silent, tmp_path / "bus"):
        listener = Listener(f"unix:path={tmp_path}/bus")
        source = await listener.next()
        assert isinstance(source, Polling)
        assert "the bus did not answer within 0.1 seconds" in source.why
        assert isinstance(await listener.next(), Polling)
        listener.task.cancel()
        await asyncio.wait([listener.task])
        while not connections.empty():
            connections.get_nowait().close()


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(
    ("said", "why"), [(b"", "closed the connection"), (b"x" * 65_536, "sent too long a line")]
)
async def test_a_bus_that_closes_during_the_authentication_is_tried_again(
    said: bytes, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older library would read on for ever, and the loop would never come back from that."""
    monkeypatch.setattr(dbus, "_Bus", dbus.GuardedBus)
    monkeypatch.setattr(dbus, "RECONNECT_SECONDS", 0.01)

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(close, tmp_path / "bus"):
        listener = Listener(f"unix:path={tmp_path}/bus")
        lost = Polling(f"D-Bus cannot be used: the bus {why} during the authentication")
        assert [await listener.next(), await listener.next()] == [lost, lost]
        listener.task.cancel()
        await asyncio.wait([listener.task])


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_bus_that_closes_after_the_authentication_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus, "_Bus", dbus.GuardedBus)

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        writer.write(b"OK 1234deadbeef\r\n")
        await reader.readuntil(b"BEGIN\r\n")
        writer.close()

    async with await asyncio.start_unix_server(close, tmp_path / "bus"):
        listener = Listener(f"unix:path={tmp_path}/bus")
        assert await listener.next() == Polling("D-Bus cannot be used: EOFError")
        listener.task.cancel()
        await asyncio.wait([listener.task])


async def test_a_signal_whose_path_is_no_unit_is_ignored(
    systemd: FakeSystemd, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody may send a signal on the system bus, with any path."""
    await listener.until("")
    for label in ("x_zz", "x_"):
        systemd.change(f"/org/freedesktop/systemd1/unit/{label}")
    systemd.change(UNIT_PATH)
    assert await listener.next() == UNIT
    assert caplog.records == []


async def test_signals_of_others_than_systemd_are_ignored(
    systemd: FakeSystemd, listener: Listener
) -> None:
    await listener.until("")
    stranger = FakeSystemd(systemd.address)
    await stranger.connect()
    stranger.change("/org/freedesktop/systemd1/unit/other_2eservice")
    await stranger.flushed()
    systemd.change(UNIT_PATH)
    assert await listener.next() == UNIT
    stranger.leave()


async def test_an_unexpected_error_is_logged_and_the_bus_is_used_again(
    systemd: FakeSystemd, caplog: pytest.LogCaptureFixture
) -> None:
    received: asyncio.Queue[EventSource] = asyncio.Queue()
    errors = iter([KeyError("a bug")])

    def fail_once(name: str) -> None:
        for error in errors:
            raise error

    listening = listen(fail_once, received.put_nowait, address=systemd.address)
    task = asyncio.create_task(listening)
    sources = [await received.get() for _ in range(3)]
    task.cancel()
    await asyncio.wait([task])
    assert sources == [
        DBusSignals(),
        Polling("D-Bus cannot be used: KeyError('a bug')"),
        sources[0],
    ]
    [record] = caplog.records
    assert (record.levelname, record.name) == ("ERROR", dbus.__name__)


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
    """A fake `systemctl` and `machinectl`; records which of them were run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def __call__(self, argv: object, *, deadline: float) -> Outcome:
        assert isinstance(argv, tuple)
        self.ran.append(argv[0])
        out = f"Id={UNIT}\nActiveState=inactive\nLeader=7\n"
        return Outcome(argv, 0, out, "", deadline)


async def test_the_state_of_a_container_is_queried_over_the_bus(
    systemd: FakeSystemd, listener: Listener
) -> None:
    systemd.objects |= {UNIT_PATH: RUNNING, MACHINE_PATH: MACHINE}
    await listener.until("")
    programs = Programs()
    unit = UnitState(
        id=UNIT,
        active=Active.ACTIVE,
        sub="running",
        invocation="ecb512a7e01c42a5b1cba973ee8e9b63",
        since_usec=2374261940,
        main_pid=54,
    )
    host = ServiceManager(programs, listener.line)
    assert await host.container_state(UNIT, "h-alice") == ContainerState(unit, 56)
    systemd.objects[UNIT_PATH] = FAILED
    failed = await host.unit_state(UNIT)
    assert (failed.active, failed.result, failed.job) == (Active.FAILED, "oom-kill", True)
    assert (failed.code, failed.status) == (Code.KILLED, 9)
    assert programs.ran == []


async def test_a_machine_that_machined_does_not_know_is_none(
    systemd: FakeSystemd, listener: Listener
) -> None:
    await listener.until("")
    programs = Programs()
    assert await ServiceManager(programs, listener.line).leader("h-alice") is None
    systemd.objects[MACHINE_PATH] = MACHINE | {"State": Variant("s", "closing")}
    assert await ServiceManager(programs, listener.line).leader("h-alice") is None
    assert programs.ran == []


async def test_after_a_refusal_the_state_is_queried_with_the_programs(
    systemd: FakeSystemd, listener: Listener
) -> None:
    systemd.silent = True
    await listener.until("")
    programs = Programs()
    view = await ServiceManager(programs, listener.line).container_state(UNIT, "h-alice")
    assert (view.unit.active, view.leader) == (Active.INACTIVE, 7)
    assert sorted(programs.ran) == ["machinectl", "systemctl"]


async def test_an_invalid_unit_state_is_an_error(systemd: FakeSystemd, listener: Listener) -> None:
    systemd.objects[UNIT_PATH] = RUNNING | {"ActiveState": Variant("s", "confused")}
    await listener.until("")
    with pytest.raises(FailedError, match="not a unit state"):
        await ServiceManager(Programs(), listener.line).unit_state(UNIT)


async def test_a_query_on_a_lost_connection_gets_no_answer(
    daemon: Daemon, systemd: FakeSystemd, listener: Listener
) -> None:
    systemd.objects[UNIT_PATH] = RUNNING
    await listener.until("")
    line = listener.line
    assert line is not None
    await daemon.end()
    with pytest.raises(NoAnswerError):
        await line.unit_state(UNIT)
    assert isinstance(await listener.next(), Polling)
    assert listener.line is None
