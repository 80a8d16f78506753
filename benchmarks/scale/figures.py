"""The figures of one hive, and their targets."""

from __future__ import annotations

from attrs import define

SOCKET_TARGET, START_TARGET, STOP_TARGET, STATUS_TARGET = 1.0, 1.2, 5.0, 10.0
"""Targets: seconds, times the agents' own part, seconds, milliseconds."""


@define
class Figures:
    """What was measured of one hive.

    Attributes:
        agents: Number of its agents.
        socket: Seconds until host.sock answered.
        socket_part: Seconds of the daemon's processor time until then.
        connected: Seconds until all agents were connected.
        part: Seconds of the agents' own processor time, divided by the processors.
        daemon: Seconds of the daemon's processor time until then.
        others: Seconds of that of all other programs, divided by the processors.
        status: Milliseconds of the daemon's processor time for one status of all agents.
        status_taken: Milliseconds until a client has that status.
        most_starting: Most agents that were seen between their start and their connection.
        stop: Seconds of a stop of all agents.
        start: Seconds from a start of all agents until all were connected.
        end: Seconds from SIGTERM to the end of the daemon, all agents running.
    """

    agents: int
    socket: float = 0.0
    socket_part: float = 0.0
    connected: float = 0.0
    part: float = 0.0
    daemon: float = 0.0
    others: float = 0.0
    status: float = 0.0
    status_taken: float = 0.0
    most_starting: int = 0
    stop: float = 0.0
    start: float = 0.0
    end: float = 0.0

    def lines(self) -> list[str]:
        """Return the figures as lines."""
        ratio = self.connected / (self.part + self.others)
        return [
            f"{self.agents} agents",
            f"  host.sock answers       {self.socket:7.2f} s   {self.socket_part:.2f} s of it "
            f"computing   {_met(self.socket, SOCKET_TARGET)}",
            f"  all connected           {self.connected:7.2f} s   {ratio:.2f} of their own "
            f"{self.part:.2f} s and of others' {self.others:.2f} s   {_met(ratio, START_TARGET)}",
            f"  starting at once, most  {self.most_starting:7d}",
            f"  the daemon until then   {self.daemon:7.2f} s of processor time",
            f"  agent_status            {self.status:7.2f} ms on the loop, "
            f"{self.status_taken:.2f} ms at the client   {_met(self.status, STATUS_TARGET)}",
            f"  stop of all             {self.stop:7.2f} s   {_met(self.stop, STOP_TARGET)}",
            f"  start of all            {self.start:7.2f} s",
            f"  SIGTERM of the daemon   {self.end:7.2f} s   {_met(self.end, STOP_TARGET)}",
        ]


def _met(found: float, target: float) -> str:
    return f"{'met' if found <= target else 'MISSED'} (target {target:g})"
