"""How the runtime learns of state changes, and the interface to ask for states over D-Bus."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from hive.machines.systemd.unit_state import UnitState


@frozen
class DBusSignals:
    """Signals of systemd and machined over D-Bus."""

    def __str__(self) -> str:
        return "hears systemd's signals over D-Bus"


@frozen
class Polling:
    """No D-Bus signals; unit state is polled.

    Attributes:
        why: Reason for the absence of signals.
    """

    why: str

    def __str__(self) -> str:
        return f"polls systemd: {self.why}"


EventSource = DBusSignals | Polling
"""The two sources of state changes."""


class NoAnswerError(Exception):
    """D-Bus gave no answer: ask by running a program."""


class StateQueries(Protocol):
    """State queries over the connection on which signals arrive.

    An answer takes about a millisecond, a tenth of the time that a program takes to start. It is
    never older than a signal that arrived before the query.
    """

    async def unit_state(self, name: str) -> UnitState:
        """Return the state of a unit, which need not exist.

        Raises:
            NoAnswerError: There was no answer, or an error.
            FailedError: The answer is not a unit state.
        """
        ...

    async def leader(self, machine: str) -> int | None:
        """Return the first process of a machine; None if machined has none of that name.

        Raises:
            NoAnswerError: There was no answer, or an error.
        """
        ...
