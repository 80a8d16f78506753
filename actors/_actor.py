"""`Actor`, the behaviour that a user of the library writes, and `Context`, its runtime access."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from actors._envelope import Reply
from actors._errors import StaleContext
from actors._events import UnhandledDown
from actors._exits import ExitReason, Normal
from actors._interceptors import Interceptor
from actors._messages import Down, LinkExit, MonitorId, TimerId
from actors._resources import demonitor, link, monitor, own_task, unlink
from actors._specs import DEFAULT_SHUTDOWN, Deadline, Infinity, Mailbox, Options

if TYPE_CHECKING:
    from actors._cell import Cell
    from actors._ref import Ref
    from actors._system import ActorSystem

M = TypeVar("M")
N = TypeVar("N")
T = TypeVar("T")


class Actor(ABC, Generic[M]):
    """The behaviour of an actor: private state, and handlers that run one at a time.

    Every method may be a plain or a coroutine function. Plain ones run without a task. An
    exception that leaves a method ends the actor with `Crashed`; its supervisor decides
    about a restart.
    """

    trap_exits: ClassVar[bool] = False
    """Whether the end of a linked actor becomes a call of `on_exit` rather than a crash."""

    context: "Context[M]"
    """Access to the runtime; set before `on_start`, stale after the end of the incarnation."""

    def on_start(self) -> Awaitable[None] | None:
        """Initialise the actor; messages are queued until this is done.

        An exception fails the start: the exit reason is `StartFailed`, and `on_stop` is not
        called. A stop during the start cancels it.
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

        Tasks and children of the actor still run; they are stopped afterwards. The stop
        deadline of the actor includes this method, and cancels it when it passes.
        """


class Context(Generic[M]):
    """One incarnation's access to the runtime.

    After the end of the incarnation, every method that acts on its behalf raises
    `StaleContext`, so a task that outlived it cannot act in its name.
    """

    __slots__ = ("_cell", "_incarnation")

    def __init__(self, cell: "Cell[M]", incarnation: int) -> None:
        self._cell = cell
        self._incarnation = incarnation

    @property
    def ref(self) -> "Ref[M]":
        """The ref of this actor."""
        return self._cell

    @property
    def name(self) -> str:
        """The last part of the actor's path."""
        return self._cell.name

    @property
    def system(self) -> "ActorSystem":
        """The actor system."""
        return self._cell.runtime.system

    @property
    def random(self) -> Random:
        """The system's source of randomness."""
        return self._cell.runtime.random

    def loop_time(self) -> float:
        """Return the event loop's time, in seconds."""
        return self._cell.runtime.loop.time()

    def reply(self) -> Reply:
        """Take the right to answer the message being handled; then return `DEFERRED`.

        The reply to a message that was sent with `tell` is dropped.
        """
        return self._own().take_reply()

    def stop(self, reason: ExitReason | None = None) -> None:
        """End this actor after the current handler; by default with `Normal`."""
        self._own().request_stop(Normal() if reason is None else reason, Infinity())

    def spawn(
        self,
        factory: Callable[[], Actor[N]],
        *,
        name: str | None = None,
        link: bool = False,
        mailbox: Mailbox | None = None,
        shutdown: Deadline = DEFAULT_SHUTDOWN,
        max_handle: float | None = None,
        interceptors: Iterable[Interceptor] = (),
    ) -> "Ref[N]":
        """Start an actor that this one owns: it is stopped when this one ends.

        The end of the new actor has no effect on this one, unless it is linked or monitored.

        Args:
            factory: Makes the behaviour.
            name: The name to register; None generates one and registers none.
            link: Whether to link both before the new one starts.
            mailbox: The bounds of its mailbox.
            shutdown: The deadline of its stop, in seconds.
            max_handle: Seconds after which a running handler is reported as slow.
            interceptors: Called with its messages before they are delivered.

        Raises:
            NameTaken: Another actor has this name.
        """
        cell = self._own()
        options = Options.make(mailbox, shutdown, max_handle, tuple(interceptors))
        child = cell.runtime.make_child(cell, factory, name, options)
        if link:
            self.link(child)
        return child

    def monitor(self, ref: "Ref[Any]") -> MonitorId:
        """Request one `Down` for the end of `ref`; it is sent at once if `ref` is not alive."""
        return monitor(self._own(), _cell(ref))

    def demonitor(self, monitor_id: MonitorId) -> bool:
        """End a monitor, and drop its `Down` if one is queued; return whether there was one."""
        return demonitor(self._own(), monitor_id)

    def link(self, ref: "Ref[Any]") -> None:
        """Link both actors: a failure of either ends the other, unless that one traps exits."""
        link(self._own(), _cell(ref))

    def unlink(self, ref: "Ref[Any]") -> bool:
        """Remove a link; return whether there was one."""
        return unlink(self._own(), _cell(ref))

    def start_timer(
        self, delay: float, message: M, *, key: Hashable = None, every: bool = False
    ) -> TimerId:
        """Receive `message` after `delay` seconds, ahead of user messages.

        Args:
            delay: Seconds to wait.
            message: The message.
            key: A key of the actor's choice; replaces an earlier timer of the same key.
            every: Whether to repeat; a busy actor skips the periods that it missed.
        """
        return self._own().ensure_resources().timers.start(delay, message, key, every=every)

    def cancel_timer(self, id_or_key: Hashable) -> bool:
        """Cancel a timer, and drop its message if it is queued; return whether there was one."""
        return self._own().ensure_resources().timers.cancel(id_or_key)

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run a coroutine concurrently with the handlers, as a task that this actor owns.

        It is cancelled and awaited when the actor ends. If it raises, the actor crashes.

        Args:
            coro: The coroutine.
            name: The name of the task in reports.
        """
        try:
            cell = self._own()
        except StaleContext:
            coro.close()
            raise
        return own_task(cell, coro, name)

    def _own(self) -> "Cell[M]":
        cell = self._cell
        if cell.context is not self:
            raise StaleContext(cell.path, self._incarnation)
        return cell


def _cell(ref: "Ref[Any]") -> "Cell[Any]":
    return cast("Cell[Any]", ref)
