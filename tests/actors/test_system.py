"""The system as a whole: names, events, dead letters, inspection, the end."""

import asyncio
import logging
from typing import Any

import pytest

from actors import (
    Actor,
    ActorExited,
    ActorKind,
    ActorStarted,
    ActorState,
    ActorSystem,
    Backoff,
    ChildSpec,
    ChildState,
    Crashed,
    CurrentMessage,
    DeadLetter,
    ExitReason,
    Killed,
    NameTaken,
    RestartLimit,
    Shutdown,
    SlowHandler,
    StartError,
    Supervisor,
    SupervisorSpec,
    SystemClosed,
    SystemStopped,
    TraceEntry,
    log_crash,
)
from actors.testing import Crash, Echo, FlakyActor, Hang, Probe, flaky_start, settle

pytestmark = pytest.mark.sim

# Names


async def test_names_are_unique_while_their_owner_lives(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, name="alice")
    assert system.whereis("alice") is ref
    assert (ref.name, ref.path) == ("alice", "alice")
    with pytest.raises(NameTaken, match="'alice'"):
        system.spawn(FlakyActor, name="alice")
    await system.stop(ref)
    assert system.whereis("alice") is None
    assert system.whereis("alice") is not system.spawn(FlakyActor, name="alice")


async def test_a_name_is_kept_but_not_found_during_a_restart(system: ActorSystem) -> None:
    class Slow(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(1)

    spec = ChildSpec("a", Slow, name="alice")
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    ref = (await supervisor.child("a")).ref
    found: list[object] = []
    system.events.subscribe(
        lambda event: (
            found.append(system.whereis("alice")) if isinstance(event, ActorExited) else None
        )
    )
    ref.tell(Crash())
    await asyncio.sleep(2)
    assert found == [None]
    assert system.whereis("alice") is ref
    with pytest.raises(NameTaken):
        system.spawn(FlakyActor, name="alice")


async def test_made_up_names_differ(system: ActorSystem) -> None:
    assert system.spawn(FlakyActor).name != system.spawn(FlakyActor).name


# Events


async def test_starts_and_ends_are_events(system: ActorSystem) -> None:
    events: list[object] = []
    with system.events.subscribe(events.append):
        ref = system.spawn(FlakyActor)
        await system.wait_started(ref)
        await system.stop(ref)
    await system.stop(system.spawn(FlakyActor))
    assert events == [ActorStarted(ref, 1), ActorExited(ref, 1, Shutdown())]


async def test_a_failing_subscriber_does_not_disturb_the_others(system: ActorSystem) -> None:
    def fail(_: object) -> None:
        raise ValueError("subscriber bug")

    errors: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    events: list[object] = []
    system.events.subscribe(fail)
    system.events.subscribe(events.append)
    await system.wait_started(system.spawn(FlakyActor))
    assert len(events) == len(errors) == 1


async def test_crashes_are_reported() -> None:
    reports: list[ActorExited] = []
    async with ActorSystem(on_crash=reports.append) as system:
        await system.stop(system.spawn(FlakyActor))
        ref = system.spawn(FlakyActor)
        ref.tell(Crash(error := ValueError("bug")))
        await system.join(ref)
    assert reports == [ActorExited(ref, 1, Crashed(error))]


async def test_crashes_are_logged_with_their_traceback(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    ref = system.spawn(FlakyActor, name="alice")
    ref.tell(Crash(ValueError("bug")))
    log_crash(ActorExited(ref, 1, await system.join(ref)))
    assert "alice crashed with ValueError: bug" in caplog.text
    assert "in receive" in caplog.text


# Dead letters


async def test_dead_letters_are_counted_and_recorded_with_their_sender(
    system: ActorSystem, probe: Probe
) -> None:
    dead = system.spawn(FlakyActor)
    await system.stop(dead)

    class Sender(Actor[Any]):
        def on_start(self) -> None:
            dead.tell("from the start")

        async def receive(self, message: Any) -> None:
            await asyncio.sleep(1)
            dead.tell("from a handler")

    dead.tell("from outside")
    sender = system.spawn(Sender)
    sender.tell("go")
    await asyncio.sleep(2)
    assert system.dead_letters.count == 3
    assert set(system.dead_letters.recent) == {
        DeadLetter(dead, "from outside", None),
        DeadLetter(dead, "from the start", sender),
        DeadLetter(dead, "from a handler", sender),
    }
    assert (await probe.expect_event(DeadLetter)).message == "from outside"


async def test_a_flood_of_dead_letters_is_two_log_lines(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    dead = system.spawn(FlakyActor, name="gone")
    await system.stop(dead)
    for number in range(4_714):
        dead.tell(number)
    await asyncio.sleep(60)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["dead letter: int to gone from outside", "dead letters: and 4,713 more"]
    assert system.dead_letters.count == 4_714
    assert len(system.dead_letters.recent) == 100


# Inspection


async def test_inspect_shows_an_actor_at_work(system: ActorSystem) -> None:
    class Worker(FlakyActor):
        def on_start(self) -> None:
            self.context.start_timer(1000, "tick")

    ref = system.spawn(Worker, name="worker")
    ref.tell("quick")
    ref.tell(Hang())
    ref.tell("waiting")
    await asyncio.sleep(3)
    seen = system.inspect(ref)
    assert (seen.path, seen.name, seen.kind) == ("worker", "worker", ActorKind.ACTOR)
    assert (seen.state, seen.incarnation, seen.restarts) == (ActorState.RUNNING, 1, 0)
    assert (seen.mailbox, seen.handled, seen.timers) == (1, 2, 1)
    assert seen.current == CurrentMessage(Hang(), age=3.0)
    assert seen.last_exit is None
    system.kill(ref)
    await system.join(ref)
    assert (system.inspect(ref).state, system.inspect(ref).last_exit) == (
        ActorState.ENDED,
        Killed(),
    )


async def test_the_tree_shows_every_level(system: ActorSystem) -> None:
    inner = SupervisorSpec((ChildSpec("alice", FlakyActor),))
    await system.start_supervisor(
        SupervisorSpec((ChildSpec("agents", lambda: Supervisor(inner)),)), name="hive-c0re"
    )
    root = system.tree()
    assert (root.path, root.kind) == ("system", ActorKind.SYSTEM)
    [core] = root.children
    [agents] = core.children
    [alice] = agents.children
    assert alice.path == "hive-c0re/agents/alice"
    assert (core.kind, agents.kind, alice.kind) == (
        ActorKind.SUPERVISOR,
        ActorKind.SUPERVISOR,
        ActorKind.ACTOR,
    )
    assert core.child is None
    assert agents.child is not None
    assert alice.child is not None
    assert alice.child.state is ChildState.RUNNING
    assert alice.name == "alice"


async def test_a_suspended_actor_leaves_user_messages_waiting(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    await system.wait_started(ref)
    system.suspend(ref)
    asked = ref.ask(Echo("later"), timeout=100)
    await asyncio.sleep(10)
    assert not asked.done()
    assert system.inspect(ref).suspended
    system.resume(ref)
    assert await asked == "later"


async def test_a_suspended_actor_can_be_stopped(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    system.suspend(ref)
    ref.tell("never")
    assert await system.stop(ref) == Shutdown()


async def test_a_trace_shows_messages_until_it_is_cancelled(system: ActorSystem) -> None:
    spec = ChildSpec("a", FlakyActor)
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    ref = (await supervisor.child("a")).ref
    entries: list[TraceEntry] = []
    trace = system.trace(ref, entries.append)
    crash = Crash()
    ref.tell(crash)
    await ref.ask(Echo(1))
    trace.cancel()
    await ref.ask(Echo(2))
    assert [(entry.incarnation, entry.message) for entry in entries] == [(1, crash), (2, Echo(1))]


# Slow handlers


async def test_a_slow_handler_is_reported(system: ActorSystem, probe: Probe) -> None:
    ref = system.spawn(FlakyActor, max_handle=2.0)
    ref.tell(Hang())
    event = await probe.expect_event(SlowHandler, within=10.0)
    assert event == SlowHandler(ref, Hang(), 2.0)
    assert ref.alive


async def test_a_slow_handler_is_killed_with_kill_slow(system: ActorSystem, probe: Probe) -> None:
    spec = ChildSpec("a", FlakyActor, max_handle=2.0, kill_slow=True)
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    ref = (await supervisor.child("a")).ref
    ref.tell(Hang())
    await asyncio.sleep(3)
    info = await supervisor.child("a")
    assert (info.restarts, info.last_exit) == (1, Killed())


async def test_a_quick_handler_is_not_reported(system: ActorSystem) -> None:
    events: list[object] = []
    system.events.subscribe(events.append)
    ref = system.spawn(FlakyActor, max_handle=2.0)
    await ref.ask(Echo())
    await asyncio.sleep(10)
    assert not [event for event in events if isinstance(event, SlowHandler)]


# The end


async def test_leaving_the_system_stops_everything_in_reverse() -> None:
    stopped: list[tuple[str, ExitReason]] = []

    class Named(FlakyActor):
        def on_stop(self, reason: ExitReason) -> None:
            stopped.append((self.context.name, reason))

    async with ActorSystem() as system:
        for name in ("one", "two", "three"):
            await system.wait_started(system.spawn(Named, name=name))
    reason = Shutdown(SystemStopped())
    assert stopped == [("three", reason), ("two", reason), ("one", reason)]


async def test_a_system_that_does_not_run_spawns_nothing() -> None:
    system = ActorSystem(name="hive")
    with pytest.raises(SystemClosed, match="'hive' is not running"):
        system.spawn(FlakyActor)
    async with system:
        pass
    with pytest.raises(SystemClosed):
        system.spawn(FlakyActor)


@pytest.mark.parametrize("awaits", [False, True])
async def test_keyboard_interrupt_leaves_the_system_in_order(awaits: bool) -> None:
    stopped: list[str] = []

    class Bystander(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(1)
            stopped.append("in order")

    class Interrupted(Actor[Any]):
        def receive(self, message: Any) -> object:
            if awaits:
                return self.later()
            raise KeyboardInterrupt

        async def later(self) -> None:
            await asyncio.sleep(1)
            raise KeyboardInterrupt

    async def live() -> None:
        async with ActorSystem(on_crash=None) as system:
            system.spawn(Bystander)
            system.spawn(Interrupted).tell("go")
            await asyncio.sleep(100)

    caught: list[BaseException] = []

    async def shielded() -> None:
        try:
            await live()
        except KeyboardInterrupt as error:
            caught.append(error)

    await asyncio.create_task(shielded())
    assert [type(error) for error in caught] == [KeyboardInterrupt]
    assert stopped == ["in order"]


async def test_events_and_logs_need_no_subscriber(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with ActorSystem() as system:
            ref = system.spawn(FlakyActor)
            ref.tell(Crash(ValueError("bug")))
            await system.join(ref)
    assert "ValueError: bug" in caplog.text


async def test_a_keyboard_interrupt_at_the_end_is_raised_when_all_have_ended() -> None:
    stopped: list[str] = []

    class Bystander(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(1)
            stopped.append("in order")

    class Interrupted(FlakyActor):
        def on_stop(self, reason: ExitReason) -> None:
            raise KeyboardInterrupt

    async def live() -> None:
        async with ActorSystem(on_crash=None) as system:
            for factory in (Bystander, Interrupted):
                await system.wait_started(system.spawn(factory))

    with pytest.raises(KeyboardInterrupt):
        await live()
    assert stopped == ["in order"]


async def test_a_failing_report_of_a_crash_does_not_disturb_the_supervisor() -> None:
    errors: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail(_: object) -> None:
        raise ValueError("a bug of the report")

    async with ActorSystem(on_crash=fail) as system:
        spec = SupervisorSpec((ChildSpec("worker", FlakyActor),))
        supervisor = await system.start_supervisor(spec)
        (await supervisor.child("worker")).ref.tell(Crash())
        await asyncio.sleep(1)
        found = await supervisor.child("worker")
    assert (found.state, found.restarts, len(errors)) == (ChildState.RUNNING, 1, 1)


async def test_a_failing_trace_does_not_disturb_the_actor(system: ActorSystem) -> None:
    errors: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail(_: object) -> None:
        raise ValueError("a bug of the trace")

    ref = system.spawn(FlakyActor)
    with system.trace(ref, fail):
        assert await ref.ask(Echo("still there")) == "still there"
    assert len(errors) == 1


async def test_to_wait_for_the_start_of_a_dead_actor_fails_at_once(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    await system.stop(ref)
    async with asyncio.timeout(1):
        with pytest.raises(StartError):
            await system.wait_started(ref)


async def test_to_wait_for_a_start_that_is_called_off_fails(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    spec = ChildSpec(
        "worker", flaky_start(FlakyActor, 9), backoff=Backoff(base=50), budget=RestartLimit(9, 999)
    )
    ref = await supervisor.start_child(spec, wait=False)
    await asyncio.sleep(1)
    waiting = asyncio.ensure_future(system.wait_started(ref))
    await settle()
    await supervisor.terminate_child("worker")
    async with asyncio.timeout(1):
        with pytest.raises(StartError):
            await waiting


async def test_a_name_that_a_replaced_child_had_before_is_free(system: ActorSystem) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec())
    await supervisor.start_child(ChildSpec("worker", FlakyActor, name="old"))
    ref = await supervisor.replace_child(ChildSpec("worker", FlakyActor, name="new"))
    assert (system.whereis("old"), system.whereis("new")) == (None, ref)
    await system.wait_started(system.spawn(FlakyActor, name="old"))
