"""The protocol of supervisors: requests, messages of the runtime, and the typed handle."""

import asyncio
from abc import abstractmethod
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from actors._actor import Actor
from actors._exits import ExitReason
from actors._inspect import ChildInfo
from actors._messages import Request
from actors._ref import Ref
from actors._specs import ChildSpec

M = TypeVar("M")


@frozen
class StartChild(Request[Ref[Any]]):
    """Add a child and start it."""

    spec: ChildSpec[Any]
    wait: bool


@frozen
class TerminateChild(Request[None]):
    """Stop a child and keep it stopped."""

    id: str


@frozen
class RestartChild(Request[Ref[Any]]):
    """Start a stopped child."""

    id: str


@frozen
class ReviveChild(Request[Ref[Any]]):
    """Start a parked child."""

    id: str


@frozen
class ReplaceChild(Request[Ref[Any]]):
    """Give a child a new spec."""

    spec: ChildSpec[Any]


@frozen
class DeleteChild(Request[None]):
    """Delete a child."""

    id: str


@frozen
class WhichChildren(Request[tuple[ChildInfo, ...]]):
    """Describe the children."""


@frozen
class WhichChild(Request[ChildInfo]):
    """Describe one child."""

    id: str


@frozen
class Alarm:
    """The message of the supervisor's timer."""


SupervisorMessage: TypeAlias = (
    StartChild
    | TerminateChild
    | RestartChild
    | ReviveChild
    | ReplaceChild
    | DeleteChild
    | WhichChildren
    | WhichChild
    | Alarm
)
"""The messages that a supervisor receives."""


@frozen
class SupervisorRef:
    """The typed handle to a supervisor.

    Every method sends one request and returns the future of its answer. Requests that start
    or stop a child have no timeout: the child's deadlines bound them. If the supervisor ends
    first, they fail with `ActorDied`.

    Attributes:
        ref: The ref of the supervisor.
    """

    ref: Ref[Any]

    def start_child(self, spec: ChildSpec[M], *, wait: bool = True) -> asyncio.Future[Ref[M]]:
        """Add a child at the end and start it.

        Args:
            spec: The child.
            wait: Whether to answer only when it is up. A child whose first start fails is
                then deleted. Otherwise the answer comes at once, and a failing first start
                is treated as a failing restart: counted, delayed and tried again.

        Raises:
            ChildExists: Its id is taken.
            StartError: It did not start, or was terminated meanwhile.
            ValueError: It does not fit the supervisor's `auto_shutdown`.
        """
        return self.ref.ask(StartChild(spec, wait), timeout=None)

    def terminate_child(self, child_id: str) -> asyncio.Future[None]:
        """Stop a child and keep its spec; answered when it is down.

        It takes precedence: a start or restart under way is cancelled, a delay ends, and no
        automatic restart follows. A temporary child is deleted.

        Raises:
            NoSuchChild: There is no such child.
        """
        return self.ref.ask(TerminateChild(child_id), timeout=None)

    def restart_child(self, child_id: str) -> asyncio.Future[Ref[Any]]:
        """Start a stopped child; answered when it is up.

        Raises:
            NoSuchChild: There is no such child.
            ChildRunning: It is not stopped.
            ChildIsParked: It is parked; revive it.
            StartError: It did not start; its restart rules apply from now on.
        """
        return self.ref.ask(RestartChild(child_id), timeout=None)

    def revive_child(self, child_id: str) -> asyncio.Future[Ref[Any]]:
        """Start a parked child with a full budget; answered when it is up.

        Raises:
            NoSuchChild: There is no such child.
            ChildNotParked: It is not parked.
            StartError: It did not start; its restart rules apply from now on.
        """
        return self.ref.ask(ReviveChild(child_id), timeout=None)

    def delete_child(self, child_id: str) -> asyncio.Future[None]:
        """Delete a child that is stopped or parked.

        Raises:
            NoSuchChild: There is no such child.
            ChildRunning: It is neither stopped nor parked.
        """
        return self.ref.ask(DeleteChild(child_id), timeout=None)

    def replace_child(self, spec: ChildSpec[M]) -> asyncio.Future[Ref[M]]:
        """Give the child of this id a new spec; its place, ref and mailbox stay.

        A child that runs or waits to be restarted is restarted, and the answer comes when it
        is up. A stopped or parked child stays down, and the answer comes at once.

        Raises:
            NoSuchChild: There is no such child.
            StartError: It did not start; its restart rules apply from now on.
            ValueError: It does not fit the supervisor's `auto_shutdown`.
        """
        return self.ref.ask(ReplaceChild(spec), timeout=None)

    def children(self) -> asyncio.Future[tuple[ChildInfo, ...]]:
        """Describe all children, in start order."""
        return self.ref.ask(WhichChildren())

    def child(self, child_id: str) -> asyncio.Future[ChildInfo]:
        """Describe one child.

        Raises:
            NoSuchChild: There is no such child.
        """
        return self.ref.ask(WhichChild(child_id))


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


class AbstractSupervisor(Actor[M]):
    """An actor that starts and stops other actors.

    It handles messages during its own start, and reports itself when it is up (compare
    systemd's `Type=notify`). Its stop has no deadline: the deadlines of its children bound it.
    """

    @abstractmethod
    def child_ready(self, event: ChildReady) -> None:
        """Handle that a child is up."""

    @abstractmethod
    def child_ended(self, event: ChildEnded) -> None:
        """Handle the end of a child."""

    @abstractmethod
    def child_infos(self) -> tuple[ChildInfo, ...]:
        """Describe all children, in start order."""
