"""What can be seen of actors from outside: pure values, taken at one moment."""

from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import frozen

from actors._child import ChildInfo
from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref


class ActorState(Enum):
    """Where an actor stands."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It is on its way down."""
    WAITING = "waiting"
    """It is down between two incarnations and keeps its mailbox."""
    ENDED = "ended"
    """It is dead; what is sent to it becomes a dead letter."""


class ActorKind(Enum):
    """What an actor is in the tree."""

    SYSTEM = "system"
    SUPERVISOR = "supervisor"
    ACTOR = "actor"


@frozen
class CurrentMessage:
    """A message whose handler awaits right now.

    Attributes:
        message: The message itself.
        age: Seconds since its handler began.
    """

    message: object
    age: float


@frozen
class Inspection:
    """One actor at one moment.

    Attributes:
        path: Where it is in the tree.
        name: The name it is registered under, or None.
        kind: What it is.
        state: Where it stands.
        suspended: Whether user messages are held back.
        incarnation: How often it was started so far.
        restarts: How often it was started again.
        mailbox: The number of user messages that wait.
        handled: The number of user messages it began, over all incarnations.
        current: What its handler awaits for, or None.
        last_exit: How its last incarnation ended, or None.
        links: The paths of those it is linked to.
        monitors: The paths of those it monitors.
        monitored_by: The paths of those that monitor it.
        timers: The number of its running timers.
        tasks: The names of the tasks it owns.
    """

    path: str
    name: str | None
    kind: ActorKind
    state: ActorState
    suspended: bool
    incarnation: int
    restarts: int
    mailbox: int
    handled: int
    current: CurrentMessage | None
    last_exit: ExitReason | None
    links: tuple[str, ...]
    monitors: tuple[str, ...]
    monitored_by: tuple[str, ...]
    timers: int
    tasks: tuple[str, ...]


@frozen
class TreeNode:
    """An actor and those below it, at one moment.

    Attributes:
        path: Where it is in the tree.
        kind: What it is.
        state: Where it stands.
        restarts: How often it was started again.
        mailbox: The number of user messages that wait.
        current: What its handler awaits for, or None.
        last_exit: How its last incarnation ended, or None.
        child: What its supervisor knows of it; None if it has no supervisor.
        children: Those it owns, in start order.
    """

    path: str
    kind: ActorKind
    state: ActorState
    restarts: int
    mailbox: int
    current: CurrentMessage | None
    last_exit: ExitReason | None
    child: ChildInfo | None
    children: "tuple[TreeNode, ...]"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@frozen
class TraceEntry:
    """A message that an actor begins to handle.

    Attributes:
        at: When, in the loop's time.
        ref: The actor.
        incarnation: Which of its incarnations.
        message: The message.
    """

    at: float
    ref: "Ref[Any]"
    incarnation: int
    message: object
