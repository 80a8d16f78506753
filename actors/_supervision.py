"""The decisions of a supervisor: a pure state machine over its children.

All rules of supervision are here or in `_restart`; the actor around it has none. Time is an
argument, and nothing is started or stopped here: every method changes the records and returns
the steps to take, as values.

The machine is level-triggered. An event (a child is up, a child ended, a request, time passed)
changes the wanted state; `_advance` then looks at all children and returns the steps that have
become possible: stops in reverse order, one at a time; starts in order, one at a time, when no
child of the group is left to stop and the longest delay of the group is over. So a further
failure joins a restart under way, and a requested stop takes precedence because it changes the
wanted state.
"""

from collections.abc import Iterator
from enum import Enum
from random import Random
from typing import Any, TypeAlias

from attrs import define, field, frozen

from actors._errors import ChildExists, ChildIsParked, ChildNotParked, ChildRunning, NoSuchChild
from actors._exits import ExitReason, RestartLimitReached, Shutdown, SignificantChildEnded
from actors._restart import Restart, RestartWindow, Strategy, should_restart, siblings_to_restart
from actors._specs import AutoShutdown, ChildSpec, SupervisorSpec
from actors._states import ChildState

_UP = (ChildState.STARTING, ChildState.RUNNING)
_DOWN = (ChildState.STOPPED, ChildState.PARKED)


@frozen
class Start:
    """Start the next incarnation of a child."""

    id: str


@frozen
class Stop:
    """Stop a child."""

    id: str


@frozen
class Release:
    """A child is down until a request starts it: discard its mailbox, fail its requests."""

    id: str
    reason: ExitReason


@frozen
class Delete:
    """A child is deleted."""

    id: str
    reason: ExitReason


@frozen
class Started:
    """A child is up; answer the requests that wait for it."""

    id: str


@frozen
class NotStarted:
    """A child did not start; fail the requests that wait for it."""

    id: str
    reason: ExitReason


@frozen
class Retry:
    """A failed child will be restarted after a delay; publish it."""

    id: str
    delay: float
    attempt: int
    reason: ExitReason


@frozen
class Park:
    """A child used up its budget, or would fail again; publish it."""

    id: str
    reason: ExitReason


@frozen
class Ready:
    """All initial children are up."""


@frozen
class AbortStart:
    """An initial child failed to start, so the start of the supervisor fails."""

    id: str
    reason: ExitReason


@frozen
class Escalate:
    """Stop all children and end."""

    reason: Shutdown


Step: TypeAlias = (
    Start
    | Stop
    | Release
    | Delete
    | Started
    | NotStarted
    | Retry
    | Park
    | Ready
    | AbortStart
    | Escalate
)
"""One action of the supervisor; steps are taken in order."""


class FirstStart(Enum):
    """The effect of a failing first start of a child."""

    INITIAL = "initial"
    """The start of the supervisor fails."""
    REQUESTED = "requested"
    """`start_child` fails, and the child is deleted."""
    DONE = "done"
    """None: it counts as a failing restart."""


@define(eq=False)
class Child:
    """The record of one child.

    Attributes:
        spec: Its spec.
        since: When it entered its state.
        first: The effect of a failing first start.
        state: Its state.
        wanted: Whether it is to run after a stop that is under way.
        restarting_with_group: Whether it has to be stopped first, because its group is restarted.
        due: The earliest time of its next start.
        attempt: The number of failures since it was last healthy.
        starts: The number of starts.
        last_exit: Its last exit reason.
        window: The restarts that count against its own budget; None if it has none.
    """

    spec: ChildSpec[Any]
    since: float
    first: FirstStart
    state: ChildState = ChildState.BACKOFF
    wanted: bool = True
    restarting_with_group: bool = False
    due: float = float("-inf")
    attempt: int = 0
    starts: int = 0
    last_exit: ExitReason | None = None
    window: RestartWindow | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reset_budget()

    @property
    def id(self) -> str:
        """The child's id."""
        return self.spec.id

    @property
    def restarts(self) -> int:
        """The number of restarts."""
        return max(0, self.starts - 1)

    def enter(self, state: ChildState, now: float) -> None:
        """Change the state."""
        self.state = state
        self.since = now

    def reset_budget(self) -> None:
        """Restore the full budget of the spec."""
        budget = self.spec.budget
        self.window = None if budget is None else RestartWindow(budget)
        self.attempt = 0

    def schedule_start(self, now: float) -> None:
        """Make the child due for a start at `now`."""
        self.enter(ChildState.BACKOFF, now)
        self.wanted = True
        self.due = now


class Supervision:
    """The children of one supervisor and the rules over them."""

    def __init__(self, spec: SupervisorSpec, random: Random) -> None:
        self._spec = spec
        self._random = random
        self._children: dict[str, Child] = {}
        self._window = RestartWindow(spec.limit)
        self._starting = True
        self._ended = False

    # Queries

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def child(self, child_id: str) -> Child:
        """Return a child.

        Raises:
            NoSuchChild: There is none of this id.
        """
        try:
            return self._children[child_id]
        except KeyError:
            raise NoSuchChild(child_id, tuple(self._children)) from None

    def next_due(self, now: float) -> float | None:
        """Return the next moment after `now` at which time alone makes a step possible."""
        dues = [child.due for child in self if child.state is ChildState.BACKOFF]
        if self._ended or not dues:
            return None
        if not self._independent:
            return max(dues) if max(dues) > now else None
        return min((due for due in dues if due > now), default=None)

    @property
    def _independent(self) -> bool:
        return self._spec.strategy is Strategy.ONE_FOR_ONE

    # Requests

    def begin(self, now: float) -> list[Step]:
        """Start the initial children."""
        for spec in self._spec.children:
            self._children[spec.id] = Child(spec, now, FirstStart.INITIAL, due=now)
        return self._advance(now)

    def add(self, spec: ChildSpec[Any], now: float, *, retry_first_start: bool) -> list[Step]:
        """Add a child and start it.

        Args:
            spec: The child.
            now: The time.
            retry_first_start: Whether a failing first start is treated as a failing restart.
                Otherwise the child is deleted.

        Raises:
            ChildExists: Its id is taken.
            ValueError: It is significant under `AutoShutdown.NEVER`.
        """
        if spec.id in self._children:
            raise ChildExists(spec.id)
        self._spec.check(spec)
        first = FirstStart.DONE if retry_first_start else FirstStart.REQUESTED
        self._children[spec.id] = Child(spec, now, first, due=now)
        return self._advance(now)

    def terminate(self, child_id: str, now: float) -> list[Step]:
        """Stop a child and keep it stopped; takes precedence over any restart."""
        child = self.child(child_id)
        child.wanted = False
        match child.state:
            case ChildState.STARTING | ChildState.RUNNING:
                steps: list[Step] = [self._stop(child, now)]
            case ChildState.BACKOFF | ChildState.PARKED:
                steps = self._stop_waiting(child, now)
            case _:
                steps = []
        return steps + self._advance(now)

    def restart(self, child_id: str, now: float) -> list[Step]:
        """Start a stopped child.

        Raises:
            ChildIsParked: It is parked and has to be revived.
            ChildRunning: It is not stopped.
        """
        child = self.child(child_id)
        if child.state is ChildState.PARKED:
            raise ChildIsParked(child_id, child.last_exit)
        if child.state is not ChildState.STOPPED:
            raise ChildRunning(child_id, child.state)
        child.schedule_start(now)
        return self._advance(now)

    def revive(self, child_id: str, now: float) -> list[Step]:
        """Start a parked child with a full budget.

        Raises:
            ChildNotParked: It is not parked.
        """
        child = self.child(child_id)
        if child.state is not ChildState.PARKED:
            raise ChildNotParked(child_id, child.state)
        child.reset_budget()
        child.schedule_start(now)
        return self._advance(now)

    def delete(self, child_id: str, now: float) -> list[Step]:
        """Delete a child that is stopped or parked.

        Raises:
            ChildRunning: It is neither.
        """
        child = self.child(child_id)
        if child.state not in _DOWN:
            raise ChildRunning(child_id, child.state)
        return [self._delete(child, Shutdown()), *self._advance(now)]

    def replace(self, spec: ChildSpec[Any], now: float) -> list[Step]:
        """Give a child a new spec; restart it if it runs or waits to be started."""
        child = self.child(spec.id)
        self._spec.check(spec)
        child.spec = spec
        child.reset_budget()
        child.restarting_with_group = False
        child.due = now
        if child.state in _UP:
            return [self._stop(child, now), *self._advance(now)]
        return self._advance(now)

    # Events

    def started(self, child_id: str, now: float) -> list[Step]:
        """Handle that a child is up."""
        child = self._children[child_id]
        if child.state is not ChildState.STARTING:
            return self._advance(now)  # it came up although it was being stopped
        child.enter(ChildState.RUNNING, now)
        child.first = FirstStart.DONE
        return [Started(child_id), *self._advance(now)]

    def ended(self, child_id: str, reason: ExitReason, now: float) -> list[Step]:
        """Handle the end of a child, by itself or because it was stopped."""
        child = self._children[child_id]
        child.last_exit = reason
        if child.state is ChildState.STOPPING:
            steps = self._stopped(child, reason, now)
        elif child.state is ChildState.STARTING and child.first is not FirstStart.DONE:
            steps = self._first_start_failed(child, reason)
        elif should_restart(child.spec.restart, reason):
            steps = self._failed(child, reason, now)
        else:
            steps = self._ended_for_good(child, reason, now)
        return steps + self._advance(now)

    def time_passed(self, now: float) -> list[Step]:
        """Return the steps that time alone made possible."""
        return self._advance(now)

    # Rules

    def _stopped(self, child: Child, reason: ExitReason, now: float) -> list[Step]:
        restarting_with_group, child.restarting_with_group = child.restarting_with_group, False
        if self._is_temporary(child) and (restarting_with_group or not child.wanted):
            return [NotStarted(child.id, reason), self._delete(child, reason)]
        if child.wanted:
            child.enter(ChildState.BACKOFF, now)
            return []
        return self._settle_as(child, ChildState.STOPPED, reason, now)

    def _first_start_failed(self, child: Child, reason: ExitReason) -> list[Step]:
        if child.first is FirstStart.INITIAL:
            self._ended = True
            return [AbortStart(child.id, reason)]
        return [NotStarted(child.id, reason), self._delete(child, reason)]

    def _stop_waiting(self, child: Child, now: float) -> list[Step]:
        """Keep down a child that waits to be started or is parked."""
        if self._is_temporary(child):
            return [NotStarted(child.id, Shutdown()), self._delete(child, Shutdown())]
        return self._settle_as(child, ChildState.STOPPED, Shutdown(), now)

    def _ended_for_good(self, child: Child, reason: ExitReason, now: float) -> list[Step]:
        """Handle an end that is not followed by a restart."""
        if self._is_temporary(child):
            steps: list[Step] = [NotStarted(child.id, reason), self._delete(child, reason)]
        else:
            steps = self._settle_as(child, ChildState.STOPPED, reason, now)
        if child.spec.significant and self._significant_end_counts():
            self._ended = True
            steps.append(Escalate(Shutdown(SignificantChildEnded(child.id))))
        return steps

    @staticmethod
    def _is_temporary(child: Child) -> bool:
        return child.spec.restart is Restart.TEMPORARY

    def _significant_end_counts(self) -> bool:
        if self._spec.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT:
            return True
        left = any(c.spec.significant and c.state not in _DOWN for c in self)
        return self._spec.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT and not left

    def _failed(self, child: Child, reason: ExitReason, now: float) -> list[Step]:
        """Handle an end that is followed by a restart: count it; then park, escalate or retry."""
        steps: list[Step] = [NotStarted(child.id, reason)]
        self._reset_attempts_if_healthy(child, now)
        child.restarting_with_group = False
        if child.window is not None:
            if self._is_hopeless(child, reason) or not child.window.record(now):
                parked = self._settle_as(child, ChildState.PARKED, reason, now)
                return [*steps, Park(child.id, reason), *parked]
        elif not self._window.record(now):
            self._ended = True
            return [*steps, Escalate(self._limit_reached(child, reason))]
        return [*steps, *self._retry(child, reason, now)]

    @staticmethod
    def _is_hopeless(child: Child, reason: ExitReason) -> bool:
        prevents = child.spec.prevent_restart
        return prevents is not None and prevents(reason)

    def _retry(self, child: Child, reason: ExitReason, now: float) -> list[Step]:
        backoff = child.spec.backoff
        delay = 0.0 if backoff is None else backoff.delay(child.attempt, self._random)
        child.attempt += 1
        child.due = now + delay
        child.enter(ChildState.BACKOFF, now)
        for sibling_id in siblings_to_restart(self._spec.strategy, [*self._children], child.id):
            sibling = self._children[sibling_id]
            sibling.restarting_with_group = sibling.restarting_with_group or sibling.state in _UP
        return [Retry(child.id, delay, child.attempt, reason)]

    def _reset_attempts_if_healthy(self, child: Child, now: float) -> None:
        backoff = child.spec.backoff
        was_up = child.state is ChildState.RUNNING
        limit = child.spec.budget or self._spec.limit
        if backoff and was_up and now - child.since > backoff.healthy_after(limit):
            child.attempt = 0

    def _limit_reached(self, child: Child, reason: ExitReason) -> Shutdown:
        limit = self._spec.limit
        return Shutdown(RestartLimitReached(child.id, limit.max_restarts, limit.within, reason))

    # Steps

    def _advance(self, now: float) -> list[Step]:
        """Return every step that has become possible."""
        if self._ended:
            return []
        steps = [*self._stop_next(now), *self._start_next(now)]
        if self._starting and all(c.first is not FirstStart.INITIAL for c in self):
            self._starting = False
            steps.append(Ready())
        return steps

    def _stop_next(self, now: float) -> list[Step]:
        """Stop the last child that restarts with its group, once the one after it is down."""
        restarting_with_group = [child for child in self if child.restarting_with_group]
        if not restarting_with_group or any(
            child.state is ChildState.STOPPING for child in restarting_with_group
        ):
            return []
        restarting_with_group[-1].wanted = True
        return [self._stop(restarting_with_group[-1], now)]

    def _start_next(self, now: float) -> list[Step]:
        waiting = [child for child in self if child.state is ChildState.BACKOFF]
        if self._independent:
            # Initial children start one after the other. This is done once for each of many.
            initial = self if self._starting else ()
            first = next((child for child in initial if child.first is FirstStart.INITIAL), None)
            chosen = [
                child
                for child in waiting
                if child.due <= now and (child.first is not FirstStart.INITIAL or child is first)
            ]
        elif not waiting or self._group_is_busy() or max(c.due for c in waiting) > now:
            chosen = []
        else:
            chosen = waiting[:1]
        return [self._start(child, now) for child in chosen]

    def _group_is_busy(self) -> bool:
        """Return whether a start or stop in the group has to end before the next start."""
        return any(
            child.restarting_with_group
            or child.state is ChildState.STARTING
            or (child.state is ChildState.STOPPING and child.wanted)
            for child in self
        )

    def _start(self, child: Child, now: float) -> Step:
        child.enter(ChildState.STARTING, now)
        child.starts += 1
        return Start(child.id)

    def _stop(self, child: Child, now: float) -> Step:
        child.enter(ChildState.STOPPING, now)
        return Stop(child.id)

    def _settle_as(
        self, child: Child, state: ChildState, reason: ExitReason, now: float
    ) -> list[Step]:
        child.enter(state, now)
        child.wanted = child.restarting_with_group = False
        child.first = FirstStart.DONE
        return [NotStarted(child.id, reason), Release(child.id, reason)]

    def _delete(self, child: Child, reason: ExitReason) -> Step:
        del self._children[child.id]
        return Delete(child.id, reason)
