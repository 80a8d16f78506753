"""The receiving side of an actor: the drain, its handlers, its incarnations.

Rule: everything that changes `phase` lives in this file; `_states` has the table of phases and
transitions. A change goes through `Phase.to`, which refuses what the table does not list. The two
changes on the path of every message, `IDLE` to `READY` and back, are plain assignments: in both
places an `is` test of the present phase stands before them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actors._actor import Actor, Context
from actors._delivery import discard_queue
from actors._ending import Ending
from actors._envelope import NEVER, Envelope, Poison, Reply
from actors._events import SlowHandler, StopFailed, Subscription, call_guarded
from actors._exits import Crashed, ExitReason, Killed, NoProc, StartFailed, is_graceful
from actors._inspect import TraceEntry
from actors._mailbox import MailboxRef
from actors._messages import DEFERRED, Down, LinkExit
from actors._ref import Ref
from actors._resources import Resources, TaskFailed, release
from actors._specs import BrutalKill, Deadline, Infinity, Options
from actors._states import (
    AWAITING,
    ENDED,
    IDLE,
    LAUNCHING,
    READY,
    STARTING,
    STOPPING,
    URGENT,
    WAITING,
    ActorState,
    Phase,
)
from actors._supervisor_api import AbstractSupervisor, ChildEnded, ChildReady
from actors._tasks import PendingHandler, close_unstarted, error_of, guarded
from actors._timers import Timer, Timers, call_after

if TYPE_CHECKING:
    from actors._runtime import Runtime

M = TypeVar("M")
R = TypeVar("R")
T = TypeVar("T")

BATCH: Final = 256
"""Messages handled in one callback before the loop gets its turn."""

_DRAINED: Final = (READY, URGENT, LAUNCHING)
"""The phases in which a drain is scheduled or running."""

_CLOSED: Final = (ENDED, WAITING, STOPPING)
"""The phases in which messages of the runtime and requests to stop are of no use."""


class Cell(MailboxRef[M]):
    """One actor over all its incarnations; other code holds it as a `Ref`.

    Attributes:
        phase: The next action of the runtime; see the table in `_states`.
        up: Whether this incarnation is up; see note 1 of that table.
        suspended: Whether user messages are left in the queue.
        actor: The behaviour of this incarnation.
        supervisor: The same, if it is a supervisor's.
        context: The context of this incarnation.
        resources: The resources of this incarnation; None until it has some.
        control: Messages of the runtime that wait; None if there are none.
        request: The envelope whose message is being handled.
        handler: The handler that `STARTING` and `AWAITING` wait for and `STOPPING` cancels.
        exit: The reason to end with as soon as the drain gets to it.
        ending: The end that is under way in `STOPPING`.
        deadline: The timer that turns a stop into a kill.
        registered: The name in the registry.
        supervised: Whether the parent is a supervisor, which decides about restarts.
        handled: The number of user messages begun, over all incarnations.
        tracers: Called with every user message that is begun.
    """

    __slots__ = (
        "actor",
        "context",
        "control",
        "deadline",
        "ending",
        "exit",
        "factory",
        "handled",
        "handler",
        "registered",
        "request",
        "resources",
        "supervised",
        "supervisor",
        "suspended",
        "tracers",
        "up",
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
        self.supervisor: AbstractSupervisor[Any] | None = None
        self.context: Context[M] | None = None
        self.resources: Resources | None = None
        self.control: deque[object] | None = None
        self.tracers: tuple[Callable[[TraceEntry], object], ...] = ()
        self.request: Envelope | None = None
        self.handler: PendingHandler | None = None
        self.ending: Ending | None = None
        self.exit: ExitReason | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.suspended = False
        self.up = False

    # The drain
    #
    # An actor has no task of its own. The first message to an idle actor makes its queue and
    # schedules `drain` on the loop; the drain calls `receive` for message after message until the
    # queue is empty, and drops the queue. Only a handler that returns an awaitable gets a task, and
    # the end of that task runs the drain again.
    #
    # Why so: most actors wait most of the time. A task that loops over an `asyncio.Queue` holds
    # about 4.5 KB while it waits; an idle cell holds less than 700 bytes (`tests/actors/
    # test_idle.py`). A task also costs a future and a turn of the loop for each message that finds
    # it waiting; the drain costs one `call_soon` for all messages that arrive before it runs.
    #
    # Alternatives:
    # - Calling `receive` in the sender's stack, without the loop: the fastest, but a handler could
    #   be entered while it runs, and a chain of actors could overflow the stack.
    # - One `call_soon` for each message: needs no queue, but pays a handle and a context for each,
    #   and could neither bound a mailbox nor let a stop overtake messages.
    # - One run queue for the whole system: one callback for all actors, but it would need a
    #   scheduler of its own to be fair to sockets and timers. The loop is one.
    #
    # Pitfalls:
    # - A handler may do anything to its own cell before it returns: send to itself, stop, suspend,
    #   crash a linked actor. So the phase is read again after every message, never remembered.
    # - A crash may end the incarnation before `_crash` returns. Then the phase is `WAITING` or
    #   `ENDED`, the resources are released, and in `ENDED` the queue is discarded as well.
    # - A drain that returns in a phase other than `IDLE` and `ENDED` must leave something that
    #   calls back: see the table. A `READY` actor with no drain scheduled hangs for ever; with two,
    #   it handles two batches in one turn of the loop.
    # - A stop, a timer or a `Down` overtakes user messages only because `_preempt` turns `READY`
    #   into `URGENT`, which ends the inner loop of `_handle_messages`.
    # - The batch is bounded, or actors that send to each other would starve the sockets.
    # - The callback gets a fresh copy of the context in which the system was entered. In the
    #   sender's context, its context variables would leak into the actor.
    # - `SystemExit` and `KeyboardInterrupt` must not reach the loop, which they would end: handlers
    #   are called under `except BaseException`.

    def drain(self) -> None:
        """Handle what is queued, at most `BATCH` messages; then let the loop turn."""
        self.runtime.running = self
        budget = BATCH
        while budget > 0:
            phase = self.phase
            if phase is READY:
                queue = self.queue
                if not queue or self.suspended:
                    self.phase = IDLE  # from READY
                    if not queue:
                        self.queue = None
                    break
                budget -= self._handle_messages(queue, budget)
            elif phase is URGENT or phase is LAUNCHING:
                budget -= 1
                self._handle_urgent()
            else:
                break  # the end of a task, or `launch`, runs a drain; nothing does after `ENDED`
        self.runtime.running = None
        if budget <= 0 and self.phase in _DRAINED:
            self._schedule()

    def _handle_messages(self, queue: deque[Any], budget: int) -> int:
        """Handle user messages while the actor is `READY`; return how many."""
        receive = self._receiver()
        served = 0
        try:
            while queue and served < budget and self.phase is READY:
                served += 1
                message = queue.popleft()
                if message.__class__ is Envelope:
                    if not self._begin_request(message):
                        continue
                    result = receive(message.message)
                    if result is DEFERRED and message.taken:
                        self.request = None
                    else:
                        self._complete(message.message, result)
                else:
                    result = receive(message)
                    if result is not None:
                        self._complete(message, result)
        except BaseException as error:
            self._crash(error)
        self.handled += served
        if self.put_queue is not None:
            self.put_queue.admit(self)
        return served

    def _handle_urgent(self) -> None:
        """Do what comes before user messages: end, start, or handle one runtime message."""
        if self.exit is not None:
            self._end(self.exit)
            return
        try:
            if self.phase is LAUNCHING:
                self._start()
            elif self.control:
                self._dispatch(self.control.popleft())
        except BaseException as error:
            self._crash(error)
        if self.phase is LAUNCHING or self.phase is URGENT:
            self._continue()

    def _continue(self) -> None:
        """Enter `URGENT` if something comes before user messages, else `READY`."""
        phase = URGENT if self.exit is not None or self.control else READY
        if self.phase is not phase:
            self.phase = self.phase.to(phase)

    def wake(self) -> None:
        """Leave `IDLE`: schedule the drain."""
        self.phase = READY  # `offer` has seen IDLE
        runtime = self.runtime
        runtime.loop.call_soon(self.drain, context=runtime.base_context.copy())

    def _preempt(self) -> None:
        """Have the drain look at `exit`, `control` and `suspended` before the next user message."""
        phase = self.phase
        if phase is IDLE or phase is READY:
            self.phase = phase.to(URGENT)
            if phase is IDLE:
                self._schedule()

    def _schedule(self) -> None:
        runtime = self.runtime
        runtime.loop.call_soon(self.drain, context=runtime.base_context.copy())

    # Handling one message

    def _receiver(self) -> Callable[[Any], object]:
        assert self.actor is not None
        if self.tracers or self.options.max_handle is not None:
            return partial(self._observed, self.actor.receive)
        return self.actor.receive

    def _observed(self, receive: Callable[[Any], object], message: object) -> object:
        """Handle a message, traced and timed."""
        began = self.runtime.loop.time()
        entry = TraceEntry(began, self, self.number, message)
        for tracer in self.tracers:
            call_guarded("a tracer", tracer, entry)
        result = receive(message)
        took = self.runtime.loop.time() - began
        if self.options.max_handle is not None and took > self.options.max_handle:
            self._report_slow(message, took)
        return result

    def _begin_request(self, envelope: Envelope) -> bool:
        """Begin an enveloped message; return False if its caller has stopped waiting."""
        is_late = envelope.deadline != NEVER and envelope.deadline <= self.runtime.loop.time()
        if is_late or envelope.expired:
            self.runtime.note_expired(self, envelope.message)
            return False
        self.request = envelope
        if envelope.message.__class__ is Poison:
            raise envelope.message.error
        return True

    def _dispatch(self, entry: object) -> None:
        """Handle one message of the runtime."""
        assert self.actor is not None
        match entry:
            case Timer():
                if self.ensure_resources().timers.begin(entry):
                    self._complete(entry.message, self._receiver()(entry.message))
            case Down():
                if self.ensure_resources().monitors.pop(entry.monitor, None) is not None:
                    self._complete(entry, self.actor.on_down(entry))
            case LinkExit():
                if self.actor.trap_exits:
                    self._complete(entry, self.actor.on_exit(entry))
                elif not is_graceful(entry.reason):
                    self._end(entry.reason)
            case TaskFailed():
                raise entry.error
            case ChildReady():
                assert self.supervisor is not None
                self.supervisor.child_ready(entry)
            case ChildEnded():
                assert self.supervisor is not None
                self.supervisor.child_ended(entry)

    def _complete(self, message: object, result: Any) -> None:
        """Answer with the result of a handler, or await the result first."""
        if hasattr(result.__class__, "__await__"):
            self._begin_await(AWAITING, message, result)
        else:
            self._answer(result)

    def _answer(self, value: object) -> None:
        envelope = self.request
        if value is DEFERRED and envelope is not None and not envelope.taken:
            raise RuntimeError("receive returned DEFERRED without taking context.reply()")
        self.request = None
        if envelope is None or envelope.taken:
            return
        if not envelope.succeed(value):
            self.runtime.note_late_reply(self, envelope.message)

    def take_reply(self) -> Reply:
        """Let the actor answer the message being handled later."""
        envelope = self.request
        if envelope is None:
            return Envelope(None, self, None)
        envelope.taken = True
        self.ensure_resources().replies[envelope] = None
        return envelope

    def forget_reply(self, envelope: Envelope) -> None:
        """Drop a promised reply, because it was sent."""
        if self.resources is not None:
            self.resources.replies.pop(envelope, None)

    # Handlers that await

    def _begin_await(self, phase: Phase, message: object, awaitable: Awaitable[object]) -> None:
        loop = self.runtime.loop
        task = loop.create_task(guarded(self, awaitable), name=f"a handler of {self.label}")
        self.handler = PendingHandler(task, awaitable, message, loop.time())
        self.phase = self.phase.to(phase)
        limit = self.options.max_handle
        if limit is not None and phase is AWAITING:
            self.handler.watchdog = call_after(loop, limit, self._report_slow, message, limit)
        task.add_done_callback(self._await_done)

    def _await_done(self, task: asyncio.Task[Any]) -> None:
        handler = self.handler
        error = error_of(task)
        if handler is None or handler.task is not task:
            return  # it was abandoned as stuck, and ended after all
        close_unstarted(handler.awaitable)
        if handler.watchdog is not None:
            handler.watchdog.cancel()
        if self.ending is not None:
            if error is not None and not task.cancelled():
                self.runtime.events.publish(StopFailed(self, error))
            return
        was_starting = self.phase is STARTING
        self.handler = None
        self._continue()
        if was_starting:
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

    # Requests of other parts of the runtime

    def post(self, entry: object) -> None:
        """Queue a message of the runtime, ahead of all user messages."""
        if self.phase in _CLOSED:
            return
        if self.control is None:
            self.control = deque()
        self.control.append(entry)
        self._preempt()

    def request_stop(self, reason: ExitReason, deadline: Deadline | None = None) -> None:
        """End after the current handler; a start under way is cancelled."""
        if self.phase in _CLOSED:
            return
        self.exit = self.exit or reason
        deadline = self.options.shutdown if deadline is None else deadline
        if isinstance(deadline, BrutalKill):
            self.request_kill()
            return
        self.arm_deadline(deadline)
        if self.phase is STARTING and self.handler is not None:
            self.handler.task.cancel()
        self._preempt()

    def request_kill(self) -> None:
        """End now: a handler that awaits is cancelled."""
        if self.ending is not None:
            self.ending.kill()
        elif self.handler is not None:
            self._end(Killed())
        elif self.alive:
            self.exit = Killed()
            self._preempt()

    def arm_deadline(self, deadline: Deadline) -> None:
        """Kill the actor when its time to stop is over; the first deadline set counts."""
        if isinstance(deadline, Infinity) or self.supervisor is not None:
            return
        if isinstance(deadline, BrutalKill):
            deadline = self.runtime.cancel_policy.kill_grace
        if self.deadline is None:
            self.deadline = call_after(self.runtime.loop, deadline, self.request_kill)

    def join(self) -> asyncio.Future[ExitReason]:
        """Return a future of the reason with which this incarnation ends."""
        future: asyncio.Future[ExitReason] = self.runtime.loop.create_future()
        if self.alive:
            self.ensure_resources().joiners.append(future)
        else:
            future.set_result(self.last_exit or NoProc())
        return future

    def suspend(self) -> None:
        """Leave user messages in the queue until `resume`."""
        self.suspended = True
        self._preempt()

    def resume(self) -> None:
        """Handle user messages again."""
        self.suspended = False
        self._preempt()

    def trace(self, tracer: Callable[[TraceEntry], object]) -> Subscription:
        """Call `tracer` with every user message that is begun."""

        def untrace(_subscription: Subscription) -> None:
            self.tracers = tuple(each for each in self.tracers if each is not tracer)

        self.tracers = (*self.tracers, tracer)
        return Subscription(untrace)

    def configure(
        self, factory: Callable[[], Actor[M]], options: Options, registered: str | None
    ) -> None:
        """Set the factory and the name of the next incarnations, and the options from now on."""
        if self.registered not in (None, registered):
            self.runtime.registry.release(self.registered, self)
        self.factory = factory
        self.registered = registered
        self.take_options(options)

    # State and resources

    @property
    def state(self) -> ActorState:
        """The public state."""
        state = self.phase.state
        return ActorState.STARTING if state is ActorState.RUNNING and not self.up else state

    def ensure_resources(self) -> Resources:
        """Return the resources of this incarnation, made when first needed."""
        if self.resources is None:
            self.resources = Resources(Timers(self.runtime.loop, self.post))
        return self.resources

    @property
    def has_dependents(self) -> bool:
        """Whether tasks or children must end before this incarnation can."""
        resources = self.resources
        return resources is not None and bool(resources.tasks or resources.children)

    def children_in_reverse(self) -> "tuple[Cell[Any], ...]":
        """Return the actors this one owns, the last made first."""
        return () if self.resources is None else tuple(reversed(self.resources.children))

    # Starting and ending

    def launch(self) -> None:
        """Begin the next incarnation, of an actor that is down."""
        self.phase = self.phase.to(LAUNCHING)
        self.number += 1
        self._schedule()

    def _start(self) -> None:
        try:
            if self.registered is not None:
                self.runtime.registry.claim(self.registered, self)
            for interceptor in self.interceptors:
                interceptor.starting(self)
            actor = self.factory()
            self.context = actor.context = Context(self, self.number)
            self.actor = actor
            self.supervisor = actor if isinstance(actor, AbstractSupervisor) else None
            result = actor.on_start()
        except BaseException as error:
            self._start_done(error)
            return
        if result is not None:
            self._begin_await(STARTING, "on_start", result)
        elif self.supervisor is None:
            self.started()

    def started(self) -> None:
        """Report that this incarnation is up."""
        self.up = True
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
        self.phase = self.phase.to(STOPPING)
        needs_on_stop, self.up = self.up, False
        if self.request is not None:
            self.request.fail_dead(reason)
            self.request = None
        self.ending = Ending(self, reason, needs_on_stop=needs_on_stop)
        self.ending.begin()

    def finish(self, reason: ExitReason) -> None:
        """Complete the end of this incarnation and notify its supervisor, monitors and links."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.phase = self.phase.to(WAITING)
        self.deadline = self.ending = self.exit = self.control = None
        self.actor = self.supervisor = self.context = None
        self.last_exit = reason
        release(self, reason)
        self.runtime.note_exit(self, reason)
        if self.supervised and self.parent is not None:
            self.parent.post(ChildEnded(self, self.number, reason))
        else:
            self.discard(reason)
            self.runtime.remove_child(self)

    def discard(self, reason: ExitReason) -> None:
        """Rule out a next incarnation: free the name, turn the queue into dead letters."""
        if self.phase is not ENDED:
            self.phase = self.phase.to(ENDED)
        if self.registered is not None:
            self.runtime.registry.release(self.registered, self)
        self.runtime.fail_starts(self, reason)
        discard_queue(self, reason)


def cell_of(ref: Ref[Any]) -> Cell[Any]:
    """Return the runtime side of a ref."""
    assert isinstance(ref, Cell)
    return ref
