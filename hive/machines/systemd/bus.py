"""Hearing what happens to containers: signals of systemd and machined over D-Bus.

A signal is only a hint to look; what is true is read afterwards. So nothing is lost when the bus
is lost: it is connected again and everything is looked at once; until then, in turns.
Needs the extra `[systemd]` (dbus-fast).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from dbus_fast import AuthError, BusType, Message
from dbus_fast.aio import MessageBus

from hive.machines.systemd.bus_line import (
    MACHINED,
    SYSTEMD,
    UNIT_PATH,
    BusLine,
    RefusedError,
    call,
    unescape,
)
from hive.machines.systemd.hearing import Hearing, Line, Polling, Signals

RECONNECT_SECONDS = 1.0
"""How long to wait before the bus is tried again."""

CALL_SECONDS = 10.0
"""How long the bus, systemd or machined may take to answer."""

_RULES = (
    "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
    f"path_namespace='/org/freedesktop/systemd1/unit',arg0='{SYSTEMD}.Unit'",
    f"type='signal',sender='{MACHINED}',interface='{MACHINED}.Manager'",
)

Hint = Callable[[str], None]
"""Called with the name of the unit or the machine that something happened to; "" for all."""


Connected = Callable[[Line | None], None]
"""Called with each new connection, and with None when it is lost."""


def _ignore(line: Line | None) -> None:
    """Hear, and ask nothing."""


async def listen(
    hint: Hint,
    tell: Callable[[Hearing], None],
    *,
    connected: Connected = _ignore,
    address: str | None = None,
) -> None:
    """Listen until cancelled, over as many connections as it takes.

    Args:
        hint: Called for each signal, and with "" whenever signals may have been missed.
        tell: Called whenever the state of hearing changes.
        connected: Told where questions can be asked.
        address: The bus; the system's by default.
    """
    while True:
        bus = MessageBus(address, BusType.SYSTEM, auth_timeout=CALL_SECONDS)
        try:
            await _connect(bus)
            await _subscribe(bus, hint)
            connected(BusLine(bus))
            tell(Signals())
            hint("")
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            tell(Polling("the connection to D-Bus was lost"))
        except (TimeoutError, OSError, EOFError, AuthError, RefusedError) as error:
            tell(Polling(f"D-Bus cannot be used: {error or type(error).__name__}"))
        finally:
            connected(None)
            await _leave(bus)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _connect(bus: MessageBus) -> None:
    """Connect, to the end even if this is cancelled.

    Cancelled while it connects, the library closes a socket that the loop still watches. uvloop
    ends the whole program over that.
    """
    connecting = asyncio.create_task(bus.connect())
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait([connecting], timeout=CALL_SECONDS)
        if connecting.done() and not connecting.cancelled():
            connecting.exception()
        raise


async def _leave(bus: MessageBus) -> None:
    """Disconnect, and wait until the loop no longer watches the socket."""
    if bus.connected:
        bus.disconnect()
        with suppress(OSError, EOFError):
            async with asyncio.timeout(CALL_SECONDS):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _subscribe(bus: MessageBus, hint: Hint) -> None:
    async with asyncio.timeout(CALL_SECONDS):
        bus.add_message_handler(lambda message: _hear(message, hint))
        for rule in _RULES:
            await call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", rule)
        # systemd sends no signals about units unless someone has asked for them.
        path = "/org/freedesktop/systemd1"
        await call(bus, SYSTEMD, path, "Subscribe", interface=f"{SYSTEMD}.Manager")


def _hear(message: Message, hint: Hint) -> None:
    for name in names(message.path or "", message.member or "", message.body):
        hint(name)


def names(path: str, member: str, body: list[object]) -> Iterator[str]:
    """Yield the unit or machine that a signal is about."""
    if member == "PropertiesChanged" and path.startswith(UNIT_PATH):
        yield unescape(path.removeprefix(UNIT_PATH))
    elif member in {"MachineNew", "MachineRemoved"} and body:
        yield str(body[0])
