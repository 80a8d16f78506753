"""Asking systemd and machined over D-Bus. Needs the extra `[systemd]` (dbus-fast)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from hive.machines.systemd import views
from hive.machines.systemd.hearing import NoAnswerError
from hive.machines.systemd.views import UNIT_PROPERTIES, Unit

SYSTEMD = "org.freedesktop.systemd1"
MACHINED = "org.freedesktop.machine1"

UNIT_PATH = "/org/freedesktop/systemd1/unit/"
"""Where systemd has its units; it loads one that is asked for by its path."""

MACHINE_PATH = "/org/freedesktop/machine1/machine/"
"""Where machined has those that are registered."""

PATIENCE_SECONDS = 2.0
"""How long an answer may take before the question is asked in another way."""

_MACHINE_PROPERTIES = ("Leader", "State")
_NO_SUCH = ("org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.machine1.NoSuchMachine")


class RefusedError(Exception):
    """The other side answered with an error, or its connection ended.

    Attributes:
        name: The name of the error; "" without an answer.
    """

    def __init__(self, member: str, name: str, words: object) -> None:
        super().__init__(f"{member}: {words}")
        self.name = name


async def call(
    bus: MessageBus, peer: str, path: str, member: str, *body: str, interface: str | None = None
) -> list[Any]:
    """Call a method whose arguments are words, and return what it returns.

    Raises:
        RefusedError: It answered with an error, or not at all.
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
        raise RefusedError(member, name, reply.body if reply else "no answer")
    return list(reply.body)


@frozen
class BusLine:
    """A connection to the bus, for questions; see `hearing.Line`."""

    bus: MessageBus

    async def unit(self, name: str) -> Unit:
        """Return the state of a unit, which need not exist.

        Raises:
            NoAnswerError: There was no answer, or a refusal.
            FailedError: The answer was no state of a unit.
        """
        try:
            shown = await self._properties(SYSTEMD, UNIT_PATH + escape(name))
        except RefusedError as error:
            raise NoAnswerError(str(error)) from error
        return views.unit(_words(shown, UNIT_PROPERTIES))

    async def leader(self, container: str) -> int | None:
        """Return the first process of a machine; None if machined knows none of that name.

        Raises:
            NoAnswerError: There was no answer, or a refusal.
        """
        try:
            shown = await self._properties(MACHINED, MACHINE_PATH + escape(container))
        except RefusedError as error:
            if error.name in _NO_SUCH:
                return None
            raise NoAnswerError(str(error)) from error
        return views.leader(_words(shown, _MACHINE_PROPERTIES))

    async def _properties(self, peer: str, path: str) -> Mapping[str, Variant]:
        # All of them in one answer: what is told of one moment belongs together.
        properties = "org.freedesktop.DBus.Properties"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                [shown] = await call(self.bus, peer, path, "GetAll", "", interface=properties)
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error
        if not isinstance(shown, Mapping):
            raise NoAnswerError(f"{peer} answered with {shown!r}")
        return shown


def escape(name: str) -> str:
    """Return a name as a part of an object path; see sd_bus_path_encode(3)."""
    return "".join(
        char if char.isascii() and (char.isalpha() or (char.isdigit() and at > 0)) else f"_{byte}"
        for at, char in enumerate(name)
        for byte in [char.encode().hex()]
    )


def unescape(label: str) -> str:
    """Return the name that is a part of an object path."""
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
