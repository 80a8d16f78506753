"""How a runtime learns what happens to its containers."""

from __future__ import annotations

from attrs import frozen


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
