"""The states of actors and of supervised children, and the phases that drive an actor.

Rule: a phase changes only along `TRANSITIONS`, and only `actors._cell` changes it.

    phase      public state   called back by   what happens next
    ---------  -------------  ---------------  ------------------------------------------------
    ENDED      ended          -                a message is a dead letter; `launch` may follow
    WAITING    waiting        -                messages are queued until `launch`, or `discard`
    LAUNCHING  starting       drain            the drain calls the factory and `on_start`
    STARTING   starting       task             `on_start` awaits; the drain goes on at its end
    IDLE       running (1)    -                the first message schedules a drain
    READY      running (1)    drain            the drain handles user messages
    URGENT     running (1)    drain            the drain handles a stop or a runtime message
    AWAITING   running (1)    task             a handler awaits; the drain goes on at its end
    STOPPING   stopping       task (2)         `Ending` ends handler, tasks and children

"Called back by" is why nothing is lost: a sender schedules a drain only in `IDLE`. In every other
phase in which messages are handled, a drain is scheduled already or the end of a task runs it.

(1) "starting" until the actor is up. A supervisor is up when its children are, and must handle
    messages before that. This is a flag of its own, `Cell.up`, since as phases it would double
    four rows that differ in nothing else.
(2) None if there is nothing to wait for: then `STOPPING` is left before control returns.

`Cell.suspended` is the other flag of its own: an operator sets it in any phase, and it outlives
restarts. It only keeps the drain from taking user messages.
"""

from enum import Enum
from typing import Final


class ActorState(Enum):
    """The public state of an actor."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It is ending: its handler, tasks and children are being stopped."""
    WAITING = "waiting"
    """It is down between two incarnations and keeps its mailbox."""
    ENDED = "ended"
    """It is dead; a message to it becomes a dead letter."""


class ChildState(Enum):
    """The state of a supervised child."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """Its supervisor stopped it, and it has not ended yet."""
    BACKOFF = "backoff"
    """It waits to be started: for its delay to pass, or for its turn."""
    STOPPED = "stopped"
    """It ended; only a request starts it again."""
    PARKED = "parked"
    """It used up its restart budget; only `revive_child` starts it again."""


class Phase(Enum):
    """The phase of an actor; see the table at the top of this file."""

    ENDED = "ended"
    WAITING = "waiting"
    LAUNCHING = "launching"
    STARTING = "starting"
    IDLE = "idle"
    READY = "ready"
    URGENT = "urgent"
    AWAITING = "awaiting"
    STOPPING = "stopping"

    # Members are compared by identity. Enum hashes their names, which takes far longer.
    __hash__ = object.__hash__

    def to(self, phase: "Phase") -> "Phase":
        """Return `phase` if it may follow this one.

        Raises:
            IllegalTransition: It may not.
        """
        if phase not in TRANSITIONS[self]:
            raise IllegalTransition(self, phase)
        return phase

    @property
    def state(self) -> ActorState:
        """The public state, of an actor that is up."""
        return _PUBLIC.get(self, ActorState.RUNNING)


# The members as globals: Python 3.11 takes far longer to find `Phase.IDLE`.
ENDED: Final = Phase.ENDED
WAITING: Final = Phase.WAITING
LAUNCHING: Final = Phase.LAUNCHING
STARTING: Final = Phase.STARTING
IDLE: Final = Phase.IDLE
READY: Final = Phase.READY
URGENT: Final = Phase.URGENT
AWAITING: Final = Phase.AWAITING
STOPPING: Final = Phase.STOPPING


class IllegalTransition(RuntimeError):  # noqa: N818 - named for what happened
    """A bug of the runtime: a phase that may not follow the present one."""

    def __init__(self, old: Phase, new: Phase) -> None:
        super().__init__(f"the phase {new.value} may not follow {old.value}")
        self.old = old
        self.new = new


TRANSITIONS: Final[dict[Phase, tuple[Phase, ...]]] = {
    ENDED: (LAUNCHING,),
    WAITING: (LAUNCHING, ENDED),
    LAUNCHING: (STARTING, READY, URGENT, STOPPING),
    STARTING: (READY, URGENT, STOPPING),
    IDLE: (READY, URGENT),
    READY: (IDLE, URGENT, AWAITING, STOPPING),
    URGENT: (READY, AWAITING, STOPPING),
    AWAITING: (READY, URGENT, STOPPING),
    STOPPING: (WAITING,),
}
"""Which phases may follow a phase."""

_PUBLIC: Final = {
    ENDED: ActorState.ENDED,
    WAITING: ActorState.WAITING,
    LAUNCHING: ActorState.STARTING,
    STARTING: ActorState.STARTING,
    STOPPING: ActorState.STOPPING,
}
