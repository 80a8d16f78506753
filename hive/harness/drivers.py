"""What a driver is: it works on one message and says how that went."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import frozen

from hive.client.api import Delivery


@frozen
class SavedText:
    """An answer that is too long for a message, and where it is."""

    path: Path
    size: int


@frozen
class Done:
    """The work is done. The answer goes to the sender; None is no answer."""

    answer: str | SavedText | None = None


@frozen
class Failed:
    """The work was tried and failed; the message is delivered again while it has attempts left."""

    reason: str


@frozen
class Deferred:
    """The work cannot be done now; trying it later burns no attempt."""

    reason: str


@frozen
class Rejected:
    """The message will never be worked on: it goes to the dead letters."""

    reason: str


Outcome = Done | Failed | Deferred | Rejected
"""The closed set of ways in which a turn ends."""


class Driver(Protocol):
    """Works on messages. One driver may be asked to work on several at once."""

    async def handle(self, message: Delivery) -> Outcome:
        """Work on one message.

        Cancelling means that the agent must end now: stop the work, leave nothing running. What it
        raises otherwise is a bug, and counts as `Failed`.
        """
        ...


@frozen
class DriverSetup:
    """What a driver is made of.

    Attributes:
        arguments: What stands behind `--` on the command line.
        time_limit: Seconds for one message, or for one turn.
        state: Directory for what must last.
        settings: What the agent's manifest tells the driver, as JSON.
    """

    arguments: tuple[str, ...]
    time_limit: float
    state: Path
    settings: str | None = None
