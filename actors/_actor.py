"""The behaviour of an actor: what a user of the library writes."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from actors._events import UnhandledDown
from actors._exits import ExitReason
from actors._messages import Down, LinkExit

if TYPE_CHECKING:
    from actors._context import Context

M = TypeVar("M")


class Actor(ABC, Generic[M]):
    """State that only its own handlers touch, one message at a time.

    Every method may be plain or a coroutine function. Plain ones run at once, without a
    task. An exception that leaves any of them ends the actor as `Crashed`; whether it is
    started again is its supervisor's business.
    """

    trap_exits: ClassVar[bool] = False
    """Whether the end of a linked actor becomes a call of `on_exit` rather than a crash."""

    context: "Context[M]"
    """The way to the runtime; set before `on_start`, of no use after the end."""

    def on_start(self) -> Awaitable[None] | None:
        """Get ready; messages wait until this is done.

        An exception means that the actor did not start: its reason is `StartFailed` and
        `on_stop` is not called. A stop during the start cancels it.
        """

    @abstractmethod
    def receive(self, message: M) -> object:
        """Handle one message. The value returned (or awaited) is the answer to an ask.

        Return `DEFERRED` after taking `self.context.reply()` to answer later.
        """

    def on_down(self, down: Down) -> object:
        """Handle the end of a monitored actor; by default only publishes `UnhandledDown`."""
        self.context.system.events.publish(UnhandledDown(self.context.ref, down))
        return None

    def on_exit(self, exit: LinkExit) -> object:  # noqa: A002 - the word OTP uses
        """Handle the end of a linked actor; called only with `trap_exits`."""
        del exit
        return None

    def on_stop(self, reason: ExitReason) -> Awaitable[None] | None:
        """Clean up. Called exactly once for each successful `on_start`, whatever the reason.

        Tasks and children of the actor are still there; they are stopped afterwards. It
        shares the time the actor has for stopping, and is cancelled when that is over.
        """
