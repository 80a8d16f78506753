# ruff: noqa: N818 - errors are named for what happened
"""Every error of the actor runtime; each message names the fact and the remedy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref
    from actors._states import ChildState


class ActorError(Exception):
    """The base of every error of the actor runtime."""


class ActorDied(ActorError):
    """The actor is dead, or died before it answered.

    Whether it carried the request out is unknown; repeat only idempotent requests.
    """

    def __init__(self, ref: "Ref[Any]", reason: ExitReason) -> None:
        super().__init__(f"{ref.path} {reason} before it answered")
        self.ref = ref
        self.reason = reason


class AskTimeout(ActorError, TimeoutError):
    """No answer came in time. A later answer is dropped and counted.

    Whether the request is carried out is unknown. An actor skips requests that it has not
    begun when their deadline passes.
    """

    def __init__(self, ref: "Ref[Any]", request: object, timeout: float) -> None:
        name = type(request).__name__
        super().__init__(f"{ref.path} did not answer {name} within {timeout:g} s")
        self.ref = ref
        self.request = request
        self.timeout = timeout


class MailboxFull(ActorError):
    """The message was rejected because the mailbox is at its capacity.

    Slow down and send again, or give the actor a larger mailbox or another overflow policy.
    """

    def __init__(self, ref: "Ref[Any]", capacity: int) -> None:
        super().__init__(f"the mailbox of {ref.path} is full, waiting messages: {capacity}")
        self.ref = ref
        self.capacity = capacity


class NameTaken(ActorError):
    """Another actor is registered under this name; choose another or stop that actor first."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an actor named {name!r} already exists")
        self.name = name


class SystemClosed(ActorError):
    """The actor system is not running (not entered yet, or stopped), so it cannot spawn."""

    def __init__(self, system: str) -> None:
        super().__init__(f"the actor system {system!r} is not running")
        self.system = system


class StaleContext(ActorError):
    """Code of an ended incarnation used its context."""

    def __init__(self, path: str, incarnation: int) -> None:
        super().__init__(f"incarnation {incarnation} of {path} has ended")
        self.path = path
        self.incarnation = incarnation


class StartError(ActorError):
    """A supervised child did not come up; `reason` says why.

    At the first start of a supervisor, its other children were stopped again. A child added
    with `start_child` is deleted. To any other child its restart rules apply.
    """

    def __init__(self, child: str, reason: ExitReason) -> None:
        super().__init__(f"the child {child!r} {reason}")
        self.child = child
        self.reason = reason


class ChildError(ActorError):
    """The base of errors with which a supervisor rejects a request; it changed nothing."""

    def __init__(self, child: str, message: str) -> None:
        super().__init__(message)
        self.child = child


class NoSuchChild(ChildError, LookupError):
    """The supervisor has no child of this id; the message names those it has."""

    def __init__(self, child: str, known: Sequence[str]) -> None:
        listing = ", ".join(known) or "none"
        super().__init__(child, f"there is no child {child!r}; the children are: {listing}")


class ChildExists(ChildError):
    """A child of this id exists; delete it first, or use `replace_child`."""

    def __init__(self, child: str) -> None:
        super().__init__(child, f"a child {child!r} already exists")


class ChildRunning(ChildError):
    """The child is not stopped; use `terminate_child` first."""

    def __init__(self, child: str, state: "ChildState") -> None:
        super().__init__(child, f"the child {child!r} is not stopped but {state.value}")
        self.state = state


class ChildIsParked(ChildError):
    """The child used up its restart budget; `revive_child` starts it again."""

    def __init__(self, child: str, last_exit: ExitReason | None) -> None:
        super().__init__(child, f"the child {child!r} is parked; it {last_exit}")
        self.last_exit = last_exit


class ChildNotParked(ChildError):
    """Only a parked child can be revived."""

    def __init__(self, child: str, state: "ChildState") -> None:
        super().__init__(child, f"the child {child!r} is not parked but {state.value}")
        self.state = state
