"""The end of an incarnation: it ends handler, `on_stop`, tasks and children, in this order.

A graceful end waits for each step; a kill cancels the present step and goes on. The `shutdown` of
an actor bounds its graceful end, which then becomes a kill. With `Infinity`, and for a supervisor,
there is no such bound: it waits for its children, each of which has its own. Every wait of a kill
is bounded: a task that swallows its cancellation is cancelled a few times more, then reported and
abandoned.
"""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from actors._events import StopFailed, TaskStuck
from actors._exits import Crashed, ExitReason, Killed, OwnerEnded, Shutdown, is_graceful
from actors._tasks import close_unstarted, error_of, guarded

if TYPE_CHECKING:
    from actors._cell import Cell


class Ending:
    """The end of one incarnation, from its cause to `Cell.finish`."""

    __slots__ = ("_cell", "_kill", "_needs_on_stop", "_task", "reason")

    def __init__(self, cell: "Cell[Any]", reason: ExitReason, *, needs_on_stop: bool) -> None:
        self._cell = cell
        self._needs_on_stop = needs_on_stop
        self._kill: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.reason = reason

    def begin(self) -> None:
        """Start the end; complete it at once if there is nothing to wait for."""
        cell = self._cell
        stopping = None if cell.handler is not None else self._call_on_stop()
        if cell.handler is None and stopping is None and not cell.has_dependents:
            cell.finish(self.reason)
            return
        loop = cell.runtime.loop
        self._kill = loop.create_future()
        if isinstance(self.reason, Killed):
            self._kill.set_result(None)
        cell.arm_deadline(cell.options.shutdown)
        self._task = loop.create_task(self._run(stopping), name=f"end of {cell.path}")

    def kill(self) -> None:
        """Turn a graceful end into a kill."""
        if is_graceful(self.reason):
            self.reason = Killed()
        if self._kill is not None and not self._kill.done():
            self._kill.set_result(None)

    @property
    def _killed(self) -> bool:
        return self._kill is not None and self._kill.done()

    async def _run(self, stopping: Awaitable[None] | None) -> None:
        cell = self._cell
        if cell.handler is not None:
            await self._cancel(cell.handler.task)
            cell.handler = None
            stopping = self._call_on_stop()
        if stopping is not None:
            await self._await_on_stop(stopping)
        await self._end_tasks()
        await self._end_children()
        cell.finish(self.reason)

    def _call_on_stop(self) -> Awaitable[None] | None:
        actor = self._cell.actor
        if not self._needs_on_stop or actor is None:
            return None
        self._needs_on_stop = False
        try:
            return actor.on_stop(self.reason)
        except BaseException as error:
            self._note_failure(error)
            return None

    async def _await_on_stop(self, stopping: Awaitable[None]) -> None:
        cell = self._cell
        task = cell.runtime.loop.create_task(
            guarded(cell, stopping), name=f"on_stop of {cell.path}"
        )
        if self._killed:
            await asyncio.wait({task}, timeout=cell.runtime.cancel_policy.kill_grace)
        await self._wait_or_cancel(task)
        close_unstarted(stopping)
        if task.done() and not (self._killed and task.cancelled()):
            error = error_of(task)
            if error is not None:
                self._note_failure(error)

    def _note_failure(self, error: BaseException) -> None:
        """Make a failing `on_stop` the reason of a graceful end; report it otherwise."""
        if isinstance(error, KeyboardInterrupt):
            self._cell.runtime.interrupt(error)
        if is_graceful(self.reason):
            self.reason = Crashed(error)
        else:
            self._cell.runtime.events.publish(StopFailed(self._cell, error))

    async def _end_tasks(self) -> None:
        resources = self._cell.resources
        if resources is None or not resources.tasks:
            return
        for _ in range(self._cell.runtime.cancel_policy.cancel_tries):
            # A task that ends may make another one, in a `finally`.
            tasks = [task for task in resources.tasks if not task.done()]
            for task in tasks:
                task.cancel()
            for task in tasks:
                await self._wait_or_cancel(task)

    async def _end_children(self) -> None:
        """Stop the children in reverse order, each with its own deadline."""
        cell = self._cell
        reason = Shutdown(OwnerEnded(cell.path))
        for child in cell.children_in_reverse():
            if not self._killed and child.alive:
                child.request_stop(reason)
                await self._wait_or_kill(child)
            if child.alive:
                break
            child.discard(reason)
        await self._kill_children(reason)

    async def _wait_or_kill(self, child: "Cell[Any]") -> None:
        assert self._kill is not None
        joined = child.join()
        waiting: set[asyncio.Future[Any]] = {joined, self._kill}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def _kill_children(self, reason: ExitReason) -> None:
        children = self._cell.children_in_reverse()
        for child in children:
            child.request_kill()
        for child in children:
            await child.join()
            child.discard(reason)

    async def _wait_or_cancel(self, task: asyncio.Task[Any]) -> None:
        assert self._kill is not None
        await asyncio.wait({task, self._kill}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await self._cancel(task)

    async def _cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task repeatedly; if it does not end, report it as stuck and abandon it."""
        runtime = self._cell.runtime
        for _ in range(runtime.cancel_policy.cancel_tries):
            task.cancel()
            await asyncio.wait({task}, timeout=runtime.cancel_policy.cancel_interval)
            if task.done():
                return
        runtime.abandon(task)
        runtime.events.publish(TaskStuck(self._cell, task.get_name()))
