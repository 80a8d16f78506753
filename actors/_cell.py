"""The runtime side of one actor: its mailbox, its handlers, its incarnations.

An idle actor is this object, its behaviour and a context: no task and no mailbox. The first
message makes a deque and schedules `drain` on the loop; when the deque is empty again it is
dropped. Plain handlers run straight in the drain; a task exists only while a handler awaits.

Three flags steer the drain. `active`: somebody will come back to this cell without being
asked (a scheduled drain, the end of a handler, a start), so a sender need not schedule one.
`blocked`: a handler awaits, or there is no incarnation to run. `urgent`: there is something
to do before the next user message.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from attrs import define

from actors._actor import Actor, Context
from actors._delivery import content_of
from actors._ending import Ending
from actors._envelope import NEVER, Envelope, Poison, Reply
from actors._events import SlowHandler, StopFailed, Subscription
from actors._exits import Crashed, ExitReason, Killed, NoProc, StartFailed, is_graceful
from actors._inspect import TraceEntry
from actors._mailbox import MailboxRef
from actors._messages import DEFERRED, Down, LinkExit
from actors._ref import Ref
from actors._resources import Resources, notify_exit
from actors._specs import BrutalKill, Deadline, Infinity, Options
from actors._states import ActorState
from actors._supervisor_api import AbstractSupervisor, ChildEnded, ChildReady
from actors._tasks import close_unstarted, error_of, guarded
from actors._timers import Timer, Timers

if TYPE_CHECKING:
    from actors._runtime import Runtime

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")

BATCH: Final = 256
"""Messages handled in one callback before the loop gets its turn."""

_LISTENING = (ActorState.STARTING, ActorState.RUNNING)


@define(eq=False)
class Work:
    """A handler, or a start, that awaits."""

    task: asyncio.Task[Any]
    awaitable: Awaitable[object]
    message: object
    since: float
    starting: bool
    watchdog: asyncio.TimerHandle | None = None


class TaskFailed:
    """Control entry: a task the actor owns raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Cell(MailboxRef[M]):
    """One actor over all its incarnations; everybody else knows it as `Ref`."""

    __slots__ = (
        "actor",
        "asking",
        "blocked",
        "context",
        "control",
        "deadline",
        "ending",
        "exit",
        "factory",
        "handled",
        "launching",
        "registered",
        "resources",
        "sinks",
        "supervised",
        "suspended",
        "urgent",
        "work",
    )

    def __init__(
        self,
        runtime: "Runtime",
        parent: "Cell[Any] | None",
        label: str,
        factory: Callable[[], Actor[M]],
        options: Options,
        *,
        supervised: bool = False,
        registered: str | None = None,
    ) -> None:
        super().__init__(runtime, parent, label, options)
        self.factory = factory
        self.supervised = supervised
        self.registered = registered
        self.handled = 0
        self.actor: Actor[M] | None = None
        self.context: Context[M] | None = None
        self.resources: Resources | None = None
        self.control: deque[object] | None = None
        self.sinks: tuple[Callable[[TraceEntry], object], ...] = ()
        self.asking: Envelope | None = None
        self.work: Work | None = None
        self.ending: Ending | None = None
        self.exit: ExitReason | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.blocked = True
        self.launching = False
        self.suspended = False
        self.urgent = False

    def ensure_resources(self) -> Resources:
        """Return the possessions of this incarnation, made when first asked for."""
        if self.resources is None:
            self.resources = Resources(Timers(self.runtime.loop, self.post))
        return self.resources

    # What others make it do

    def configure(self, factory: Callable[[], Actor[M]], options: Options) -> None:
        """Set how the next incarnations are made and treated."""
        self.factory = factory
        self.take_options(options)

    def launch(self) -> None:
        """Begin the next incarnation; a dead actor comes back to life."""
        self.number += 1
        self.state = ActorState.STARTING
        self.launching = self.urgent = True
        self.blocked = False
        self.direct = not self.interceptors
        self.schedule()

    def post(self, entry: object) -> None:
        """Take a message of the runtime in, ahead of all user messages."""
        if self.state not in _LISTENING:
            return
        if self.control is None:
            self.control = deque()
        self.control.append(entry)
        self._hurry()

    def request_stop(self, reason: ExitReason, deadline: Deadline | None = None) -> None:
        """End after the current handler; a start that is under way is cancelled."""
        if self.state not in _LISTENING:
            return
        self.exit = self.exit or reason
        deadline = self.options.shutdown if deadline is None else deadline
        if isinstance(deadline, BrutalKill):
            self.request_kill()
            return
        self.arm_deadline(deadline)
        if self.work is not None and self.work.starting:
            self.work.task.cancel()
        self._hurry()

    def request_kill(self) -> None:
        """End now: a handler that awaits is cancelled."""
        if self.ending is not None:
            self.ending.kill()
        elif self.work is not None:
            self._end(Killed())
        elif self.alive:
            self.exit = Killed()
            self._hurry()

    def arm_deadline(self, deadline: Deadline) -> None:
        """Turn the end into a kill when the time for it is over; an earlier one counts."""
        if isinstance(deadline, Infinity) or isinstance(self.actor, AbstractSupervisor):
            return
        if isinstance(deadline, BrutalKill):
            deadline = self.runtime.cancel_policy.kill_grace
        if self.deadline is None:
            self.deadline = self.runtime.loop.call_later(deadline, self.request_kill)

    def join(self) -> asyncio.Future[ExitReason]:
        """Return a future of the reason with which this incarnation ends."""
        future: asyncio.Future[ExitReason] = self.runtime.loop.create_future()
        if self.alive:
            self.ensure_resources().joiners.append(future)
        else:
            future.set_result(self.last_exit or NoProc())
        return future

    @property
    def supervisor(self) -> "AbstractSupervisor[Any] | None":
        """The behaviour, if it is a supervisor's."""
        return self.actor if isinstance(self.actor, AbstractSupervisor) else None

    @property
    def is_up(self) -> bool:
        """Whether the start of this incarnation is done and its end has not begun."""
        return self.state is ActorState.RUNNING

    def trace(self, sink: Callable[[TraceEntry], object]) -> Subscription:
        """Call `sink` with every message that is handled."""

        def untrace(_subscription: Subscription) -> None:
            self.sinks = tuple(each for each in self.sinks if each is not sink)

        self.sinks = (*self.sinks, sink)
        return Subscription(untrace)

    def suspend(self) -> None:
        """Leave user messages waiting until `resume`."""
        self.suspended = True
        self._hurry()

    def resume(self) -> None:
        """Handle user messages again."""
        self.suspended = False
        self._hurry()

    def _hurry(self) -> None:
        self.urgent = True
        if not self.active:
            self.schedule()

    def schedule(self) -> None:
        """Have the waiting messages handled as soon as the loop gets to it."""
        self.active = True
        runtime = self.runtime
        runtime.loop.call_soon(self.drain, context=runtime.base_context.copy())

    # Handling

    def drain(self) -> None:
        """Handle what waits, at most `BATCH` messages, then let the loop turn."""
        self.runtime.running = self
        budget = BATCH
        while budget > 0 and not self.blocked:
            if self.urgent:
                budget -= 1
                self._serve_control()
            elif self.queue and not self.suspended:
                budget -= self._serve(self.queue, budget)
            else:
                self._rest()
                break
        self.runtime.running = None
        if self.active and not self.blocked:
            self.schedule()

    def _rest(self) -> None:
        self.active = False
        if not self.queue:
            self.queue = None

    def _serve_control(self) -> None:
        if self.exit is not None:
            self._end(self.exit)
            return
        try:
            if self.launching:
                self._start()
            elif self.control:
                self._dispatch(self.control.popleft())
        except BaseException as error:
            self._crash(error)
        self.urgent = self.exit is not None or bool(self.control)

    def _serve(self, queue: deque[Any], budget: int) -> int:
        """Hand over user messages until something else is due; return how many."""
        receive = self._receiver()
        served = 0
        try:
            while queue and served < budget and not self.urgent:
                served += 1
                message = queue.popleft()
                if message.__class__ is Envelope:
                    if not self._open(message):
                        continue
                    result = receive(message.message)
                    if result is DEFERRED and message.taken:
                        self.asking = None
                    else:
                        self._conclude(message.message, result)
                else:
                    result = receive(message)
                    if result is not None:
                        self._conclude(message, result)
                if self.blocked:
                    break
        except BaseException as error:
            self._crash(error)
        self.handled += served
        if self.put_queue is not None:
            self.put_queue.admit(self)
        return served

    def _receiver(self) -> Callable[[Any], object]:
        assert self.actor is not None
        if self.sinks or self.options.max_handle is not None:
            return partial(self._observed, self.actor.receive)
        return self.actor.receive

    def _observed(self, receive: Callable[[Any], object], message: object) -> object:
        """Handle a message under the eyes of traces and of `max_handle`."""
        began = self.runtime.loop.time()
        entry = TraceEntry(began, self, self.number, message)
        for sink in self.sinks:
            sink(entry)
        result = receive(message)
        took = self.runtime.loop.time() - began
        if self.options.max_handle is not None and took > self.options.max_handle:
            self._report_slow(message, took)
        return result

    def _open(self, envelope: Envelope) -> bool:
        """Begin with an enveloped message; return False if nobody wants the answer."""
        is_late = envelope.deadline != NEVER and envelope.deadline <= self.runtime.loop.time()
        if is_late or envelope.expired:
            self.runtime.note_expired(self, envelope.message)
            return False
        self.asking = envelope
        if envelope.message.__class__ is Poison:
            raise envelope.message.error
        return True

    def _dispatch(self, entry: object) -> None:
        assert self.actor is not None
        match entry:
            case Timer():
                if self.ensure_resources().timers.begin(entry):
                    self._conclude(entry.message, self._receiver()(entry.message))
            case Down():
                if self.ensure_resources().monitors.pop(entry.monitor, None) is not None:
                    self._conclude(entry, self.actor.on_down(entry))
            case LinkExit():
                if self.actor.trap_exits:
                    self._conclude(entry, self.actor.on_exit(entry))
                elif not is_graceful(entry.reason):
                    self._end(entry.reason)
            case TaskFailed():
                raise entry.error
            case ChildReady():
                cast("AbstractSupervisor[Any]", self.actor).child_ready(entry)
            case ChildEnded():
                cast("AbstractSupervisor[Any]", self.actor).child_ended(entry)

    def _conclude(self, message: object, result: object) -> None:
        """Answer with what a handler returned, or wait for it first."""
        if hasattr(result.__class__, "__await__"):
            self._begin_work(message, cast("Awaitable[object]", result))
        else:
            self._answer(result)

    def _answer(self, value: object) -> None:
        envelope = self.asking
        if value is DEFERRED and envelope is not None and not envelope.taken:
            raise RuntimeError("receive returned DEFERRED without taking context.reply()")
        self.asking = None
        if envelope is None or envelope.taken:
            return
        if not envelope.succeed(value):
            self.runtime.note_late_reply(self, envelope.message)

    def take_reply(self) -> Reply:
        """Take over the answer to the message being handled."""
        envelope = self.asking
        if envelope is None:
            return Envelope(None, self, None)
        envelope.taken = True
        self.ensure_resources().replies[envelope] = None
        return envelope

    def forget_reply(self, envelope: Envelope) -> None:
        """Note that a promised answer was given."""
        if self.resources is not None:
            self.resources.replies.pop(envelope, None)

    # Handlers that await

    def _begin_work(
        self, message: object, awaitable: Awaitable[object], *, starting: bool = False
    ) -> None:
        loop = self.runtime.loop
        task = loop.create_task(guarded(self, awaitable), name=f"a handler of {self.label}")
        self.work = Work(task, awaitable, message, loop.time(), starting)
        self.blocked = True
        limit = self.options.max_handle
        if limit is not None and not starting:
            self.work.watchdog = loop.call_later(limit, self._report_slow, message, limit)
        task.add_done_callback(self._work_done)

    def _work_done(self, task: asyncio.Task[Any]) -> None:
        work = self.work
        error = error_of(task)
        if work is None or work.task is not task:
            return  # it was abandoned, and ended after all
        close_unstarted(work.awaitable)
        if work.watchdog is not None:
            work.watchdog.cancel()
        if self.ending is not None:
            if error is not None and not task.cancelled():
                self.runtime.events.publish(StopFailed(self, error))
            return
        self.work = None
        self.blocked = False
        if work.starting:
            self._start_done(error)
        elif error is not None:
            self._crash(error)
        else:
            self._finish_handler(task.result())
        self.drain()

    def _finish_handler(self, value: object) -> None:
        try:
            self._answer(value)
        except RuntimeError as error:
            self._crash(error)

    def _report_slow(self, message: object, seconds: float) -> None:
        self.runtime.events.publish(SlowHandler(self, message, seconds))
        if self.options.kill_slow:
            self.request_kill()

    def own_task(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine as a task that ends with this incarnation."""
        task = self.runtime.loop.create_task(guarded(self, coro), name=name)
        tasks = self.ensure_resources().tasks
        tasks.add(task)
        task.add_done_callback(partial(self._task_done, tasks, coro))
        return task

    def _task_done(
        self,
        tasks: set[asyncio.Task[Any]],
        coro: Coroutine[Any, Any, Any],
        task: asyncio.Task[Any],
    ) -> None:
        tasks.discard(task)
        close_unstarted(coro)
        error = error_of(task)
        if error is None or task.cancelled():
            return
        if self.resources is not None and self.resources.tasks is tasks:
            self.post(TaskFailed(error))

    # Starting and ending

    def _start(self) -> None:
        self.launching = False
        try:
            if self.registered is not None:
                self.runtime.registry.claim(self.registered, self)
            for interceptor in self.interceptors:
                interceptor.starting(self)
            actor = self.factory()
            self.context = actor.context = Context(self, self.number)
            self.actor = actor
            result = actor.on_start()
        except BaseException as error:
            self._start_done(error)
            return
        if result is not None:
            self._begin_work("on_start", result, starting=True)
        elif not isinstance(actor, AbstractSupervisor):
            self.started()

    def started(self) -> None:
        """Note that this incarnation is up."""
        self.state = ActorState.RUNNING
        self.runtime.note_started(self)
        if self.supervised and self.parent is not None:
            self.parent.post(ChildReady(self, self.number))

    def _start_done(self, error: BaseException | None) -> None:
        if error is None:
            self.started()
        elif self.exit is not None and isinstance(error, asyncio.CancelledError):
            self._end(self.exit)
        else:
            self.fail_start(error)

    def fail_start(self, error: BaseException) -> None:
        """End because the start failed."""
        if isinstance(error, KeyboardInterrupt):
            self.runtime.interrupt(error)
        self._end(StartFailed(error))

    def _crash(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.runtime.interrupt(error)
        self._end(Crashed(error))

    def _end(self, reason: ExitReason) -> None:
        if self.ending is not None:
            return
        owes_on_stop = self.state is ActorState.RUNNING
        self.state = ActorState.STOPPING
        self.blocked = self.active = True
        if self.asking is not None:
            self.asking.fail_dead(reason)
            self.asking = None
        self.ending = Ending(self, reason, owes_on_stop=owes_on_stop)
        self.ending.begin()

    @property
    def has_dependents(self) -> bool:
        """Whether tasks or children must end before this incarnation can."""
        resources = self.resources
        return resources is not None and bool(resources.tasks or resources.children)

    def children_in_reverse(self) -> "tuple[Cell[Any], ...]":
        """Return the actors this one owns, the last made first."""
        return () if self.resources is None else tuple(reversed(self.resources.children))

    def finish(self, reason: ExitReason) -> None:
        """End this incarnation for good and tell everybody who asked."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.state = ActorState.WAITING
        self.deadline = self.ending = self.exit = self.control = None
        self.actor = self.context = None
        self.last_exit = reason
        self._release_holdings(reason)
        self.runtime.note_exit(self, reason)
        if self.supervised and self.parent is not None:
            self.parent.post(ChildEnded(self, self.number, reason))
        else:
            self.discard(reason)
            self.runtime.remove_child(self)

    def _release_holdings(self, reason: ExitReason) -> None:
        resources = self.resources
        if resources is None:
            return
        resources.timers.cancel_all()
        for envelope in tuple(resources.replies):
            envelope.fail_dead(reason)
        notify_exit(self, reason)
        for joiner in resources.joiners:
            if not joiner.done():
                joiner.set_result(reason)
        self.resources = None

    def discard(self, reason: ExitReason) -> None:
        """Give up on a next incarnation: free the name, turn the queue into dead letters."""
        self.state = ActorState.ENDED
        self.direct = False
        if self.registered is not None:
            self.runtime.registry.release(self.registered, self)
        queue, self.queue = self.queue, None
        for message in queue or ():
            if isinstance(message, Envelope) and message.caller is not None:
                message.fail_dead(reason)
            else:
                self.runtime.dead_letter(self, content_of(message), None)
        if self.put_queue is not None:
            self.put_queue.discard_all(self)


def cell_of(ref: Ref[Any]) -> Cell[Any]:
    """Return the runtime side of a ref."""
    assert isinstance(ref, Cell)
    return ref
