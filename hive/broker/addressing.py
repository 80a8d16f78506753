"""Whom a message is for: special names, broadcasts, and a helpful no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hive.broker.inboxes import Inbox
from hive.clock import rfc3339
from hive.errors import UnknownNameError
from hive.names import (
    EVERYONE,
    GROUP_PREFIX,
    MANAGER,
    MANAGER_ALIAS,
    OPERATOR,
    WITHOUT_INBOX,
    inbox_key,
    suggest,
)
from hive.store import Kind
from hive.wire.rows import SkippedRow

Inboxes = Mapping[str, Inbox]
Groups = Mapping[str, frozenset[str]]

_NO_GROUPS: Groups = {}


def recipients(
    to: str,
    sender: str,
    inboxes: Inboxes,
    groups: Groups = _NO_GROUPS,
    *,
    unseen_since: float = float("-inf"),
) -> tuple[list[str], list[SkippedRow]]:
    """Return the names of the inboxes that a message goes to, and those it passes over.

    Args:
        to: What the sender wrote.
        sender: Who it is.
        inboxes: All that there are, by name.
        groups: Members of each group.
        unseen_since: Wall time; a broadcast passes over who was not seen after it.

    Raises:
        UnknownNameError: When there is none, with the nearest name that there is.
    """
    if to == EVERYONE:
        return _everyone(sender, inboxes, unseen_since)
    if to.startswith(GROUP_PREFIX):
        return _members(to, sender, inboxes, groups)
    return [one(to, inboxes)], []


def is_one(to: str) -> bool:
    """Whether a message is for one inbox, and not for all or a group."""
    return to != EVERYONE and not to.startswith(GROUP_PREFIX)


def _everyone(
    sender: str, inboxes: Inboxes, unseen_since: float
) -> tuple[list[str], list[SkippedRow]]:
    found: list[str] = []
    skipped: list[SkippedRow] = []
    for inbox in sorted(inboxes.values(), key=lambda each: each.name):
        if inbox.name == sender or not _hears_broadcasts(inbox):
            continue
        absence = _absence(inbox, unseen_since)
        if absence is None:
            found.append(inbox.name)
        else:
            skipped.append(_skipped(inbox.name, absence))
    if not found:
        told = "".join(f"; {each.name!r} {each.reason}" for each in skipped)
        raise UnknownNameError(f"nothing was stored: nobody else is here to hear a broadcast{told}")
    return found, skipped


def _members(
    to: str, sender: str, inboxes: Inboxes, groups: Groups
) -> tuple[list[str], list[SkippedRow]]:
    name = to.removeprefix(GROUP_PREFIX)
    if name not in groups:
        raise UnknownNameError(
            f"nothing was stored: there is no group {to!r}{suggest(name, groups)}"
        )
    others = sorted(groups[name] - {sender})
    here = [each for each in others if each in inboxes and inboxes[each].kind is not None]
    if not here:
        raise UnknownNameError(f"nothing was stored: nobody else of the group {to!r} is here")
    skipped = [_skipped(each, "does not take part") for each in others if each not in here]
    return here, skipped


def _absence(inbox: Inbox, unseen_since: float) -> str | None:
    """Return why a participant would not hear a broadcast, None if it would."""
    if inbox.sessions:
        return None
    if inbox.last_seen is None:
        return "was never connected and is stopped" if inbox.idle else None
    if inbox.last_seen < unseen_since:
        return f"was last seen at {rfc3339(inbox.last_seen)}"
    return None


def one(to: str, inboxes: Inboxes) -> str:
    """Return the name of the one inbox that `to` means.

    Raises:
        UnknownNameError: When there is none, with the nearest name that there is.
    """
    if to in WITHOUT_INBOX:
        raise UnknownNameError(f"nothing was stored: {to!r} only sends, it has no inbox")
    name = inbox_key(to)
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


def _hears_broadcasts(inbox: Inbox) -> bool:
    if inbox.kind is Kind.PEER:
        return inbox.broadcast
    return inbox.kind in {Kind.AGENT, Kind.MANAGER}


def _skipped(name: str, why: str) -> SkippedRow:
    return SkippedRow(name=name, reason=why)
