"""What actors are told by the runtime, and the base of typed requests."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, NewType, Protocol, TypeVar

from attrs import frozen

from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref

R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)

MonitorId = NewType("MonitorId", int)
"""Names one monitor; see `Context.monitor`."""


@frozen
class TimerId:
    """Names one timer; see `Context.start_timer`."""

    number: int


class Request(Generic[R_co]):
    """The base of a message that is answered with a value of type `R_co`.

    It has no fields and no state, so attrs classes (with slots too) can inherit from it:

        @frozen
        class Balance(Request[int]):
            account: str
    """

    __slots__ = ()


class ReplyTo(Protocol[R_contra]):
    """Whoever takes the answer to a request; every `asyncio.Future` is one.

    It is told at most once, while `done` says False. It is called wherever the answer is given,
    also in the actor's own stack: it must take note, and neither raise nor send.
    """

    def done(self) -> bool:
        """Return whether the answer is there, or not waited for any more."""
        ...

    def set_result(self, result: R_contra, /) -> object:
        """Take the answer."""
        ...

    def set_exception(self, exception: BaseException, /) -> object:
        """Take the error that stands in place of the answer."""
        ...


class _Deferred(Enum):
    DEFERRED = "deferred"


DEFERRED: Final = _Deferred.DEFERRED
"""Returned by `Actor.receive` when the answer comes later, through `Context.reply`."""


@frozen
class Down:
    """A monitored actor ended. Comes exactly once for each monitor.

    Attributes:
        monitor: The id that `Context.monitor` returned.
        ref: The actor that ended.
        incarnation: Which of its incarnations ended.
        reason: Why; `NoProc` when it was not alive at the time of monitoring.
    """

    monitor: MonitorId
    ref: "Ref[Any]"
    incarnation: int
    reason: ExitReason


@frozen
class LinkExit:
    """A linked actor ended.

    Attributes:
        ref: The actor that ended.
        incarnation: Which of its incarnations ended.
        reason: Why.
    """

    ref: "Ref[Any]"
    incarnation: int
    reason: ExitReason
