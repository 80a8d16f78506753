"""Run awaitables of actors in tasks, with every exception contained in the task.

asyncio lets a `SystemExit` or `KeyboardInterrupt` of a task end the loop; `guarded` wraps them,
and `error_of` unwraps them.
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
"""The actor for which the current task runs."""


@define(eq=False)
class PendingHandler:
    """A handler, or an `on_start`, that awaits.

    Attributes:
        task: The task in which it awaits.
        awaitable: The result of the handler.
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
    """Wraps an exception that would otherwise leave its task and end the loop."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


async def guarded(cell: "Cell[Any]", awaitable: Awaitable[T]) -> T:
    """Await `awaitable` for `cell`."""
    CURRENT_ACTOR.set(cell)
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise CarriedError(error) from None


def close_unstarted(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine whose task was cancelled before its first step."""
    if isinstance(awaitable, CoroutineType) and getcoroutinestate(awaitable) == CORO_CREATED:
        awaitable.close()


def error_of(task: asyncio.Task[Any]) -> BaseException | None:
    """Return the exception of a finished guarded task, also a cancellation, or None."""
    if task.cancelled():
        return asyncio.CancelledError("cancelled from outside of the actor")
    error = task.exception()
    return error.error if isinstance(error, CarriedError) else error
