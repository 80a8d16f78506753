"""Messages of the runtime to actors, and the base of typed requests."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, NewType, Protocol, TypeVar

from attrs import frozen

from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref

R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)

MonitorId = NewType("MonitorId", int)
"""The id of a monitor; see `Context.monitor`."""


@frozen
class TimerId:
    """The id of a timer; see `Context.start_timer`."""

    number: int


class Request(Generic[R_co]):
    """The base of messages whose answer has the type `R_co`.

    It has no fields, so attrs classes (also with slots) can inherit from it:

        @frozen
        class Balance(Request[int]):
            account: str
    """

    __slots__ = ()


class ReplyTo(Protocol[R_contra]):
    """The receiver of the answer to a request; every `asyncio.Future` is one.

    It is called at most once, while `done` returns False. The call comes from the stack of the
    answering code, which may be the actor's own: it must store the answer, and neither raise nor
    send messages.
    """

    def done(self) -> bool:
        """Return whether the answer has arrived or is no longer wanted."""
        ...

    def set_result(self, result: R_contra, /) -> object:
        """Store the answer."""
        ...

    def set_exception(self, exception: BaseException, /) -> object:
        """Store the error that replaces the answer."""
        ...


class _Deferred(Enum):
    DEFERRED = "deferred"


DEFERRED: Final = _Deferred.DEFERRED
"""Return value of `Actor.receive` when the answer follows later, through `Context.reply`."""


@frozen
class Down:
    """A monitored actor ended. Sent exactly once for each monitor.

    Attributes:
        monitor: The id that `Context.monitor` returned.
        ref: The actor that ended.
        incarnation: The number of the incarnation that ended.
        reason: The exit reason; `NoProc` if it was not alive when it was monitored.
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
        incarnation: The number of the incarnation that ended.
        reason: The exit reason.
    """

    ref: "Ref[Any]"
    incarnation: int
    reason: ExitReason
