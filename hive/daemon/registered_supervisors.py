"""The supervisors of agents and of peers, found by their registered names for each use."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from actors import ActorSystem, Ref, SupervisorRef
from hive.errors import UnavailableError

AGENTS, PEERS = "agents", "peers"
"""Registered names of the two supervisors."""


@frozen
class RegisteredSupervisors:
    """Finds the two supervisors of participants by their registered names.

    Attributes:
        system: The actor system.
    """

    system: ActorSystem

    @property
    def agents(self) -> SupervisorRef:
        """The supervisor of the agents."""
        return SupervisorRef(_find(self.system, AGENTS))

    @property
    def peers(self) -> SupervisorRef:
        """The supervisor of the peers."""
        return SupervisorRef(_find(self.system, PEERS))


def _find(system: ActorSystem, name: str) -> Ref[Any]:
    ref = system.whereis(name)
    if ref is None:
        raise UnavailableError("the hive is just starting or stopping; try again")
    return ref
