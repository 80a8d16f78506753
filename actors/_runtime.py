"""The shared parts of an actor system: registry, roots, counters, notifications, shutdown."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import define, field

from actors._actor import Actor
from actors._cell import Cell
from actors._envelope import AskTimeouts
from actors._errors import NameTaken, StartError, SystemClosed
from actors._events import (
    ActorExited,
    ActorStarted,
    DeadLetter,
    DeadLetters,
    EventStream,
    ExpiredRequest,
    LateReply,
    MessageDropped,
    RootFailed,
    call_guarded,
)
from actors._exits import (
    Crashed,
    ExitReason,
    Normal,
    RestartLimitReached,
    Shutdown,
    StartFailed,
    SystemStopped,
)
from actors._interceptors import Interceptor
from actors._mailbox import MailboxRef
from actors._specs import CancelPolicy, Options
from actors._states import ENDED
from actors._tasks import CURRENT_ACTOR, error_of

if TYPE_CHECKING:
    from actors._ref import Ref
    from actors._system import ActorSystem

M = TypeVar("M")

_log: Final = logging.getLogger("actors")


def log_crash(exited: ActorExited) -> None:
    """Log the end of an actor that crashed or failed to start, with its traceback."""
    reason = exited.reason
    if isinstance(reason, Crashed | StartFailed):
        _log.error("%s %s", exited.ref.path, reason, exc_info=reason.error)


@define
class Counters:
    """Counts of faults since the system started.

    Attributes:
        late_replies: Answers that came after their caller had stopped waiting.
        expired_requests: Requests that were skipped because their caller had stopped waiting.
        dropped_messages: Messages to living actors that were not delivered.
    """

    late_replies: int = 0
    expired_requests: int = 0
    dropped_messages: int = 0


@define(eq=False)
class Registry:
    """The registered names of one actor system.

    A supervised actor keeps its name while it waits to be restarted, but `find` returns only
    living actors.
    """

    _cells: dict[str, Cell[Any]] = field(factory=dict, init=False)

    def claim(self, name: str, cell: Cell[Any]) -> None:
        """Register `cell` under `name`. Idempotent.

        Raises:
            NameTaken: Another actor has the name.
        """
        if self._cells.setdefault(name, cell) is not cell:
            raise NameTaken(name)

    def release(self, name: str, cell: Cell[Any]) -> None:
        """Free a name if it belongs to `cell`."""
        if self._cells.get(name) is cell:
            del self._cells[name]

    def find(self, name: str) -> Cell[Any] | None:
        """Return the living actor of this name."""
        cell = self._cells.get(name)
        return cell if cell is not None and cell.alive else None

    def names(self) -> tuple[str, ...]:
        """Return the names of all living actors, sorted."""
        return tuple(sorted(name for name, cell in self._cells.items() if cell.alive))


class Runtime:
    """The shared parts of one actor system; made when the system is entered."""

    def __init__(
        self,
        system: "ActorSystem",
        *,
        random: Random,
        events: EventStream,
        dead_letters: DeadLetters,
        on_crash: Callable[[ActorExited], object] | None,
        interceptors: tuple[Interceptor, ...],
        cancel_policy: CancelPolicy,
    ) -> None:
        self.system = system
        self.random = random
        self.events = events
        self.dead_letters = dead_letters
        self.on_crash = on_crash
        self.interceptors = interceptors
        self.cancel_policy = cancel_policy
        self.loop = asyncio.get_running_loop()
        self.base_context = copy_context()
        self.owner = asyncio.current_task()
        self.ask_timeouts = AskTimeouts(self.loop)
        self.registry = Registry()
        self.counters = Counters()
        self.roots: dict[Cell[Any], None] = {}
        self.running: Cell[Any] | None = None
        self.root_failure: asyncio.Future[RootFailed] = self.loop.create_future()
        self.interrupted: KeyboardInterrupt | None = None
        self.stuck: list[str] = []
        self.open = True
        self._last_id = 0
        self._starts: dict[Cell[Any], list[asyncio.Future[None]]] = {}
        self._watched_roots: set[Cell[Any]] = set()

    def next_id(self) -> int:
        """Return a number that is unique in this system."""
        self._last_id += 1
        return self._last_id

    # Actors

    def make_child(
        self,
        parent: Cell[Any] | None,
        factory: Callable[[], Actor[M]],
        name: str | None,
        options: Options,
    ) -> Cell[M]:
        """Make an unsupervised actor and start it."""
        if not self.open:
            raise SystemClosed(self.system.name)
        label = name or f"{getattr(factory, '__name__', 'actor')}#{self.next_id()}"
        cell = Cell(self, parent, label, factory, options, registered=name)
        if name is not None:
            self.registry.claim(name, cell)
        self.add_child(cell).launch()
        return cell

    def add_child(self, cell: Cell[M]) -> Cell[M]:
        """Add an actor to the children of its parent."""
        siblings = self.roots if cell.parent is None else cell.parent.ensure_resources().children
        siblings[cell] = None
        return cell

    def remove_child(self, cell: Cell[Any]) -> None:
        """Remove a dead actor from the children of its parent."""
        if cell.parent is None:
            self.roots.pop(cell, None)
        elif cell.parent.resources is not None:
            cell.parent.resources.children.pop(cell, None)

    async def wait_started(self, cell: Cell[Any]) -> None:
        """Wait until an actor is up.

        Raises:
            StartError: It ended first, or before.
        """
        if cell.phase is ENDED and cell.last_exit is not None:
            raise StartError(cell.path, cell.last_exit)
        future: asyncio.Future[None] = self.loop.create_future()
        self._starts.setdefault(cell, []).append(future)
        await future

    def watch_root(self, cell: Cell[Any]) -> None:
        """Fail the system if a root supervisor ends without a request to stop."""
        self._watched_roots.add(cell)

    def expect_exit(self, cell: Cell[Any]) -> None:
        """Record that the end of an actor was requested."""
        self._watched_roots.discard(cell)

    # Notifications

    def note_started(self, cell: Cell[Any]) -> None:
        """Publish that an incarnation is up, and wake `wait_started`."""
        if self.events:
            self.events.publish(ActorStarted(cell, cell.number))
        for future in self._starts.pop(cell, ()):
            if not future.done():
                future.set_result(None)

    def note_exit(self, cell: Cell[Any], reason: ExitReason) -> None:
        """Publish the end of an incarnation, and fail the system if it is a root's."""
        exited = ActorExited(cell, cell.number, reason)
        self.events.publish(exited)
        if self.on_crash is not None and isinstance(reason, Crashed | StartFailed):
            call_guarded("`on_crash`", self.on_crash, exited)
        self.fail_starts(cell, reason)
        if cell in self._watched_roots and not _is_by_design(reason):
            self._fail(RootFailed(cell, reason))
        self.expect_exit(cell)

    def fail_starts(self, cell: Cell[Any], reason: ExitReason) -> None:
        """Wake `wait_started`: an actor has ended, or will not be started again."""
        for future in self._starts.pop(cell, ()):
            if not future.done():
                future.set_exception(StartError(cell.path, reason))

    def _fail(self, failure: RootFailed) -> None:
        self.events.publish(failure)
        if not self.root_failure.done():
            self.root_failure.set_result(failure)

    def note_late_reply(self, cell: MailboxRef[Any], request: object) -> None:
        """Count and publish an answer that came too late."""
        self.counters.late_replies += 1
        self.events.publish(LateReply(cell, request))

    def note_expired(self, cell: MailboxRef[Any], request: object) -> None:
        """Count and publish a request that was skipped."""
        self.counters.expired_requests += 1
        self.events.publish(ExpiredRequest(cell, request))

    def note_dropped(self, event: MessageDropped) -> None:
        """Count and publish a message that was not delivered."""
        self.counters.dropped_messages += 1
        self.events.publish(event)

    def dead_letter(
        self, cell: MailboxRef[Any], message: object, sender: "Ref[Any] | None"
    ) -> None:
        """Record and publish a message to a dead actor."""
        letter = DeadLetter(cell, message, sender)
        self.dead_letters.add(letter, self.loop)
        self.events.publish(letter)

    def sender(self) -> "Ref[Any] | None":
        """Return the actor whose code is running, or None."""
        return self.running or CURRENT_ACTOR.get()

    def abandon(self, task: asyncio.Task[Any]) -> None:
        """Record a task that cannot be cancelled, and stop waiting for it."""
        self.stuck.append(task.get_name())
        task.add_done_callback(error_of)

    def interrupt(self, error: KeyboardInterrupt) -> None:
        """Have the task that entered the system leave it, which then raises `error`."""
        if self.interrupted is None and self.owner is not None:
            self.interrupted = error
            if self.open:  # otherwise it leaves already, and to cancel that would kill the others
                self.owner.cancel()

    # Shutdown

    async def shut_down(self) -> None:
        """Stop all actors, the last made first; if cancelled, kill them."""
        self.open = False
        try:
            for cell in reversed(tuple(self.roots)):
                self.expect_exit(cell)
                cell.request_stop(Shutdown(SystemStopped()))
                await cell.join()
        except asyncio.CancelledError:
            await self._kill_all()
            raise
        finally:
            self.ask_timeouts.close()
            self.dead_letters.close()

    async def _kill_all(self) -> None:
        cells: Iterable[Cell[Any]] = tuple(self.roots)
        for cell in cells:
            cell.request_kill()
        for cell in cells:
            await cell.join()


def _is_by_design(reason: ExitReason) -> bool:
    """Return whether the spec of a root supervisor provides for this end."""
    match reason:
        case Normal():
            return True
        case Shutdown(detail):
            return not isinstance(detail, RestartLimitReached)
        case _:
            return False
