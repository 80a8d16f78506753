"""The supervisor: an actor that carries out the steps of `Supervision`."""

from typing import Any, Final

from attrs import define, field

from actors._cell import Cell, cell_of
from actors._envelope import Reply
from actors._errors import ChildError, StartError
from actors._events import ChildParked, ChildRestarting, Escalated, Event
from actors._exits import ExitReason, Shutdown
from actors._inspect import ChildInfo
from actors._messages import DEFERRED
from actors._ref import Ref
from actors._specs import ChildSpec, Options, SupervisorSpec
from actors._states import ChildState
from actors._supervision import (
    AbortStart,
    Child,
    Delete,
    Escalate,
    NotStarted,
    Park,
    Ready,
    Release,
    Retry,
    Start,
    Started,
    Step,
    Stop,
    Supervision,
)
from actors._supervisor_api import (
    AbstractSupervisor,
    Alarm,
    ChildEnded,
    ChildReady,
    DeleteChild,
    ReplaceChild,
    RestartChild,
    ReviveChild,
    StartChild,
    SupervisorMessage,
    TerminateChild,
    WhichChild,
    WhichChildren,
)

_ALARM: Final = "alarm"


@define(eq=False)
class _PendingReplies:
    """Replies that wait for a child to be up, or down."""

    _replies: dict[str, list[Reply]] = field(factory=dict, init=False)

    def add(self, child_id: str, reply: Reply) -> None:
        self._replies.setdefault(child_id, []).append(reply)

    def take(self, child_id: str) -> list[Reply]:
        return self._replies.pop(child_id, [])


class Supervisor(AbstractSupervisor[SupervisorMessage]):
    """Starts, monitors, restarts and stops children by its spec.

    `SupervisorRef` is its typed handle. It never blocks: while children start, stop or wait
    for a delay, it answers requests.

    Args:
        spec: Its children and rules.
    """

    def __init__(self, spec: SupervisorSpec) -> None:
        self._spec = spec
        self._cells: dict[str, Cell[Any]] = {}
        self._awaiting_start = _PendingReplies()
        self._awaiting_stop = _PendingReplies()

    def on_start(self) -> None:
        """Start the first children; the supervisor is up when all are."""
        self._own = cell_of(self.context.ref)
        self._rules = Supervision(self._spec, self.context.random)
        now = self.context.loop_time()
        steps = self._rules.begin(now)
        for child in self._rules:
            self._cell(child.id)  # made in the order of the specs, since they stop in reverse
        self._apply(steps, now)

    def receive(self, message: SupervisorMessage) -> object:
        """Carry out a request, or answer with the error that rejects it."""
        try:
            return self._handle(message, self.context.loop_time())
        except (ChildError, ValueError) as error:
            self.context.reply().fail(error)
            return DEFERRED

    def child_ready(self, event: ChildReady) -> None:
        """Apply the rules to a child that is up."""
        if self._is_own_child(event.ref):
            now = self.context.loop_time()
            self._apply(self._rules.started(event.ref.name, now), now)

    def child_ended(self, event: ChildEnded) -> None:
        """Apply the rules to a child that ended."""
        if self._is_own_child(event.ref):
            now = self.context.loop_time()
            self._apply(self._rules.ended(event.ref.name, event.reason, now), now)

    def child_infos(self) -> tuple[ChildInfo, ...]:
        """Describe all children, in start order."""
        return tuple(self._describe(child) for child in self._rules)

    # Requests

    def _handle(self, message: SupervisorMessage, now: float) -> object:
        answer: object = None
        match message:
            case StartChild(spec, wait):
                answer = self._start_child(spec, now, wait=wait)
            case TerminateChild(child_id):
                answer = self._terminate_child(child_id, now)
            case RestartChild(child_id):
                answer = self._reply_when_up(child_id, self._rules.restart(child_id, now), now)
            case ReviveChild(child_id):
                answer = self._reply_when_up(child_id, self._rules.revive(child_id, now), now)
            case ReplaceChild(spec):
                answer = self._replace_child(spec, now)
            case DeleteChild(child_id):
                self._apply(self._rules.delete(child_id, now), now)
            case WhichChildren():
                answer = self.child_infos()
            case WhichChild(child_id):
                answer = self._describe(self._rules.child(child_id))
            case Alarm():
                self._apply(self._rules.time_passed(now), now)
        return answer

    def _start_child(self, spec: ChildSpec[Any], now: float, *, wait: bool) -> object:
        steps = self._rules.add(spec, now, retry_first_start=not wait)
        if wait:
            return self._reply_when_up(spec.id, steps, now)
        self._apply(steps, now)
        return self._cell(spec.id)

    def _terminate_child(self, child_id: str, now: float) -> object:
        steps = self._rules.terminate(child_id, now)
        if self._is_stopping(child_id):
            self._awaiting_stop.add(child_id, self.context.reply())
        self._apply(steps, now)
        return DEFERRED if self._is_stopping(child_id) else None

    def _replace_child(self, spec: ChildSpec[Any], now: float) -> object:
        steps = self._rules.replace(spec, now)
        cell = self._cell(spec.id)
        cell.configure(spec.start, Options.of(spec), spec.name)
        if self._rules.child(spec.id).wanted:
            return self._reply_when_up(spec.id, steps, now)
        self._apply(steps, now)
        return cell

    def _reply_when_up(self, child_id: str, steps: list[Step], now: float) -> object:
        """Apply the steps; answer with the child's ref when it is up."""
        self._awaiting_start.add(child_id, self.context.reply())
        self._apply(steps, now)
        return DEFERRED

    def _is_stopping(self, child_id: str) -> bool:
        return any(c.id == child_id and c.state is ChildState.STOPPING for c in self._rules)

    # Steps

    def _apply(self, steps: list[Step], now: float) -> None:
        for step in steps:
            self._apply_one(step)
        self._set_alarm(now)

    def _apply_one(self, step: Step) -> None:
        match step:
            case Start() | Stop() | Release() | Delete():
                self._change_child(step)
            case Started() | NotStarted():
                self._reply_to_starters(step)
            case Retry() | Park():
                self._publish(step)
            case Ready() | AbortStart() | Escalate():
                self._change_own_state(step)

    def _change_child(self, step: Start | Stop | Release | Delete) -> None:
        match step:
            case Start(child_id):
                self._cell(child_id).launch()
            case Stop(child_id):
                self._cells[child_id].request_stop(Shutdown())
            case Release(child_id, reason):
                self._reply_to_terminators(child_id)
                self._cell(child_id).discard(reason)
            case Delete(child_id, reason):
                self._reply_to_terminators(child_id)
                self._delete(child_id, reason)

    def _reply_to_starters(self, step: Started | NotStarted) -> None:
        for reply in self._awaiting_start.take(step.id):
            if isinstance(step, Started):
                reply.send(self._cells[step.id])
            else:
                reply.fail(StartError(step.id, step.reason))

    def _publish(self, step: Retry | Park) -> None:
        cell = self._cells[step.id]
        if isinstance(step, Retry):
            event: Event = ChildRestarting(cell, step.delay, step.attempt, step.reason)
        else:
            event = ChildParked(cell, step.reason)
        self._own.runtime.events.publish(event)

    def _change_own_state(self, step: Ready | AbortStart | Escalate) -> None:
        match step:
            case Ready():
                self._own.started()
            case AbortStart(child_id, reason):
                self._own.fail_start(StartError(child_id, reason))
            case Escalate(reason):
                self._own.runtime.events.publish(Escalated(self._own, reason))
                self.context.stop(reason)

    def _set_alarm(self, now: float) -> None:
        """Set the timer to the next time that makes a step possible.

        `now` is the time at which the rules were applied. With a later time, a delay that ended
        in between would count as over although nothing was started.
        """
        due = self._rules.next_due(now)
        if due is None:
            self.context.cancel_timer(_ALARM)
        else:
            self._own.ensure_resources().timers.start_at(due, Alarm(), _ALARM)

    def _reply_to_terminators(self, child_id: str) -> None:
        for reply in self._awaiting_stop.take(child_id):
            reply.send(None)

    # Cells

    def _cell(self, child_id: str) -> Cell[Any]:
        """Return the cell of a child, made when first needed; it outlives every restart."""
        cell = self._cells.get(child_id)
        if cell is None:
            cell = self._cells[child_id] = self._make_cell(self._rules.child(child_id).spec)
        return cell

    def _make_cell(self, spec: ChildSpec[Any]) -> Cell[Any]:
        return self._own.runtime.add_child(
            Cell(
                self._own.runtime,
                self._own,
                spec.id,
                spec.start,
                Options.of(spec),
                supervised=True,
                registered=spec.name,
            )
        )

    def _delete(self, child_id: str, reason: ExitReason) -> None:
        cell = self._cells.pop(child_id, None)
        if cell is not None:
            cell.discard(reason)
            self._own.runtime.remove_child(cell)

    def _is_own_child(self, ref: Ref[Any]) -> bool:
        return self._cells.get(ref.name) is ref

    def _describe(self, child: Child) -> ChildInfo:
        waiting = child.state is ChildState.BACKOFF
        return ChildInfo(
            id=child.id,
            ref=self._cell(child.id),
            state=child.state,
            restarts=child.restarts,
            since=child.since,
            last_exit=child.last_exit,
            next_restart_at=child.due if waiting else None,
            attempt=child.attempt,
        )
