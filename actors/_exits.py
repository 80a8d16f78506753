"""Why an actor ended: a closed union of values, never strings.

The reasons and their meaning are those of Erlang/OTP.
"""

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
        detail: Why, as a value whose `str()` an operator can read; None when there is
            nothing to add.
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
    """The actor was ended by force: killed, or too slow to stop."""

    def __str__(self) -> str:
        return "was killed"


@frozen
class NoProc:
    """The actor was not alive in the first place."""

    def __str__(self) -> str:
        return "was not alive"


@frozen
class StartFailed:
    """The actor never came up: its factory or its `on_start` raised.

    Attributes:
        error: What was raised.
    """

    error: BaseException

    @property
    def traceback(self) -> str:
        """The formatted traceback of `error`."""
        return "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        return f"failed to start with {describe_error(self.error)}"


ExitReason: TypeAlias = Normal | Shutdown | Crashed | Killed | NoProc | StartFailed
"""Every way in which an actor can end."""


@frozen
class RestartLimitReached:
    """The detail of a supervisor's `Shutdown`: a child failed too often.

    Attributes:
        child: The id of the child whose failure was one too many.
        max_restarts: How many restarts the limit allows.
        within: The length of the window, in seconds.
        reason: How that child ended the last time.
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
    """Tell whether OTP counts this reason as a normal end (`normal`, `shutdown`)."""
    return isinstance(reason, Normal | Shutdown)


def describe_error(error: BaseException) -> str:
    """Return the class and message of an exception on one line."""
    text = str(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name
