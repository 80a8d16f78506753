"""Supervisors of real actors: order, deadlines, back-off, escalation, operators."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import (
    Actor,
    ActorDied,
    ActorSystem,
    AutoShutdown,
    Backoff,
    BrutalKill,
    ChildParked,
    ChildRestarting,
    ChildSpec,
    ChildState,
    Crashed,
    Escalated,
    ExitReason,
    Killed,
    Normal,
    Restart,
    RestartLimit,
    RestartLimitReached,
    RootFailed,
    Shutdown,
    SignificantChildEnded,
    StartError,
    StartFailed,
    Strategy,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    TaskStuck,
)
from actors.testing import (
    Crash,
    Echo,
    Finish,
    FlakyActor,
    Hang,
    InjectedFault,
    Probe,
    flaky_start,
    hang,
)

pytestmark = pytest.mark.sim

ENDS: dict[str, Any] = {
    "normal": Finish(Normal()),
    "shutdown": Finish(Shutdown()),
    "abnormal": Crash(),
}


class Log:
    """Children that write down when they start and stop."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def child(self, name: str) -> Callable[[], Actor[Any]]:
        entries = self.entries

        class Child(FlakyActor):
            def on_start(self) -> None:
                entries.append(f"+{name}")

            def on_stop(self, reason: ExitReason) -> None:
                entries.append(f"-{name}")

        return Child

    def specs(self, *names: str, **settings: Any) -> tuple[ChildSpec[Any], ...]:
        return tuple(ChildSpec(name, self.child(name), **settings) for name in names)

    def take(self) -> str:
        taken = " ".join(self.entries)
        self.entries.clear()
        return taken


@pytest.fixture
def log() -> Log:
    return Log()


async def ref_of(supervisor: SupervisorRef, child_id: str) -> Any:
    return (await supervisor.child(child_id)).ref


# Start and stop


async def test_ordered_start_and_reverse_stop(system: ActorSystem, log: Log) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec(log.specs("a", "b", "c")))
    assert log.take() == "+a +b +c"
    assert await system.stop(supervisor.ref) == Shutdown()
    assert log.take() == "-c -b -a"


async def test_a_first_start_that_fails_raises_and_stops_the_others(
    system: ActorSystem, log: Log
) -> None:
    bad = ChildSpec("bad", flaky_start(FlakyActor, times=1, error=OSError("no disk")))
    with pytest.raises(StartError, match="'bad' failed to start with OSError: no disk"):
        await system.start_supervisor(SupervisorSpec((*log.specs("a", "b"), bad)))
    assert log.take() == "+a +b -b -a"
    assert system.tree().children == ()


async def test_the_supervisor_answers_while_children_start(system: ActorSystem) -> None:
    class Slow(FlakyActor):
        async def on_start(self) -> None:
            await asyncio.sleep(10)

    spec = SupervisorSpec((ChildSpec("slow", Slow), ChildSpec("next", FlakyActor)))
    ref = system.spawn(lambda: Supervisor(spec), name="root")
    supervisor = SupervisorRef(ref)
    states = [info.state for info in await supervisor.children()]
    assert states == [ChildState.STARTING, ChildState.BACKOFF]
    await supervisor.terminate_child("slow")
    await system.wait_started(ref)
    states = [info.state for info in await supervisor.children()]
    assert states == [ChildState.STOPPED, ChildState.RUNNING]


async def test_a_child_beyond_its_deadline_is_killed(system: ActorSystem) -> None:
    spec = ChildSpec("slow", lambda: FlakyActor(Hang()), shutdown=3.0)
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    began = asyncio.get_running_loop().time()
    await supervisor.terminate_child("slow")
    assert asyncio.get_running_loop().time() - began == pytest.approx(3.0)
    assert (await supervisor.child("slow")).last_exit == Killed()


async def test_brutal_kill_does_not_wait(system: ActorSystem) -> None:
    spec = ChildSpec("slow", FlakyActor, shutdown=BrutalKill())
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    (await ref_of(supervisor, "slow")).tell(Hang())
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await supervisor.terminate_child("slow")
    assert asyncio.get_running_loop().time() == began
    assert (await supervisor.child("slow")).last_exit == Killed()


async def test_a_supervisor_below_gets_the_time_its_children_need(system: ActorSystem) -> None:
    slow = ChildSpec("slow", lambda: FlakyActor(Hang()), shutdown=20.0)
    inner = ChildSpec("inner", lambda: Supervisor(SupervisorSpec((slow,))), shutdown=1.0)
    root = await system.start_supervisor(SupervisorSpec((inner,)))
    began = asyncio.get_running_loop().time()
    assert await system.stop(root.ref) == Shutdown()
    assert asyncio.get_running_loop().time() - began == pytest.approx(20.0)


async def test_a_task_that_swallows_every_cancel_is_reported_and_abandoned(
    system: ActorSystem, probe: Probe
) -> None:
    release = asyncio.Event()

    class Deaf(FlakyActor):
        async def receive(self, message: Any) -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("deaf", Deaf, shutdown=1.0),))
    )
    (await ref_of(supervisor, "deaf")).tell("listen")
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await supervisor.terminate_child("deaf")
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.5)
    stuck = await probe.expect_event(TaskStuck)
    assert stuck.ref.path == "supervisor/deaf"
    assert system.stuck == (stuck.task,) == ("a handler of deaf",)
    release.set()
    await asyncio.sleep(1)


async def test_a_cancel_swallowed_a_few_times_is_repeated(
    system: ActorSystem, probe: Probe
) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Hang(swallow=3))
    await asyncio.sleep(1)
    system.kill(ref)
    assert await system.join(ref) == Killed()
    assert system.stuck == ()


# The OTP grid


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("restart", Restart)
async def test_the_grid_of_restart_type_exit_reason_and_strategy(
    system: ActorSystem, log: Log, restart: Restart, end: str, strategy: Strategy
) -> None:
    children = (
        *log.specs("a"),
        ChildSpec("b", log.child("b"), restart=restart),
        *log.specs("c"),
    )
    supervisor = await system.start_supervisor(SupervisorSpec(children, strategy=strategy))
    log.take()
    (await ref_of(supervisor, "b")).tell(ENDS[end])
    await asyncio.sleep(1)

    restarted = restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and end == "abnormal")
    effects = {
        Strategy.ONE_FOR_ONE: "-b +b",
        Strategy.REST_FOR_ONE: "-b -c +b +c",
        Strategy.ONE_FOR_ALL: "-b -c -a +a +b +c",
    }
    assert log.take() == (effects[strategy] if restarted else "-b")
    ids = [info.id for info in await supervisor.children()]
    assert ids == (["a", "c"] if restart is Restart.TEMPORARY else ["a", "b", "c"])


# Restarts


async def test_mailbox_and_ref_survive_a_restart(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("a", FlakyActor, backoff=Backoff(base=2.0)),))
    )
    ref = await ref_of(supervisor, "a")
    ref.tell(Crash())
    waiting = ref.ask(Echo("queued before"))
    await asyncio.sleep(1)
    assert not ref.alive
    later = ref.ask(Echo("queued while down"))
    assert await waiting == "queued before"
    assert await later == "queued while down"
    assert (ref.incarnation, await ref_of(supervisor, "a")) == (2, ref)


async def test_an_ask_under_way_fails_at_once_when_its_actor_restarts(
    system: ActorSystem,
) -> None:
    class Slow(FlakyActor):
        async def receive(self, message: Any) -> None:
            await asyncio.sleep(1)
            raise InjectedFault("half way")

    supervisor = await system.start_supervisor(SupervisorSpec((ChildSpec("a", Slow),)))
    asked = (await ref_of(supervisor, "a")).ask(Echo(), timeout=60)
    with pytest.raises(ActorDied, match="half way"):
        await asked


async def test_back_off_grows_and_is_announced(system: ActorSystem, probe: Probe) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec(
            (ChildSpec("a", FlakyActor, backoff=Backoff(base=1.0, jitter=0.0)),),
            limit=RestartLimit(10, within=60.0),
        )
    )
    ref = await ref_of(supervisor, "a")
    for attempt, delay in enumerate((1.0, 2.0, 4.0), start=1):
        ref.tell(Crash())
        event = await probe.expect_event(ChildRestarting)
        assert (event.attempt, event.delay) == (attempt, delay)
        info = await supervisor.child("a")
        assert info.state is ChildState.BACKOFF
        assert info.next_restart_at == pytest.approx(asyncio.get_running_loop().time() + delay)
        await asyncio.sleep(delay + 0.001)
        assert (await supervisor.child("a")).state is ChildState.RUNNING


async def test_an_operator_is_answered_during_a_delay_and_wins(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("a", FlakyActor, backoff=Backoff(base=30.0)),))
    )
    ref = await ref_of(supervisor, "a")
    ref.tell(Crash())
    await asyncio.sleep(1)
    queued = ref.ask(Echo(), timeout=100.0)
    began = asyncio.get_running_loop().time()
    await supervisor.terminate_child("a")
    assert asyncio.get_running_loop().time() == began
    with pytest.raises(ActorDied):
        await queued
    await asyncio.sleep(1000)
    assert (await supervisor.child("a")).state is ChildState.STOPPED
    assert await supervisor.restart_child("a") is ref
    assert await ref.ask(Echo("back")) == "back"


async def test_stopping_the_supervisor_ends_a_delay(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("a", FlakyActor, backoff=Backoff(base=30.0)),))
    )
    ref = await ref_of(supervisor, "a")
    ref.tell(Crash())
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    assert await system.stop(supervisor.ref) == Shutdown()
    assert asyncio.get_running_loop().time() == began
    await asyncio.sleep(100)
    assert ref.incarnation == 1


async def test_stopping_wins_over_a_start_that_hangs(system: ActorSystem) -> None:
    class Stuck(FlakyActor):
        async def on_start(self) -> None:
            await hang()

    supervisor = await system.start_supervisor(SupervisorSpec())
    started = supervisor.start_child(ChildSpec("a", Stuck))
    await asyncio.sleep(1)
    await supervisor.terminate_child("a")
    with pytest.raises(StartError, match="was shut down"):
        await started
    assert (await supervisor.child("a")).state is ChildState.STOPPED


# Giving up and parking


async def test_an_escalation_stops_in_reverse_and_is_visible(
    system: ActorSystem, log: Log, probe: Probe
) -> None:
    spec = SupervisorSpec(log.specs("a", "b", "c"), limit=RestartLimit(1, within=5.0))
    supervisor = await system.start_supervisor(spec, name="root")
    ref = await ref_of(supervisor, "b")
    ref.tell(Crash())
    await asyncio.sleep(1)
    log.take()
    ref.tell(Crash())
    failure = await system.wait_failed()
    assert log.take() == "-b -c -a"
    assert isinstance(failure.reason, Shutdown)
    detail = failure.reason.detail
    assert isinstance(detail, RestartLimitReached)
    assert (detail.child, detail.max_restarts, detail.within) == ("b", 1, 5.0)
    assert "more than 1 restarts within 5 s" in str(failure.reason)
    assert system.failed == failure == RootFailed(supervisor.ref, failure.reason)
    assert (await probe.expect_event(Escalated)).ref is supervisor.ref


async def test_the_parent_decides_about_an_escalation(system: ActorSystem, log: Log) -> None:
    inner = SupervisorSpec(log.specs("x"), limit=RestartLimit(0))
    root = await system.start_supervisor(
        SupervisorSpec((ChildSpec("inner", lambda: Supervisor(inner), name="inner"),))
    )
    inner_ref = SupervisorRef(await ref_of(root, "inner"))
    (await ref_of(inner_ref, "x")).tell(Crash())
    await asyncio.sleep(1)
    assert system.failed is None
    assert log.take() == "+x -x +x"
    assert (await root.child("inner")).restarts == 1


async def test_a_root_that_is_stopped_has_not_failed(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    await system.stop(supervisor.ref)
    other = await system.start_supervisor(SupervisorSpec())
    system.kill(other.ref)
    await system.join(other.ref)
    assert system.failed is None


async def test_an_exhausted_budget_parks_until_revived(system: ActorSystem, probe: Probe) -> None:
    healthy = ChildSpec("healthy", FlakyActor)
    poor = ChildSpec("poor", FlakyActor, budget=RestartLimit(1, within=60.0))
    supervisor = await system.start_supervisor(
        SupervisorSpec((healthy, poor), limit=RestartLimit(0))
    )
    ref = await ref_of(supervisor, "poor")
    ref.tell(Crash())
    ref.tell(Crash())
    assert (await probe.expect_event(ChildParked)).ref is ref
    info = await supervisor.child("poor")
    assert (info.state, info.restarts) == (ChildState.PARKED, 1)
    assert isinstance(info.last_exit, Crashed)
    with pytest.raises(ActorDied, match="told to crash"):
        await ref.ask(Echo())
    await asyncio.sleep(1000)
    assert (await supervisor.child("healthy")).restarts == 0
    assert await supervisor.revive_child("poor") is ref
    assert await ref.ask(Echo("alive")) == "alive"


async def test_auto_shutdown_of_the_root_is_no_failure(system: ActorSystem) -> None:
    child = ChildSpec("job", FlakyActor, restart=Restart.TRANSIENT, significant=True)
    supervisor = await system.start_supervisor(
        SupervisorSpec((child,), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    )
    (await ref_of(supervisor, "job")).tell(Finish())
    reason = await system.join(supervisor.ref)
    assert reason == Shutdown(SignificantChildEnded("job"))
    assert system.failed is None


# Dynamic children


async def test_an_added_child_that_does_not_start_is_deleted(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    bad = ChildSpec("bad", flaky_start(FlakyActor, times=1))
    with pytest.raises(StartError):
        await supervisor.start_child(bad)
    assert await supervisor.children() == ()
    assert await (await supervisor.start_child(bad)).ask(Echo(1)) == 1


async def test_adding_without_waiting_retries_a_failing_start(
    system: ActorSystem, probe: Probe
) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    spec = ChildSpec("late", flaky_start(FlakyActor, times=2), backoff=Backoff(base=1.0))
    ref = await supervisor.start_child(spec, wait=False)
    assert await ref.ask(Echo("up at last"), timeout=10.0) == "up at last"
    assert ref.incarnation == 3
    first = await probe.expect_event(ChildRestarting)
    assert isinstance(first.reason, StartFailed)


async def test_replacing_a_child_keeps_ref_and_mailbox(system: ActorSystem) -> None:
    class Other(FlakyActor):
        def receive(self, message: Any) -> object:
            return "other"

    supervisor = await system.start_supervisor(SupervisorSpec((ChildSpec("a", FlakyActor),)))
    ref = await ref_of(supervisor, "a")
    ref.tell(Hang())
    await asyncio.sleep(1)
    queued = ref.ask(Echo(), timeout=60)
    assert await supervisor.replace_child(ChildSpec("a", Other)) is ref
    assert await queued == "other"


async def test_a_deleted_child_is_gone(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("a", FlakyActor, name="alice"),))
    )
    ref = await ref_of(supervisor, "a")
    await supervisor.terminate_child("a")
    assert system.whereis("alice") is None
    await supervisor.delete_child("a")
    assert await supervisor.children() == ()
    again = await supervisor.start_child(ChildSpec("a", FlakyActor, name="alice"))
    assert again is not ref
    assert system.whereis("alice") is again


async def test_a_taken_name_fails_the_start(system: ActorSystem, probe: Probe) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    with pytest.raises(StartError, match="an actor named 'probe' already exists"):
        await supervisor.start_child(ChildSpec("a", FlakyActor, name="probe"))


async def test_many_children_start_and_stop(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    for number in range(300):
        await supervisor.start_child(ChildSpec(f"child-{number}", FlakyActor))
    assert len(await supervisor.children()) == 300
    await system.stop(supervisor.ref)
    assert system.tree().children == ()


async def test_killing_a_supervisor_leaves_no_orphan(system: ActorSystem, log: Log) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec(log.specs("a", "b")))
    refs = [await ref_of(supervisor, child_id) for child_id in ("a", "b")]
    system.kill(supervisor.ref)
    assert await system.join(supervisor.ref) == Killed()
    assert [ref.alive for ref in refs] == [False, False]


async def test_a_restarted_supervisor_makes_new_children(system: ActorSystem) -> None:
    inner = SupervisorSpec((ChildSpec("x", FlakyActor, name="x"),))
    root = await system.start_supervisor(
        SupervisorSpec((ChildSpec("inner", lambda: Supervisor(inner)),))
    )
    inner_ref = await ref_of(root, "inner")
    old = system.whereis("x")
    assert old is not None
    system.kill(inner_ref)
    await asyncio.sleep(1)
    new = system.whereis("x")
    assert new is not None
    assert new is not old
    assert await new.ask(Echo("new")) == "new"
    with pytest.raises(ActorDied):
        await old.ask(Echo("old"))


async def test_children_stop_in_reverse_whoever_was_asked_for_first(system: ActorSystem) -> None:
    log = Log()

    def slow(name: str) -> Callable[[], Actor[Any]]:
        class Slow(log.child(name)):  # type: ignore[misc]
            async def on_start(self) -> None:
                await asyncio.sleep(1)
                super().on_start()

        return Slow

    spec = SupervisorSpec(tuple(ChildSpec(name, slow(name)) for name in "abc"))
    starting = asyncio.ensure_future(system.start_supervisor(spec, "root"))
    await asyncio.sleep(0.5)
    root = system.whereis("root")
    assert root is not None
    await SupervisorRef(root).child("c")
    await system.stop((await starting).ref)
    assert log.entries == ["+a", "+b", "+c", "-c", "-b", "-a"]
