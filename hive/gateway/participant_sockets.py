"""Participants' sockets: one door each, opened by the participant's own actor.

The manager has two: its own directory, which is mounted into its container, and manager.sock.
"""

from __future__ import annotations

from collections.abc import Callable

from hive.gateway.connection import Connection
from hive.gateway.listener import Listener
from hive.names import MANAGER
from hive.participants.participant import Participant
from hive.paths import Paths

Connect = Callable[[Participant, str], Connection]
"""Makes the connection of a participant, for a socket's path."""


class GatewaySockets:
    """Opens and closes participants' sockets.

    Args:
        paths: Where they are.
        connect: Makes the connection of who comes in.
    """

    def __init__(self, paths: Paths, connect: Connect) -> None:
        self._paths = paths
        self._connect = connect
        self._open: dict[str, tuple[Listener, ...]] = {}

    async def open(self, participant: Participant) -> None:
        """Listen on the participant's socket; its directory appears if it was missing."""
        await self.close(participant)
        listeners = tuple(self._listeners(participant))
        self._open[participant.name] = listeners
        for listener in listeners:
            await listener.open()

    async def close(self, participant: Participant) -> None:
        """Stop listening and disconnect everyone."""
        for listener in self._open.pop(participant.name, ()):
            await listener.close()

    def _listeners(self, participant: Participant) -> list[Listener]:
        paths = [self._paths.agent_socket(participant.name)]
        if participant.name == MANAGER:
            paths.append(self._paths.manager_socket)
        return [
            Listener(path, lambda path=path: self._connect(participant, str(path)))  # type: ignore[misc]
            for path in paths
        ]
