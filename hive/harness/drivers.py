"""What a driver is: it works on one message and says how that went."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from hive.client.api import Delivery

REASON_MAX = 4000
"""Characters of the longest reason, a little less than the wire takes."""


def reason_text(said: str) -> str:
    """Return why something ended so, as the hive can be told it.

    The words are a driver's, or of whatever it ran. If they could be refused, their message would
    stay leased to a harness that has let go of it.
    """
    text = said.encode(errors="replace").decode()
    return text if len(text) <= REASON_MAX else f"{text[:REASON_MAX]}…"


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

    reason: str = field(converter=reason_text)


@frozen
class Deferred:
    """The work cannot be done now; trying it later burns no attempt."""

    reason: str = field(converter=reason_text)


@frozen
class Rejected:
    """The message will never be worked on: it goes to the dead letters."""

    reason: str = field(converter=reason_text)


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
