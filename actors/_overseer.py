"""What the runtime tells a supervisor about the actors it supervises."""

from abc import abstractmethod
from typing import Any, TypeVar

from attrs import frozen

from actors._actor import Actor
from actors._child import ChildInfo
from actors._exits import ExitReason
from actors._ref import Ref

M = TypeVar("M")


@frozen
class ChildReady:
    """A supervised child finished its start."""

    ref: Ref[Any]
    incarnation: int


@frozen
class ChildEnded:
    """An incarnation of a supervised child ended."""

    ref: Ref[Any]
    incarnation: int
    reason: ExitReason


class Overseer(Actor[M]):
    """An actor that decides over the starts of others.

    It handles messages while its own start is under way, and says itself when it is done
    (compare systemd's `Type=notify`). Its own stop has no deadline: that of each child
    bounds it.
    """

    @abstractmethod
    def child_ready(self, event: ChildReady) -> None:
        """A child is up."""

    @abstractmethod
    def child_ended(self, event: ChildEnded) -> None:
        """A child ended."""

    @abstractmethod
    def child_infos(self) -> tuple[ChildInfo, ...]:
        """Describe all children, in start order."""
