"""The behaviour of an actor, which a user of the library writes, and its access to the runtime."""

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


class Context(Generic[M]):
    """One incarnation's access to the runtime.

    Once the incarnation has ended, whatever would act on its behalf raises `StaleContext`,
    so code that outlived it (a task that could not be cancelled) can do no harm.
    """

    __slots__ = ("_cell", "_incarnation")

    def __init__(self, cell: "Cell[M]", incarnation: int) -> None:
        self._cell = cell
        self._incarnation = incarnation

    @property
    def ref(self) -> "Ref[M]":
        """The actor itself, as others see it."""
        return self._cell

    @property
    def name(self) -> str:
        """The last part of the actor's path."""
        return self._cell.name

    @property
    def system(self) -> "ActorSystem":
        """The system the actor lives in."""
        return self._cell.runtime.system

    @property
    def random(self) -> Random:
        """The system's source of randomness."""
        return self._cell.runtime.random

    def loop_time(self) -> float:
        """Return the event loop's time, in seconds."""
        return self._cell.runtime.loop.time()

    def reply(self) -> Reply:
        """Take over answering the message being handled; then return `DEFERRED`.

        For a message that was told and not asked, the reply leads nowhere.
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

        Its own end does not concern this actor, unless it is linked or monitored.

        Args:
            factory: Makes the behaviour.
            name: Registers it under this name; otherwise it gets a made-up one.
            link: Whether to link both before the new one starts.
            mailbox: The bounds of its mailbox.
            shutdown: How long it may take to stop.
            max_handle: Seconds after which a running handler is reported as slow.
            interceptors: See its messages before it does.

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
        """Ask for one `Down` when `ref` ends; it comes at once if `ref` is not alive."""
        return monitor(self._own(), _cell(ref))

    def demonitor(self, monitor_id: MonitorId) -> bool:
        """Take a monitor back, even if its `Down` waits; return whether there was one."""
        return demonitor(self._own(), monitor_id)

    def link(self, ref: "Ref[Any]") -> None:
        """Share fate: a failure of either ends the other, unless that one traps exits."""
        link(self._own(), _cell(ref))

    def unlink(self, ref: "Ref[Any]") -> bool:
        """Undo `link`; return whether the two were linked."""
        return unlink(self._own(), _cell(ref))

    def start_timer(
        self, delay: float, message: M, *, key: Hashable = None, every: bool = False
    ) -> TimerId:
        """Receive `message` after `delay` seconds, ahead of messages from others.

        Args:
            delay: Seconds to wait.
            message: What to receive.
            key: Replaces the timer that was started under this key before.
            every: Whether to repeat; beats missed by a busy actor are skipped.
        """
        return self._own().ensure_resources().timers.start(delay, message, key, every=every)

    def cancel_timer(self, id_or_key: Hashable) -> bool:
        """Cancel a timer, even if it fired and waits; return whether there was one."""
        return self._own().ensure_resources().timers.cancel(id_or_key)

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run a coroutine beside the handlers, as a task this actor owns.

        It is cancelled and awaited when the actor ends. If it raises, the actor crashes.

        Args:
            coro: What to run.
            name: What to call it in reports.
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
