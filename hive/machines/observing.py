"""Looking at what is not ours: the state of a peer's container, and no way to change it.

Whoever watches peers is given an `Observer` and nothing else. It has two methods, and neither acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen

Hint = Callable[[str], None]
"""Called with the name of a unit or machine that something happened to; "" for all."""


@frozen
class Sight:
    """What somebody else's service manager says about a container.

    Attributes:
        unit: The unit that it is.
        state: What that unit does, in the manager's words, for instance "active (running)".
        since: Wall time in seconds of its last change; None if it has never changed.
        restarts: How often its own manager has restarted it.
        source: Who says so.
    """

    unit: str
    state: str
    since: float | None = field(eq=False)  # reckoned anew with each look
    restarts: int | None
    source: str = "systemd"

    def __str__(self) -> str:
        return f"{self.unit} is {self.state}"


class Observer(Protocol):
    """Sees, and cannot touch."""

    async def look(self, subject: str) -> Sight:
        """Return the state of a unit, or of the container of a machine's name.

        Raises:
            FailedError: Nobody can say.
        """
        ...

    async def listen(self, hint: Hint) -> None:
        """Call `hint` whenever there is a reason to look again, until cancelled."""
        ...


def units_of(subject: str) -> tuple[str, ...]:
    """Return the units that a subject may mean, the likeliest first.

    A name with a suffix is a unit; a bare one is a machine, which is one of two services.
    """
    if subject.endswith((".service", ".scope")):
        return (subject,)
    return (f"container@{subject}.service", f"systemd-nspawn@{subject}.service")
