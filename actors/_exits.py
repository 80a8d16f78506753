"""Exit reasons of actors: a closed union of values, with the meaning of Erlang/OTP's."""

import traceback
from typing import TypeAlias

from attrs import frozen


@frozen
class Normal:
    """The actor finished its work."""

    def __str__(self) -> str:
        return "finished normally"


@frozen
class Shutdown:
    """The actor was asked to stop, or stopped on purpose.

    Attributes:
        detail: A value whose `str()` explains it to an operator; None adds nothing.
    """

    detail: object = None

    def __str__(self) -> str:
        return "was shut down" if self.detail is None else f"was shut down: {self.detail}"


@frozen
class Crashed:
    """An exception left the actor's code.

    Attributes:
        error: The exception itself.
    """

    error: BaseException

    @property
    def traceback(self) -> str:
        """The formatted traceback of `error`."""
        return "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        return f"crashed with {describe_error(self.error)}"


@frozen
class Killed:
    """The actor was killed, or exceeded its stop deadline."""

    def __str__(self) -> str:
        return "was killed"


@frozen
class NoProc:
    """The actor was not alive when it was monitored, linked or asked."""

    def __str__(self) -> str:
        return "was not alive"


@frozen
class StartFailed:
    """The factory or the `on_start` of the actor raised.

    Attributes:
        error: The exception itself.
    """

    error: BaseException

    @property
    def traceback(self) -> str:
        """The formatted traceback of `error`."""
        return "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        return f"failed to start with {describe_error(self.error)}"


ExitReason: TypeAlias = Normal | Shutdown | Crashed | Killed | NoProc | StartFailed
"""The reason why an actor ended."""


@frozen
class RestartLimitReached:
    """The detail of a supervisor's `Shutdown`: a child failed too often.

    Attributes:
        child: The id of the child whose failure exceeded the limit.
        max_restarts: How many restarts the limit allows.
        within: The length of the window, in seconds.
        reason: The last exit reason of that child.
    """

    child: str
    max_restarts: int
    within: float
    reason: ExitReason

    def __str__(self) -> str:
        return (
            f"more than {self.max_restarts} restarts within {self.within:g} s; "
            f"the last to fail was {self.child!r}, which {self.reason}"
        )


@frozen
class SignificantChildEnded:
    """The detail of a supervisor's `Shutdown`: auto-shutdown applied.

    Attributes:
        child: The id of the significant child that ended last.
    """

    child: str

    def __str__(self) -> str:
        return f"the significant child {self.child!r} ended"


@frozen
class SystemStopped:
    """The detail of a `Shutdown`: the whole actor system is stopping."""

    def __str__(self) -> str:
        return "the actor system is stopping"


@frozen
class OwnerEnded:
    """The detail of a `Shutdown`: the actor that owns this one ended.

    Attributes:
        owner: The path of the owner.
    """

    owner: str

    def __str__(self) -> str:
        return f"its owner {self.owner} ended"


def is_graceful(reason: ExitReason) -> bool:
    """Return whether OTP counts this reason as a normal end (`normal`, `shutdown`)."""
    return isinstance(reason, Normal | Shutdown)


def describe_error(error: BaseException) -> str:
    """Return the class and message of an exception on one line."""
    text = str(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name
