"""Read-only access to the states of peers' containers.

The peer watch gets only an `Observer`, so it cannot act on peers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen

OnChange = Callable[[str], None]
"""Called with the name of a unit or machine whose state may have changed; "" for all."""


@frozen
class ObservedState:
    """State of a container that the hive does not own, as its service manager reports it.

    Attributes:
        unit: The container's unit.
        state: State in the manager's words, for instance "active (running)".
        since: Wall time in seconds of its last change; None if it has never changed.
        restarts: Number of restarts by its own manager; None if unknown.
        source: Authority for this state.
        control_group: Path of the control group of its processes; None while it has none.
    """

    unit: str
    state: str
    since: float | None = field(eq=False)  # computed from two clocks, it varies between readings
    restarts: int | None
    source: str = "systemd"
    control_group: str | None = None

    def __str__(self) -> str:
        return f"{self.unit} is {self.state}"

    @property
    def is_active(self) -> bool:
        """Whether the unit runs, as systemd means it."""
        return self.state.partition(" ")[0] in {"active", "reloading"}


class Observer(Protocol):
    """Reads states and subscribes to their changes."""

    async def state_of(self, subject: str) -> ObservedState:
        """Return the state of a unit, or of the container of a machine's name.

        Raises:
            FailedError: The service manager gave no answer.
        """
        ...

    async def listen(self, on_change: OnChange) -> None:
        """Call `on_change` for each possible change, until cancelled."""
        ...


def units_of(subject: str) -> tuple[str, ...]:
    """Return the units that a subject may mean, the likeliest first.

    A name with a suffix is a unit; a bare one is a machine, which is one of two services.
    """
    if subject.endswith((".service", ".scope")):
        return (subject,)
    return (f"container@{subject}.service", f"systemd-nspawn@{subject}.service")
