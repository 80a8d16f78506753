"""Counts of events by kind, and of restarts by agent and cause, since the daemon started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hive.wire.enums import EventKind
from hive.wire.rows import EventRow

EXIT_STATUS, SIGNAL, OUT_OF_MEMORY, UNKNOWN = "exit_status", "signal", "out_of_memory", "unknown"
REBOOT, EXTERNAL = "reboot", "external"

CAUSES = (EXIT_STATUS, SIGNAL, OUT_OF_MEMORY, UNKNOWN, REBOOT, EXTERNAL)
"""Causes of restarts: those of exits, a reboot from inside, and a restart by another program."""

_AT_ONCE = {EventKind.REBOOTED: REBOOT, EventKind.EXTERNAL_RESTART: EXTERNAL}
"""Events that are restarts themselves."""

_LEAVING = frozenset({EventKind.DESTROYED, EventKind.PEER_UNREGISTERED, EventKind.RELEASED})
"""Events after which an agent of that name is another one."""


class EventCounts:
    """Counts the events that `count` is given, in their order.

    Attributes:
        events: Number of events by kind.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self._restarts: dict[str, Counter[str]] = {}
        self._last_exit: dict[str, str] = {}

    def restarts(self) -> Iterator[tuple[str, str, int]]:
        """Yield agent, cause and number of its restarts."""
        for name, causes in self._restarts.items():
            yield from ((name, cause, count) for cause, count in causes.items())

    def count(self, row: EventRow) -> None:
        """Count an event."""
        self.events[row.event] += 1
        if row.name is None:
            return
        kind = EventKind(row.event)
        if kind in {EventKind.ENDED, EventKind.STOPPED}:
            self._last_exit[row.name] = cause_of(row.detail)
        elif kind is EventKind.RESTARTING:
            self._add(row.name, self._last_exit.get(row.name, UNKNOWN))
        elif kind in _AT_ONCE:
            self._add(row.name, _AT_ONCE[kind])
        elif kind in _LEAVING:
            self._forget(row.name)
        elif kind is EventKind.RENAMED:
            self._forget(str(row.detail.get("before")))

    def _add(self, name: str, cause: str) -> None:
        self._restarts.setdefault(name, Counter())[cause] += 1

    def _forget(self, name: str) -> None:
        self._restarts.pop(name, None)
        self._last_exit.pop(name, None)


def cause_of(detail: Mapping[str, Any]) -> str:
    """Return the cause of an exit from the fields of its event; see `hive.exits.facts`."""
    if detail.get("oom"):
        return OUT_OF_MEMORY
    if "signal" in detail:
        return SIGNAL
    return EXIT_STATUS if "exit_status" in detail else UNKNOWN
