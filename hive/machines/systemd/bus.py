"""Hearing what happens to containers: signals of systemd and machined over D-Bus.

A signal is only a hint to look; what is true is read afterwards. So nothing is lost when the bus
is lost: it is connected again and everything is looked at once; until then, in turns.
Needs the extra `[systemd]` (dbus-fast).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from dbus_fast import AuthError, BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from hive.machines.systemd.hearing import Hearing, Polling, Signals

RECONNECT_SECONDS = 1.0
"""How long to wait before the bus is tried again."""

CALL_SECONDS = 10.0
"""How long the bus, systemd or machined may take to answer."""

_SYSTEMD = "org.freedesktop.systemd1"
_MACHINED = "org.freedesktop.machine1"
_UNIT_PATH = "/org/freedesktop/systemd1/unit/"

_RULES = (
    "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
    f"path_namespace='/org/freedesktop/systemd1/unit',arg0='{_SYSTEMD}.Unit'",
    f"type='signal',sender='{_MACHINED}',interface='{_MACHINED}.Manager'",
)

Hint = Callable[[str], None]
"""Called with the name of the unit or the machine that something happened to; "" for all."""


async def listen(
    hint: Hint, tell: Callable[[Hearing], None], *, address: str | None = None
) -> None:
    """Listen until cancelled, over as many connections as it takes.

    Args:
        hint: Called for each signal, and with "" whenever signals may have been missed.
        tell: Called whenever the state of hearing changes.
        address: The bus; the system's by default.
    """
    while True:
        bus = MessageBus(address, BusType.SYSTEM, auth_timeout=CALL_SECONDS)
        try:
            await _connect(bus)
            await _subscribe(bus, hint)
            tell(Signals())
            hint("")
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            tell(Polling("the connection to D-Bus was lost"))
        except (TimeoutError, OSError, EOFError, AuthError, _RefusedError) as error:
            tell(Polling(f"D-Bus cannot be used: {error or type(error).__name__}"))
        finally:
            await _leave(bus)
        await asyncio.sleep(RECONNECT_SECONDS)


class _RefusedError(Exception):
    """The bus or systemd answered with an error."""


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
            await _call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "AddMatch", rule)
        # systemd sends no signals about units unless someone has asked for them.
        path = "/org/freedesktop/systemd1"
        await _call(bus, _SYSTEMD, path, "Subscribe", interface=f"{_SYSTEMD}.Manager")


async def _call(
    bus: MessageBus, peer: str, path: str, member: str, *body: str, interface: str | None = None
) -> None:
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
        raise _RefusedError(f"{member}: {reply.body if reply else 'no answer'}")


def _hear(message: Message, hint: Hint) -> None:
    for name in names(message.path or "", message.member or "", message.body):
        hint(name)


def names(path: str, member: str, body: list[object]) -> Iterator[str]:
    """Yield the unit or machine that a signal is about."""
    if member == "PropertiesChanged" and path.startswith(_UNIT_PATH):
        yield unescape(path.removeprefix(_UNIT_PATH))
    elif member in {"MachineNew", "MachineRemoved"} and body:
        yield str(body[0])


def unescape(label: str) -> str:
    """Return the unit name that is part of an object path; see sd_bus_path_encode(3)."""
    plain, *escaped = label.split("_")
    return plain + "".join(chr(int(part[:2], 16)) + part[2:] for part in escaped)
