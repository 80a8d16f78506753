"""How a runtime learns what happens to its containers."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from hive.machines.systemd.views import Unit


@frozen
class Signals:
    """systemd and machined tell, over D-Bus."""

    def __str__(self) -> str:
        return "hears systemd's signals over D-Bus"


@frozen
class Polling:
    """Nobody tells, so it is looked at again and again.

    Attributes:
        why: What is in the way of hearing.
    """

    why: str

    def __str__(self) -> str:
        return f"polls systemd: {self.why}"


Hearing = Signals | Polling
"""The two ways."""


class NoAnswerError(Exception):
    """Nobody answered on the line: the same question has to be asked in another way."""


class Line(Protocol):
    """The connection on which signals are heard, for questions, too.

    An answer takes about a millisecond, which starting a program for it takes ten times over. It
    is never older than a signal that was heard before the question.
    """

    async def unit(self, name: str) -> Unit:
        """Return the state of a unit, which need not exist.

        Raises:
            NoAnswerError: There was no answer, or a refusal.
            FailedError: The answer was no state of a unit.
        """
        ...

    async def leader(self, container: str) -> int | None:
        """Return the first process of a machine; None if machined knows none of that name.

        Raises:
            NoAnswerError: There was no answer, or a refusal.
        """
        ...
