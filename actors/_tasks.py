"""Running awaitables of actors in tasks, so that nothing they raise ends the loop.

asyncio lets `SystemExit` and `KeyboardInterrupt` raised in a task end the whole run; here
they are carried out of the task like any other error.
"""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import define

if TYPE_CHECKING:
    from actors._cell import Cell

T = TypeVar("T")

CURRENT_ACTOR: Final[ContextVar["Cell[Any] | None"]] = ContextVar("actors_current", default=None)
"""The actor on whose behalf a task runs."""


@define(eq=False)
class PendingHandler:
    """A handler, or an `on_start`, that awaits.

    Attributes:
        task: The task in which it awaits.
        awaitable: What the handler returned.
        message: The message that it handles.
        since: When it began, in the loop's time.
        watchdog: The timer that reports it as slow, if `max_handle` is set.
    """

    task: asyncio.Task[Any]
    awaitable: Awaitable[object]
    message: object
    since: float
    watchdog: asyncio.TimerHandle | None = None


class CarriedError(Exception):
    """Carries an exception that asyncio would not keep inside a task."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


async def guarded(cell: "Cell[Any]", awaitable: Awaitable[T]) -> T:
    """Await `awaitable` on behalf of `cell`."""
    CURRENT_ACTOR.set(cell)
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise CarriedError(error) from None


def close_unstarted(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine whose guard was cancelled before it got to await it."""
    if isinstance(awaitable, CoroutineType) and getcoroutinestate(awaitable) == CORO_CREATED:
        awaitable.close()


def error_of(task: asyncio.Task[Any]) -> BaseException | None:
    """Return what a finished guarded task raised, cancellation included."""
    if task.cancelled():
        return asyncio.CancelledError("cancelled from outside of the actor")
    error = task.exception()
    return error.error if isinstance(error, CarriedError) else error
