"""Signals and state queries of systemd and machined over D-Bus.

A signal is only a reason to read the state again. So a lost connection loses nothing: after
reconnecting, every state is read once; until then, states are polled.
Needs the extra `[systemd]` (dbus-fast).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from attrs import frozen
from dbus_fast import AuthError, BusType, InvalidAddressError, Message, MessageType, Variant
from dbus_fast.__version__ import __version__ as library_version
from dbus_fast.aio import MessageBus

from hive.machines.observer import OnChange
from hive.machines.systemd import unit_state
from hive.machines.systemd.event_source import (
    DBusSignals,
    EventSource,
    NoAnswerError,
    Polling,
    StateQueries,
)
from hive.machines.systemd.unit_state import UNIT_PROPERTIES, UnitState

SYSTEMD = "org.freedesktop.systemd1"
MACHINED = "org.freedesktop.machine1"

UNIT_PATH = "/org/freedesktop/systemd1/unit/"
"""Prefix of the object paths of units; systemd loads a unit that is queried by its path."""

MACHINE_PATH = "/org/freedesktop/machine1/machine/"
"""Prefix of the object paths of registered machines."""

QUERY_SECONDS = 2.0
"""Deadline in seconds for the answer to a query; afterwards, a program is run."""

RECONNECT_SECONDS = 1.0
"""Seconds before the next attempt to connect to the bus."""

CALL_SECONDS = 10.0
"""Deadline in seconds for connecting, subscribing and disconnecting."""

OnConnection = Callable[[StateQueries | None], None]
"""Called with each new connection, and with None when it is lost."""

_log = logging.getLogger(__name__)

_FAILURES = (TimeoutError, OSError, EOFError, AuthError, InvalidAddressError)
"""How the library says that a bus cannot be reached or used."""

_GUARDED_SINCE = (4, 3)
"""The first version of the library that needs no `GuardedBus`."""

_AUTH_BYTES = 16 * 1024
"""Bytes of the longest line of the authentication, whose lines have some dozen."""

_RULES = (
    f"type='signal',sender='{SYSTEMD}',interface='org.freedesktop.DBus.Properties',"
    f"member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit',arg0='{SYSTEMD}.Unit'",
    f"type='signal',sender='{MACHINED}',interface='{MACHINED}.Manager'",
)
_MACHINE_PROPERTIES = ("Leader", "State")
_NO_SUCH = ("org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.machine1.NoSuchMachine")


async def listen(
    on_change: OnChange,
    on_event_source: Callable[[EventSource], None],
    *,
    on_connection: OnConnection | None = None,
    address: str | None = None,
) -> None:
    """Receive signals until cancelled, reconnecting as often as necessary.

    Args:
        on_change: Called for each signal, and with "" whenever signals may have been missed.
        on_event_source: Called whenever signals begin or cease to arrive.
        on_connection: Called with the connection for queries, and with None when it is lost.
        address: Address of the bus; by default, the system bus.
    """
    while True:
        try:
            async with _connection(address) as bus:
                await _receive(bus, on_change, on_event_source, on_connection)
            why = "the connection to D-Bus was lost"
        except (*_FAILURES, DBusCallError) as error:
            why = f"D-Bus cannot be used: {str(error) or type(error).__name__}"
        except Exception as bug:
            # Nobody waits for this task before the end, and without it there would be no signals.
            _log.exception("listening to D-Bus failed; it is tried again")
            why = f"D-Bus cannot be used: {bug!r}"
        on_event_source(Polling(why))
        await asyncio.sleep(RECONNECT_SECONDS)


class GuardedBus(MessageBus):
    """A connection that fails when the bus closes it, or floods it, during the authentication.

    Before 4.3 the library goes on reading there without a pause: a loop of asyncio never comes back
    from that, and no deadline is met any more.
    """

    async def _auth_readline(self) -> str:
        assert self._sock is not None
        line = b""
        while not line.endswith(b"\r\n"):
            received = await self._loop.sock_recv(self._sock, _AUTH_BYTES)
            line += received
            if not received or len(line) > _AUTH_BYTES:
                why = "sent too long a line" if received else "closed the connection"
                raise AuthError(f"the bus {why} during the authentication")
        return line[:-2].decode()


def _bus_class() -> type[MessageBus]:
    """Return the class of connections for the installed version of the library."""
    major, minor, *_ = library_version.split(".")
    return MessageBus if (int(major), int(minor)) >= _GUARDED_SINCE else GuardedBus


_Bus = _bus_class()


@asynccontextmanager
async def _connection(address: str | None) -> AsyncGenerator[MessageBus, None]:
    # A connection can already fail in the constructor, which connects before dbus-fast 5.0.
    bus = _Bus(address, BusType.SYSTEM)
    try:
        await _connect(bus)
        yield bus
    finally:
        await _disconnect(bus)


async def _receive(
    bus: MessageBus,
    on_change: OnChange,
    on_event_source: Callable[[EventSource], None],
    on_connection: OnConnection | None,
) -> None:
    """Receive signals until the connection is lost."""
    await _subscribe(bus, on_change)
    connected = on_connection or (lambda queries: None)
    connected(DBusCalls(bus))
    try:
        on_event_source(DBusSignals())
        on_change("")
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    finally:
        connected(None)


async def _connect(bus: MessageBus) -> None:
    """Connect within `CALL_SECONDS`, and if this is cancelled, to the end.

    On a cancellation, the library closes a socket that the loop still watches, which makes uvloop
    abort the whole program.

    Raises:
        TimeoutError: The bus did not answer in time.
    """
    connecting = asyncio.create_task(bus.connect())
    try:
        done, _ = await asyncio.wait([connecting], timeout=CALL_SECONDS)
    except asyncio.CancelledError:
        await asyncio.wait([connecting], timeout=CALL_SECONDS)
        await _end(connecting)
        raise
    if not done:
        await _end(connecting)
        raise TimeoutError(f"the bus did not answer within {CALL_SECONDS:g} seconds")
    connecting.result()


async def _end(connecting: asyncio.Task[MessageBus]) -> None:
    """End an attempt, and retrieve its error, which nobody needs."""
    connecting.cancel()
    await asyncio.wait([connecting])
    if not connecting.cancelled():
        connecting.exception()


async def _disconnect(bus: MessageBus) -> None:
    """Disconnect, and wait until the loop no longer watches the socket."""
    if bus.connected:
        bus.disconnect()
        with suppress(OSError, EOFError):
            async with asyncio.timeout(CALL_SECONDS):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _subscribe(bus: MessageBus, on_change: OnChange) -> None:
    def receive(message: Message) -> None:
        for name in names(message.path or "", message.member or "", message.body):
            on_change(name)

    async with asyncio.timeout(CALL_SECONDS):
        bus.add_message_handler(receive)
        for rule in _RULES:
            await call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", rule)
        # systemd sends signals about units only while it has subscribers.
        path = "/org/freedesktop/systemd1"
        await call(bus, SYSTEMD, path, "Subscribe", interface=f"{SYSTEMD}.Manager")


def names(path: str, member: str, body: list[object]) -> Iterator[str]:
    """Yield the unit or machine that a signal is about; nothing for one that is not well-formed."""
    if member == "PropertiesChanged" and path.startswith(UNIT_PATH):
        with suppress(ValueError):  # any program may send a signal with any path
            yield unescape(path.removeprefix(UNIT_PATH))
    elif member in {"MachineNew", "MachineRemoved"} and body:
        yield str(body[0])


class DBusCallError(Exception):
    """A method call was answered with an error, or the connection was lost.

    Attributes:
        name: Name of the D-Bus error; "" without an answer.
    """

    def __init__(self, member: str, name: str, words: object) -> None:
        super().__init__(f"{member}: {words}")
        self.name = name


async def call(
    bus: MessageBus, peer: str, path: str, member: str, *body: str, interface: str | None = None
) -> list[Any]:
    """Call a method whose arguments are strings, and return its results.

    Raises:
        DBusCallError: It was answered with an error, or not at all.
    """
    message = Message(
        destination=peer,
        path=path,
        interface=interface or peer,
        member=member,
        signature="s" * len(body),
        body=list(body),
    )
    reply = await bus.call(message)
    if reply is None or reply.message_type is MessageType.ERROR:
        name = (reply.error_name if reply else None) or ""
        raise DBusCallError(member, name, reply.body if reply else "no answer")
    return list(reply.body)


@frozen
class DBusCalls:
    """State queries over a connection to the bus; see `event_source.StateQueries`."""

    bus: MessageBus

    async def unit_state(self, name: str) -> UnitState:
        """Return the state of a unit, which need not exist.

        Raises:
            NoAnswerError: There was no answer, or an error.
            FailedError: The answer is not a unit state.
        """
        try:
            shown = await self._properties(SYSTEMD, UNIT_PATH + escape(name))
        except DBusCallError as error:
            raise NoAnswerError(str(error)) from error
        return unit_state.unit_state(_words(shown, UNIT_PROPERTIES))

    async def leader(self, machine: str) -> int | None:
        """Return the first process of a machine; None if machined has none of that name.

        Raises:
            NoAnswerError: There was no answer, or an error.
        """
        try:
            shown = await self._properties(MACHINED, MACHINE_PATH + escape(machine))
        except DBusCallError as error:
            if error.name in _NO_SUCH:
                return None
            raise NoAnswerError(str(error)) from error
        return unit_state.leader(_words(shown, _MACHINE_PROPERTIES))

    async def _properties(self, peer: str, path: str) -> Mapping[str, Variant]:
        # All of them in one answer, so that they belong to one moment.
        properties = "org.freedesktop.DBus.Properties"
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                [shown] = await call(self.bus, peer, path, "GetAll", "", interface=properties)
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error
        if not isinstance(shown, Mapping):
            raise NoAnswerError(f"{peer} answered with {shown!r}")
        return shown


def escape(name: str) -> str:
    """Return a name as an element of an object path; see sd_bus_path_encode(3)."""
    return "".join(
        char if char.isascii() and (char.isalpha() or (char.isdigit() and at > 0)) else f"_{byte}"
        for at, char in enumerate(name)
        for byte in [char.encode().hex()]
    )


def unescape(label: str) -> str:
    """Return the name that an element of an object path encodes."""
    plain, *escaped = label.split("_")
    return plain + "".join(chr(int(part[:2], 16)) + part[2:] for part in escaped)


def _words(shown: Mapping[str, Variant], names: tuple[str, ...]) -> dict[str, str]:
    return {name: _word(shown[name].value) for name in names if name in shown}


def _word(value: object) -> str:
    """Return a value as `systemctl show` prints it: an id in hex, a job by its number."""
    match value:
        case bytes():
            return value.hex()
        case [number, _]:
            return str(number) if number else ""
        case _:
            return str(value)
