"""A supervisor of real actors against a model, over random sequences of events.

The model knows nothing of the runtime: it keeps lists of failure times and says which child
must be in which state at which moment. Time is virtual, so the comparison is exact.
"""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from actors import (
    ActorDied,
    ActorSystem,
    Backoff,
    ChildExists,
    ChildIsParked,
    ChildNotParked,
    ChildRunning,
    ChildSpec,
    ChildState,
    Crashed,
    ExitReason,
    Killed,
    Normal,
    NoSuchChild,
    Restart,
    RestartLimit,
    Shutdown,
    StartError,
    Strategy,
    SupervisorRef,
    SupervisorSpec,
    is_graceful,
)
from actors.testing import Crash, Finish, FlakyActor, InjectedFault, SimulationLoop, advance, hang
from actors.testing import settle as settle_loop
from tests.support.machine_runs import MACHINE_RUNS

LIMIT = RestartLimit(2, within=10.0)
BUDGET = RestartLimit(1, within=20.0)
BACKOFF = Backoff(base=1.0, factor=2.0, cap=8.0, jitter=0.0, reset_after=10.0)
STOP_DEADLINE = 2.0
IDS = ("a", "b", "c")
ENDS: dict[str, ExitReason] = {
    "crash": Crashed(InjectedFault()),
    "kill": Killed(),
    "normal": Normal(),
    "shutdown": Shutdown("enough"),
}

RUNNING, BACKING_OFF = ChildState.RUNNING, ChildState.BACKOFF
STOPPED, PARKED = ChildState.STOPPED, ChildState.PARKED


@define
class ModelChild:
    restart: Restart
    budgeted: bool
    since: float
    state: ChildState = RUNNING
    due: float = 0.0
    attempt: int = 0
    failures: list[float] = field(factory=list)


@define
class Model:
    """What must be true, by the rules as a person would state them."""

    strategy: Strategy
    children: dict[str, ModelChild] = field(factory=dict)
    failures: list[float] = field(factory=list)
    failing_starts: Counter[str] = field(factory=Counter)
    dead: bool = False

    def ended(self, child_id: str, reason: ExitReason, now: float) -> None:
        child = self.children[child_id]
        if child.restart is Restart.TEMPORARY:
            del self.children[child_id]
        elif child.restart is Restart.TRANSIENT and is_graceful(reason):
            child.state = STOPPED
        else:
            self.failed(child_id, now)

    def failed(self, child_id: str, now: float) -> None:
        child = self.children[child_id]
        if child.state is RUNNING and now - child.since > 10.0:
            child.attempt = 0
        mine, limit = (child.failures, BUDGET) if child.budgeted else (self.failures, LIMIT)
        mine.append(now)
        if sum(then >= now - limit.within for then in mine) > limit.max_restarts:
            if child.budgeted:
                child.state = PARKED
            else:
                self.dead = True
            return
        child.state = BACKING_OFF
        if self.strategy is Strategy.ONE_FOR_ONE:
            child.due = now + min(8.0, 1.0 * 2.0**child.attempt)
            child.attempt += 1
        else:
            self.regroup(child_id, now)

    def regroup(self, failed: str, now: float) -> None:
        """Take down who shares the fate of `failed`, then bring up all that are down."""
        order = list(self.children)
        first = 0 if self.strategy is Strategy.ONE_FOR_ALL else order.index(failed)
        for child_id in order[first:]:
            child = self.children[child_id]
            if child.state is RUNNING and child.restart is Restart.TEMPORARY:
                del self.children[child_id]
            elif child.state is RUNNING:
                child.state = BACKING_OFF
        for child_id in list(self.children):
            if not self.dead and self.children[child_id].state is BACKING_OFF:
                self.try_start(child_id, now)

    def try_start(self, child_id: str, now: float) -> bool:
        child = self.children[child_id]
        if self.failing_starts[child_id]:
            self.failing_starts[child_id] -= 1
            child.state = BACKING_OFF
            self.failed(child_id, now)
            return False
        child.state, child.since = RUNNING, now
        return True

    def catch_up(self, now: float) -> None:
        """Let happen what time alone brings about until `now`."""
        while not self.dead:
            due = [
                (child.due, position, child_id)
                for position, (child_id, child) in enumerate(self.children.items())
                if child.state is BACKING_OFF and child.due <= now
            ]
            if not due:
                return
            when, _, child_id = min(due)
            self.try_start(child_id, when)


class World:
    """What the children of the real supervisor obey, and write down."""

    def __init__(self) -> None:
        self.failing_starts: Counter[str] = Counter()
        self.stubborn: set[str] = set()
        self.alive: Counter[str] = Counter()
        self.stops: list[str] = []

    def child(self, child_id: str) -> FlakyActor:
        world = self

        class Child(FlakyActor):
            def on_start(self) -> None:
                if world.failing_starts[child_id]:
                    world.failing_starts[child_id] -= 1
                    raise InjectedFault("told to fail")
                world.alive[child_id] += 1
                assert world.alive[child_id] == 1, "two incarnations at once"

            def on_stop(self, reason: ExitReason) -> Any:
                world.alive[child_id] -= 1
                world.stops.append(child_id)
                if child_id in world.stubborn and reason == Shutdown():
                    return hang(swallow=2)
                return None

        return Child()


class SupervisorMachine(RuleBasedStateMachine):
    """Compares `Supervisor` with `Model` after every event."""

    @initialize(strategy=st.sampled_from(Strategy), seed=st.integers(0, 2**16))
    def begin(self, strategy: Strategy, seed: int) -> None:
        self.runner = asyncio.Runner(loop_factory=lambda: SimulationLoop(seed))
        self.loop = self.runner.get_loop()
        self.world = World()
        self.model = Model(strategy)
        self.runner.run(self.start_system(strategy))

    async def start_system(self, strategy: Strategy) -> None:
        self.system = ActorSystem(random=Random(0), on_crash=None)
        await self.system.__aenter__()
        self.supervisor: SupervisorRef = await self.system.start_supervisor(
            SupervisorSpec(strategy=strategy, limit=LIMIT)
        )

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        alive = [child_id for child_id in self.model.children if self.world.alive[child_id]]
        self.world.stops.clear()
        self.runner.run(self.stop_system())
        assert self.world.stops == alive[::-1]
        assert not +self.world.alive
        self.runner.close()

    async def stop_system(self) -> None:
        await self.system.__aexit__()

    # Events

    def spec(self, child_id: str, restart: Restart, budgeted: bool) -> ChildSpec[Any]:
        return ChildSpec(
            child_id,
            lambda: self.world.child(child_id),
            restart=restart,
            shutdown=STOP_DEADLINE,
            backoff=BACKOFF if self.model.strategy is Strategy.ONE_FOR_ONE else None,
            budget=BUDGET if budgeted else None,
        )

    def run(self, awaitable: Any) -> Any:
        """Wait for an answer, then let everything come to rest."""

        async def run() -> Any:
            try:
                return await awaitable() if callable(awaitable) else awaitable
            finally:
                await settle_loop()

        try:
            return self.runner.run(run())
        finally:
            self.model.catch_up(self.loop.time())

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS), restart=st.sampled_from(Restart), budgeted=st.booleans())
    def start_child(self, child_id: str, restart: Restart, budgeted: bool) -> None:
        spec = self.spec(child_id, restart, budgeted)
        if child_id in self.model.children:
            with pytest.raises(ChildExists):
                self.run(lambda: self.supervisor.start_child(spec))
        elif self.model.failing_starts[child_id]:
            self.model.failing_starts[child_id] -= 1
            with pytest.raises(StartError):
                self.run(lambda: self.supervisor.start_child(spec))
        else:
            self.model.children[child_id] = ModelChild(restart, budgeted, self.loop.time())
            self.run(lambda: self.supervisor.start_child(spec))

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS), how=st.sampled_from(sorted(ENDS)))
    def end_child(self, child_id: str, how: str) -> None:
        child = self.model.children.get(child_id)
        if child is None or child.state is not RUNNING:
            return
        reason = ENDS[how]

        async def end() -> None:
            ref = (await self.supervisor.child(child_id)).ref
            if isinstance(reason, Crashed):
                ref.tell(Crash(reason.error))
            elif isinstance(reason, Killed):
                self.system.kill(ref)
            else:
                ref.tell(Finish(reason))

        self.model.ended(child_id, reason, self.loop.time())
        self.run(end)

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS))
    def terminate_child(self, child_id: str) -> None:
        child = self.model.children.get(child_id)
        if child is None:
            with pytest.raises(NoSuchChild):
                self.run(lambda: self.supervisor.terminate_child(child_id))
            return
        if child.restart is Restart.TEMPORARY:
            del self.model.children[child_id]
        else:
            child.state = STOPPED
        try:
            self.run(lambda: self.supervisor.terminate_child(child_id))
        except ActorDied:
            assert self.model.dead

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS))
    def restart_child(self, child_id: str) -> None:
        child = self.model.children.get(child_id)
        expected: type[Exception] | None = None
        if child is None:
            expected = NoSuchChild
        elif child.state is PARKED:
            expected = ChildIsParked
        elif child.state is not STOPPED:
            expected = ChildRunning
        elif not self.start_in_model(child_id):
            expected = StartError
        self.expect(expected, lambda: self.supervisor.restart_child(child_id))

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS))
    def revive_child(self, child_id: str) -> None:
        child = self.model.children.get(child_id)
        expected: type[Exception] | None = None
        if child is None:
            expected = NoSuchChild
        elif child.state is not PARKED:
            expected = ChildNotParked
        else:
            child.failures.clear()
            child.attempt = 0
            if not self.start_in_model(child_id):
                expected = StartError
        self.expect(expected, lambda: self.supervisor.revive_child(child_id))

    @precondition(lambda self: not self.model.dead)
    @rule(child_id=st.sampled_from(IDS))
    def delete_child(self, child_id: str) -> None:
        child = self.model.children.get(child_id)
        expected: type[Exception] | None = None
        if child is None:
            expected = NoSuchChild
        elif child.state in (STOPPED, PARKED):
            del self.model.children[child_id]
        else:
            expected = ChildRunning
        self.expect(expected, lambda: self.supervisor.delete_child(child_id))

    def start_in_model(self, child_id: str) -> bool:
        return self.model.try_start(child_id, self.loop.time())

    def expect(self, expected: type[Exception] | None, act: Any) -> None:
        if expected is None:
            self.run(act)
        else:
            with pytest.raises(expected):
                self.run(act)

    @rule(child_id=st.sampled_from(IDS), times=st.integers(1, 3))
    def fail_next_starts(self, child_id: str, times: int) -> None:
        self.world.failing_starts[child_id] = self.model.failing_starts[child_id] = times

    @precondition(lambda self: self.model.strategy is Strategy.ONE_FOR_ONE)
    @rule(child_id=st.sampled_from(IDS))
    def ignore_stop(self, child_id: str) -> None:
        self.world.stubborn.add(child_id)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 10.0, 20.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.run(lambda: advance(seconds))

    # Comparison

    @invariant()
    def never_two_incarnations_at_once(self) -> None:
        if hasattr(self, "world"):
            assert all(count in (0, 1) for count in self.world.alive.values())

    @invariant()
    def children_are_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.dead:
            self.runner.run(advance(10.0))
            assert not +self.world.alive, "something runs after the supervisor gave up"
            assert self.system.failed is not None
            self.model.children.clear()
            return
        infos = self.runner.run(self.infos())
        expected = {child_id: child.state for child_id, child in self.model.children.items()}
        assert {info.id: info.state for info in infos} == expected
        assert [info.id for info in infos] == list(expected)
        up = {child_id for child_id, state in expected.items() if state is RUNNING}
        assert set(+self.world.alive) == up

    async def infos(self) -> Any:
        return await self.supervisor.children()


TestSupervisorMachine = SupervisorMachine.TestCase
TestSupervisorMachine.settings = MACHINE_RUNS
