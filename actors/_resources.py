"""Resources of one incarnation: timers, tasks, children, monitors, links, promised replies.

Most actors have none, so the object is made when first needed.

A monitor is one-way and sends one `Down`. A link is two-way: a failure of one side ends the other.
Both connect incarnations, and end with either of them (OTP semantics).
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from actors._envelope import Envelope
from actors._exits import ExitReason, NoProc
from actors._messages import Down, LinkExit, MonitorId
from actors._tasks import close_unstarted, error_of, guarded
from actors._timers import Timers

if TYPE_CHECKING:
    from actors._cell import Cell

T = TypeVar("T")


@define(eq=False)
class Resources:
    """The resources of one incarnation.

    Attributes:
        timers: Its timers.
        tasks: The tasks it started with `Context.create_task`.
        children: The actors it owns, in the order in which they were made.
        monitors: The actors it monitors.
        watchers: The actors that monitor it.
        links: The actors it is linked to.
        replies: The requests it promised to answer later.
        joiners: Futures that wait for its end.
    """

    timers: Timers
    tasks: set[asyncio.Task[Any]] = field(factory=set, init=False)
    children: "dict[Cell[Any], None]" = field(factory=dict, init=False)
    monitors: "dict[MonitorId, Cell[Any]]" = field(factory=dict, init=False)
    watchers: "dict[MonitorId, Cell[Any]]" = field(factory=dict, init=False)
    links: "dict[Cell[Any], None]" = field(factory=dict, init=False)
    replies: dict[Envelope, None] = field(factory=dict, init=False)
    joiners: list[asyncio.Future[ExitReason]] = field(factory=list, init=False)


def monitor(watcher: "Cell[Any]", target: "Cell[Any]") -> MonitorId:
    """Send `watcher` one `Down` when `target` ends; at once if it is not alive."""
    monitor_id = MonitorId(watcher.runtime.next_id())
    watcher.ensure_resources().monitors[monitor_id] = target
    if target.alive:
        target.ensure_resources().watchers[monitor_id] = watcher
    else:
        watcher.post(Down(monitor_id, target, target.incarnation, NoProc()))
    return monitor_id


def demonitor(watcher: "Cell[Any]", monitor_id: MonitorId) -> bool:
    """End a monitor, and drop its `Down` if one is queued; return whether there was one."""
    target = watcher.ensure_resources().monitors.pop(monitor_id, None)
    if target is None:
        return False
    if target.resources is not None:
        target.resources.watchers.pop(monitor_id, None)
    return True


def link(one: "Cell[Any]", other: "Cell[Any]") -> None:
    """Link two actors; if `other` is dead, `one` gets an exit with `NoProc` at once."""
    if other is one:
        return
    if not other.alive:
        one.post(LinkExit(other, other.incarnation, NoProc()))
        return
    one.ensure_resources().links[other] = None
    other.ensure_resources().links[one] = None


def unlink(one: "Cell[Any]", other: "Cell[Any]") -> bool:
    """Remove a link; return whether there was one."""
    if one.resources is None or other not in one.resources.links:
        return False
    del one.resources.links[other]
    if other.resources is not None:
        other.resources.links.pop(one, None)
    return True


def notify_exit(cell: "Cell[Any]", reason: ExitReason) -> None:
    """Notify the monitors and links of an incarnation that ended, and remove its own."""
    resources = cell.resources
    if resources is None:
        return
    for monitor_id in tuple(resources.monitors):
        demonitor(cell, monitor_id)
    for monitor_id, watcher in resources.watchers.items():
        watcher.post(Down(monitor_id, cell, cell.incarnation, reason))
    for other in tuple(resources.links):
        unlink(cell, other)
        other.post(LinkExit(cell, cell.incarnation, reason))


class TaskFailed:
    """A message of the runtime: a task that the actor owns raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def own_task(cell: "Cell[Any]", coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run a coroutine as a task that the present incarnation of `cell` owns."""
    task = cell.runtime.loop.create_task(guarded(cell, coro), name=name)
    tasks = cell.ensure_resources().tasks
    tasks.add(task)
    task.add_done_callback(partial(_task_done, cell, tasks, coro))
    return task


def _task_done(
    cell: "Cell[Any]",
    tasks: set[asyncio.Task[Any]],
    coro: Coroutine[Any, Any, Any],
    task: asyncio.Task[Any],
) -> None:
    tasks.discard(task)
    close_unstarted(coro)
    error = error_of(task)
    if error is None or task.cancelled():
        return
    if cell.resources is not None and cell.resources.tasks is tasks:
        cell.post(TaskFailed(error))


def release(cell: "Cell[Any]", reason: ExitReason) -> None:
    """Release all resources of an incarnation that ended, and complete its joiners."""
    resources = cell.resources
    if resources is None:
        return
    resources.timers.cancel_all()
    for envelope in tuple(resources.replies):
        envelope.fail_dead(reason)
    notify_exit(cell, reason)
    for joiner in resources.joiners:
        if not joiner.done():
            joiner.set_result(reason)
    cell.resources = None
