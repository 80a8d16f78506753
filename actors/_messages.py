"""What actors are told by the runtime, and the base of typed requests."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, NewType, TypeVar

from attrs import frozen

from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref

R_co = TypeVar("R_co", covariant=True)

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
