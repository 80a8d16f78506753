"""Signals and state queries of systemd and machined over D-Bus.

A signal is only a reason to read the state again. So a lost connection loses nothing: after
reconnecting, every state is read once; until then, states are polled.
Needs the extra `[systemd]` (dbus-fast).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen
from dbus_fast import AuthError, BusType, Message, MessageType, Variant
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

_RULES = (
    "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
    f"path_namespace='/org/freedesktop/systemd1/unit',arg0='{SYSTEMD}.Unit'",
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
    connected = on_connection or (lambda queries: None)
    while True:
        bus = MessageBus(address, BusType.SYSTEM, auth_timeout=CALL_SECONDS)
        try:
            await _connect(bus)
            await _subscribe(bus, on_change)
            connected(DBusCalls(bus))
            on_event_source(DBusSignals())
            on_change("")
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            on_event_source(Polling("the connection to D-Bus was lost"))
        except (TimeoutError, OSError, EOFError, AuthError, DBusCallError) as error:
            on_event_source(Polling(f"D-Bus cannot be used: {error or type(error).__name__}"))
        finally:
            connected(None)
            await _disconnect(bus)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _connect(bus: MessageBus) -> None:
    """Connect, to the end even if this is cancelled.

    On a cancellation, the library closes a socket that the loop still watches, which makes uvloop
    abort the whole program.
    """
    connecting = asyncio.create_task(bus.connect())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait([connecting], timeout=CALL_SECONDS)
        if connecting.done() and not connecting.cancelled():
            connecting.exception()
        raise


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
    """Yield the unit or machine that a signal is about."""
    if member == "PropertiesChanged" and path.startswith(UNIT_PATH):
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
