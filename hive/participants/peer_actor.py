"""A peer: a participant whose container is none of our business.

This class has no method, and is given no object, that could act on a container. That is the whole
enforcement of "never a supervisor of a peer".
"""

from __future__ import annotations

from typing import Never

from hive.participants.actor import ParticipantActor


class PeerActor(ParticipantActor[Never]):
    """Keeps a peer's inbox and door; takes no messages of its own."""

    def receive(self, message: Never) -> None:
        """Nothing is ever sent to a peer's actor."""
