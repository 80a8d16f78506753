"""Events of an actor system, the stream that publishes them, and dead letters."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from attrs import define, field, frozen

from actors._exits import ExitReason

if TYPE_CHECKING:
    from actors._ref import Ref

DEAD_LETTERS_KEPT: Final = 100
"""The number of dead letters in `DeadLetters.recent`."""

DEAD_LETTER_LOG_INTERVAL: Final = 10.0
"""Seconds between two log lines about dead letters."""

_log = logging.getLogger("actors")


class DropReason(Enum):
    """Why a message was not handled."""

    MAILBOX_FULL = "the mailbox was full"
    OLDEST = "it was the oldest in a full mailbox"
    INTERCEPTED = "an interceptor dropped it"


@frozen
class ActorStarted:
    """An incarnation is up."""

    ref: "Ref[Any]"
    incarnation: int


@frozen
class ActorExited:
    """An incarnation ended, or failed to start."""

    ref: "Ref[Any]"
    incarnation: int
    reason: ExitReason


@frozen
class StopFailed:
    """Code raised while its actor was ending for another reason, which remains the exit reason."""

    ref: "Ref[Any]"
    error: BaseException


@frozen
class ChildRestarting:
    """A supervisor will restart a failed child after `delay` seconds.

    `attempt` counts the failures since the child was last healthy, from 1.
    """

    ref: "Ref[Any]"
    delay: float
    attempt: int
    reason: ExitReason


@frozen
class ChildParked:
    """A child used up its own restart budget; it stays down until `revive_child`."""

    ref: "Ref[Any]"
    reason: ExitReason


@frozen
class Escalated:
    """A supervisor escalates: it stops its children and ends."""

    ref: "Ref[Any]"
    reason: ExitReason


@frozen
class RootFailed:
    """A root supervisor ended without a request to stop."""

    ref: "Ref[Any]"
    reason: ExitReason


@frozen
class MessageDropped:
    """A message to a living actor was not delivered; `note` is an interceptor's own reason."""

    ref: "Ref[Any]"
    message: object
    reason: DropReason
    note: str = ""


@frozen
class DeadLetter:
    """A message to a dead actor.

    `sender` is None if it was sent from outside of actors, or was queued when the actor died.
    """

    ref: "Ref[Any]"
    message: object
    sender: "Ref[Any] | None"


@frozen
class LateReply:
    """An answer came for a request that was already answered, cancelled or timed out."""

    ref: "Ref[Any]"
    request: object


@frozen
class ExpiredRequest:
    """A request was skipped because its caller had stopped waiting."""

    ref: "Ref[Any]"
    request: object


@frozen
class UnhandledDown:
    """A `Down` reached an actor that does not override `on_down`."""

    ref: "Ref[Any]"
    down: object


@frozen
class SlowHandler:
    """A handler took longer than `max_handle`; it may still be running."""

    ref: "Ref[Any]"
    message: object
    seconds: float


@frozen
class TaskStuck:
    """A task swallowed every cancellation and was abandoned."""

    ref: "Ref[Any]"
    task: str


Event: TypeAlias = (
    ActorStarted
    | ActorExited
    | StopFailed
    | ChildRestarting
    | ChildParked
    | Escalated
    | RootFailed
    | MessageDropped
    | DeadLetter
    | LateReply
    | ExpiredRequest
    | UnhandledDown
    | SlowHandler
    | TaskStuck
)
"""The events that an `EventStream` publishes."""


def call_guarded(what: str, callback: Callable[[Any], object], value: object) -> None:
    """Call a function that only reports; an exception goes to the loop's exception handler."""
    try:
        callback(value)
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{what} failed on {type(value).__name__}", "exception": error}
        )


@define(eq=False)
class Subscription:
    """A subscription to a stream; as a context manager, it is cancelled at the end."""

    _cancel: Callable[["Subscription"], None]

    def cancel(self) -> None:
        """Stop the callbacks. Idempotent."""
        self._cancel(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.cancel()


@define(eq=False)
class EventStream:
    """Calls every subscriber with every event, synchronously and in order."""

    _callbacks: dict[Subscription, Callable[[Event], object]] = field(factory=dict, init=False)

    def subscribe(self, callback: Callable[[Event], object]) -> Subscription:
        """Call `callback` with every event from now on.

        The callback runs inside the runtime: it must be quick and must not raise. An exception
        goes to the loop's exception handler.
        """
        subscription = Subscription(self._unsubscribe)
        self._callbacks[subscription] = callback
        return subscription

    def publish(self, event: Event) -> None:
        """Call every subscriber with `event`."""
        for callback in tuple(self._callbacks.values()):
            call_guarded("a subscriber", callback, event)

    def _unsubscribe(self, subscription: Subscription) -> None:
        self._callbacks.pop(subscription, None)

    def __len__(self) -> int:
        return len(self._callbacks)


@define(eq=False)
class DeadLetters:
    """The dead letters of one actor system.

    Attributes:
        count: How many there were since the system started.
    """

    count: int = field(default=0, init=False)
    _recent: deque[DeadLetter] = field(factory=lambda: deque(maxlen=DEAD_LETTERS_KEPT), init=False)
    _suppressed: int = field(default=0, init=False)
    _log_timer: asyncio.TimerHandle | None = field(default=None, init=False)

    @property
    def recent(self) -> tuple[DeadLetter, ...]:
        """The last `DEAD_LETTERS_KEPT` dead letters, oldest first."""
        return tuple(self._recent)

    def add(self, letter: DeadLetter, loop: asyncio.AbstractEventLoop) -> None:
        """Record a dead letter; log it unless one was logged in the last interval."""
        self.count += 1
        self._recent.append(letter)
        if self._log_timer is not None:
            self._suppressed += 1
            return
        _log.warning(
            "dead letter: %s to %s from %s",
            type(letter.message).__name__,
            letter.ref.path,
            "outside" if letter.sender is None else letter.sender.path,
        )
        self._log_timer = loop.call_later(DEAD_LETTER_LOG_INTERVAL, self._log_suppressed)

    def close(self) -> None:
        """Log the number of suppressed lines, and stop the timer."""
        if self._log_timer is not None:
            self._log_timer.cancel()
            self._log_suppressed()

    def _log_suppressed(self) -> None:
        self._log_timer = None
        if self._suppressed:
            _log.warning("dead letters: and %s more", f"{self._suppressed:,}")
            self._suppressed = 0
