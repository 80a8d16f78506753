"""Whom a message is for: special names, broadcasts, and a helpful no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hive.broker.inbox import Inbox
from hive.errors import UnknownNameError
from hive.names import EVERYONE, MANAGER, MANAGER_ALIAS, OPERATOR, REMINDER, SYSTEM, suggest
from hive.store import Kind

Inboxes = Mapping[str, Inbox[Any]]


def recipients(to: str, sender: str, inboxes: Inboxes) -> list[str]:
    """Return the names of the inboxes that a message goes to.

    Raises:
        UnknownNameError: When there is none, with the nearest name that there is.
    """
    if to != EVERYONE:
        return [one(to, inboxes)]
    found = [
        inbox.name
        for inbox in inboxes.values()
        if inbox.name != sender and _hears_broadcasts(inbox)
    ]
    if not found:
        raise UnknownNameError("nothing was stored: nobody else is here to hear a broadcast")
    return sorted(found)


def one(to: str, inboxes: Inboxes) -> str:
    """Return the name of the one inbox that `to` means.

    Raises:
        UnknownNameError: When there is none, with the nearest name that there is.
    """
    if to in {SYSTEM, REMINDER}:
        raise UnknownNameError(f"nothing was stored: {to!r} only sends, it has no inbox")
    name = MANAGER if to == MANAGER_ALIAS else to
    inbox = inboxes.get(name)
    if inbox is not None and inbox.kind is not None:
        return name
    if name == MANAGER:
        raise UnknownNameError("nothing was stored: this hive has no manager")
    raise UnknownNameError(
        f"nothing was stored: no participant is named {to!r}{suggest(to, _known(inboxes))}"
    )


def _known(inboxes: Inboxes) -> Iterable[str]:
    names = {inbox.name for inbox in inboxes.values() if inbox.kind is not None}
    return sorted(names | {OPERATOR} | ({MANAGER_ALIAS} if MANAGER in names else set()))


def _hears_broadcasts(inbox: Inbox[Any]) -> bool:
    if inbox.kind is Kind.PEER:
        return inbox.broadcast
    return inbox.kind in {Kind.AGENT, Kind.MANAGER}
