"""Names of participants, groups, queues and drivers: syntax, reserved names, suggestions.

A name is also the key of an inbox and the name of a directory, so these checks protect the file
system from requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from hive.errors import BadRequestError, UnknownNameError
from hive.quantities import counted

MANAGER = "hm1nd"
"""The manager agent, and also the name of its container."""

OPERATOR = "operator"
"""The inbox of the operator."""

SYSTEM = "system"
"""Sender of JSON events from the daemon; has no inbox."""

REMINDER = "reminder"
"""Sender of reminders; has no inbox."""

WITHOUT_INBOX = frozenset({SYSTEM, REMINDER})
"""Senders that have no inbox."""

MANAGER_ALIAS = "manager"
"""Alias of the manager for senders."""

EVERYONE = "*"
"""Recipient of a broadcast."""

GROUP_PREFIX = "@"
"""`@name` is every member of a group."""

QUEUE_PREFIX = "queue:"
"""`queue:name` is a queue that several participants share; each message goes to one."""

RESERVED = frozenset({OPERATOR, SYSTEM, REMINDER, MANAGER_ALIAS, "self"})

ADMIN_GROUP = "hive-admin"
"""Members of this group of the host may use host.sock."""

CONTAINER_PREFIX = "h-"
MAX_AGENT_NAME = 9
"""Characters; `nixos-container` allows 11, two of which are the prefix."""
MAX_PEER_NAME = 32

GROUP = "hyperhive.drivers"
"""Entry point group of the drivers of `hive-ag3nt serve`."""

BUILT_IN = "command"
"""Name of the driver that is always available."""

CLAUDE_DRIVER = "claude"
"""Name of the driver that `[agents.NAME.claude]` configures."""

_SHAPE = re.compile(r"[a-z][a-z0-9-]*")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*")


def check_agent_name(name: str) -> str:
    """Return the name of an agent if it is valid.

    Raises:
        BadRequestError: The name breaks a rule; the sentence says which.
    """
    if name == MANAGER:
        return name
    return _check(name, "an agent", MAX_AGENT_NAME, "so that its container is h-<name>")


def check_peer_name(name: str) -> str:
    """Return the name of a peer if it is valid.

    Raises:
        BadRequestError: The name breaks a rule; the sentence says which.
    """
    if name == MANAGER:
        raise BadRequestError(f"the name {MANAGER!r} belongs to the manager agent")
    return _check(name, "a peer", MAX_PEER_NAME, "since it names a directory")


def check_group_name(name: str) -> str:
    """Return the name of a group or a queue, without its prefix, if it is valid.

    Raises:
        BadRequestError: The name breaks a rule; the sentence says which.
    """
    if not _SHAPE.fullmatch(name) or len(name) > MAX_PEER_NAME:
        raise BadRequestError(
            f"{name!r} is no name for a group or a queue: use a to z, 0 to 9 and '-', beginning "
            f"with a letter, at most {MAX_PEER_NAME} characters"
        )
    return name


def check_unit_name(name: str) -> str:
    """Return the name of a systemd unit or a machine if it is valid.

    Raises:
        BadRequestError: It is not, for instance because of a wildcard of systemctl(1).
    """
    if not _UNIT.fullmatch(name):
        raise BadRequestError(
            f"{name!r} is no unit such as 'container@damocles.service', and no machine's name"
        )
    return name


def container_name(agent: str) -> str:
    """Return the name of the container of an agent: `h-alice`, or `hm1nd` for the manager."""
    return MANAGER if agent == MANAGER else CONTAINER_PREFIX + agent


def inbox_key(name: str) -> str:
    """Return the inbox of a name; the alias of the manager is resolved."""
    return MANAGER if name == MANAGER_ALIAS else name


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that suggests the most similar known word, or nothing.

    Case is ignored.
    """
    import difflib  # slow to import, and only a wrong name needs it

    words = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(wrong.casefold(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[near[0]]!r}?" if near else ""


def unknown_participant(name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error of a name that no participant has: the same sentence everywhere.

    Args:
        name: The name that was given.
        known: The names that it may have been meant for; the nearest one is suggested.
    """
    return UnknownNameError(f"there is no participant {name!r}{suggest(name, known)}")


@cache
def driver_names() -> tuple[str, ...]:
    """Return the valid values of `driver`, sorted; reads the disk once per process."""
    from importlib.metadata import entry_points  # slow to import, and most commands do not need it

    return tuple(sorted({BUILT_IN, *entry_points(group=GROUP).names}))


def _check(name: str, kind: str, longest: int, why: str) -> str:
    if name in RESERVED:
        raise BadRequestError(f"the name {name!r} is reserved; choose another name for {kind}")
    if not _SHAPE.fullmatch(name):
        raise BadRequestError(
            f"{name!r} is no name for an agent or peer: use a to z, 0 to 9 and '-', a letter first"
        )
    if len(name) > longest:
        raise BadRequestError(
            f"{name!r} has {counted(len(name), 'character')}; {kind} name has at most {longest}, "
            f"{why}"
        )
    return name
