"""A restart of an agent's container that another program has requested, and who that may be."""

from __future__ import annotations

from attrs import frozen

from hive.machines.runtime import Running
from hive.restarters import Restarter


@frozen
class ExternalRestart:
    """A restart of a watched container that this runtime did not request.

    Attributes:
        name: Name of the agent.
        unit: The container's unit.
        before: The run that is over; its end is not reported.
        now: The run that is watched in its place.
        by: What restarts it by itself, as far as it is configured in systemd.
    """

    name: str
    unit: str
    before: Running
    now: Running
    by: tuple[Restarter, ...] = ()

    @property
    def reason(self) -> str:
        """Who restarted it, or how to find out, as a sentence."""
        if self.by:
            return f"systemd restarted it: {'; '.join(map(str, self.by))}"
        return f"another program restarted it; 'journalctl -u {self.unit}' shows which"

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
