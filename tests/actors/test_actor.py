"""The life of one actor: start, messages, end."""

import asyncio
from typing import Any

import pytest

from actors import (
    DEFERRED,
    Actor,
    ActorDied,
    ActorSystem,
    Crashed,
    ExitReason,
    Infinity,
    Killed,
    Normal,
    Ref,
    Shutdown,
    StaleContext,
    StartError,
    StartFailed,
    StopFailed,
)
from actors.testing import Crash, Echo, Finish, FlakyActor, Hang, Probe, hang

pytestmark = pytest.mark.sim


class Diary(Actor[Any]):
    """Writes down what happens to it."""

    def __init__(self, pages: list[Any]) -> None:
        self.pages = pages

    def on_start(self) -> None:
        self.pages.append("start")

    def receive(self, message: Any) -> object:
        self.pages.append(message)
        match message:
            case ValueError():
                raise message
            case Ref():
                message.tell("from the diary")
            case "stop":
                self.context.stop()
        return None

    def on_stop(self, reason: ExitReason) -> None:
        self.pages.append(reason)


async def test_messages_of_one_sender_are_handled_in_order(system: ActorSystem) -> None:
    pages: list[Any] = []
    ref = system.spawn(lambda: Diary(pages))
    for number in range(1000):
        ref.tell(number)
    await ref.ask(Echo())
    assert pages == ["start", *range(1000), Echo()]


async def test_an_actor_can_be_sent_to_before_it_is_up(system: ActorSystem) -> None:
    class Slow(FlakyActor):
        async def on_start(self) -> None:
            await asyncio.sleep(10)

    ref = system.spawn(Slow)
    asked = ref.ask(Echo("hello"), timeout=20)
    assert ref.alive
    assert await asked == "hello"


async def test_one_message_at_a_time_even_when_handlers_await(system: ActorSystem) -> None:
    inside = 0
    most = 0

    class Busy(Actor[int]):
        async def receive(self, message: int) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(message % 3)
            inside -= 1

    ref = system.spawn(Busy)
    for number in range(20):
        ref.tell(number)
    await asyncio.sleep(100)
    assert system.inspect(ref).handled == 20
    assert most == 1


async def test_stop_overtakes_messages_that_wait(system: ActorSystem) -> None:
    pages: list[Any] = []
    ref = system.spawn(lambda: Diary(pages))
    await system.wait_started(ref)
    for number in range(5):
        ref.tell(number)
    assert await system.stop(ref, Shutdown("enough")) == Shutdown("enough")
    assert pages == ["start", Shutdown("enough")]
    assert system.dead_letters.count == 5


async def test_stop_lets_the_current_handler_finish(system: ActorSystem) -> None:
    class Slow(Actor[Any]):
        async def receive(self, message: Any) -> object:
            await asyncio.sleep(3)
            return "done"

    ref = system.spawn(Slow)
    asked = ref.ask(Echo())
    await asyncio.sleep(1)
    assert await system.stop(ref) == Shutdown()
    assert await asked == "done"


async def test_kill_does_not_wait_for_the_handler(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Hang())
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    system.kill(ref)
    assert await system.join(ref) == Killed()
    assert asyncio.get_running_loop().time() == began


async def test_a_handler_beyond_the_deadline_is_killed(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, shutdown=2.0)
    ref.tell(Hang())
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    assert await system.stop(ref) == Killed()
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


async def test_an_exception_ends_the_actor_with_its_error(system: ActorSystem) -> None:
    error = ValueError("bug")
    pages: list[Any] = []
    ref = system.spawn(lambda: Diary(pages))
    ref.tell(error)
    assert await system.join(ref) == Crashed(error)
    assert pages == ["start", error, Crashed(error)]
    assert not ref.alive


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
async def test_system_exit_in_a_handler_is_a_crash(
    system: ActorSystem, error: BaseException
) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Crash(error))
    assert await system.join(ref) == Crashed(error)


async def test_system_exit_in_an_awaiting_handler_is_a_crash(system: ActorSystem) -> None:
    class Exits(Actor[Any]):
        async def receive(self, message: Any) -> None:
            await asyncio.sleep(1)
            raise SystemExit(3)

    ref = system.spawn(Exits)
    ref.tell("go")
    reason = await system.join(ref)
    assert isinstance(reason, Crashed)
    assert isinstance(reason.error, SystemExit)


async def test_an_unrequested_cancellation_is_a_crash(system: ActorSystem) -> None:
    class Cancelled(Actor[Any]):
        async def receive(self, message: Any) -> None:
            raise asyncio.CancelledError

    ref = system.spawn(Cancelled)
    ref.tell("go")
    reason = await system.join(ref)
    assert isinstance(reason, Crashed)
    assert isinstance(reason.error, asyncio.CancelledError)


async def test_an_actor_may_end_itself(system: ActorSystem) -> None:
    pages: list[Any] = []
    ref = system.spawn(lambda: Diary(pages))
    ref.tell("stop")
    ref.tell("too late")
    assert await system.join(ref) == Normal()
    assert pages == ["start", "stop", Normal()]


async def test_a_factory_that_raises_is_a_failed_start(system: ActorSystem) -> None:
    def broken() -> FlakyActor:
        raise OSError("no disk")

    ref = system.spawn(broken)
    with pytest.raises(StartError, match="no disk"):
        await system.wait_started(ref)
    assert isinstance(system.inspect(ref).last_exit, StartFailed)


@pytest.mark.parametrize("awaits", [False, True])
async def test_on_stop_is_not_called_when_on_start_failed(
    system: ActorSystem, awaits: bool
) -> None:
    pages: list[Any] = []

    class Broken(Diary):
        def on_start(self) -> Any:
            if awaits:
                return self.fail_later()
            raise OSError("no disk")

        async def fail_later(self) -> None:
            await asyncio.sleep(1)
            raise OSError("no disk")

    ref = system.spawn(lambda: Broken(pages))
    assert isinstance(await system.join(ref), StartFailed)
    assert pages == []


async def test_stopping_during_the_start_cancels_it(system: ActorSystem) -> None:
    cancelled: list[str] = []

    class Slow(Diary):
        async def on_start(self) -> None:  # type: ignore[override]
            try:
                await hang()
            finally:
                cancelled.append("yes")

    pages: list[Any] = []
    ref = system.spawn(lambda: Slow(pages))
    await asyncio.sleep(1)
    assert await system.stop(ref) == Shutdown()
    assert cancelled == ["yes"]
    assert pages == []


async def test_a_graceful_end_with_a_failing_on_stop_is_a_crash(system: ActorSystem) -> None:
    error = OSError("disk full")

    class Broken(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            raise error

    ref = system.spawn(Broken)
    await system.wait_started(ref)
    assert await system.stop(ref) == Crashed(error)


async def test_a_failing_on_stop_does_not_hide_the_first_failure(
    system: ActorSystem, probe: Probe
) -> None:
    class Broken(FlakyActor):
        def on_stop(self, reason: ExitReason) -> None:
            raise OSError("disk full")

    first = ValueError("first")
    ref = system.spawn(Broken)
    ref.tell(Crash(first))
    assert await system.join(ref) == Crashed(first)
    assert isinstance((await probe.expect_event(StopFailed)).error, OSError)


async def test_a_hanging_on_stop_is_cut_off_at_the_deadline(system: ActorSystem) -> None:
    ref = system.spawn(lambda: FlakyActor(Hang()), shutdown=2.0)
    await system.wait_started(ref)
    began = asyncio.get_running_loop().time()
    assert await system.stop(ref) == Killed()
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


async def test_an_actor_that_ends_by_itself_has_a_deadline_too(system: ActorSystem) -> None:
    ref = system.spawn(lambda: FlakyActor(Hang()), shutdown=2.0)
    ref.tell(Finish())
    assert await system.join(ref) == Killed()


async def test_a_crash_stays_the_reason_when_on_stop_hangs(system: ActorSystem) -> None:
    error = ValueError("bug")
    ref = system.spawn(lambda: FlakyActor(Hang()), shutdown=2.0)
    ref.tell(Crash(error))
    assert await system.join(ref) == Crashed(error)


async def test_on_stop_is_called_after_a_kill_with_little_time(system: ActorSystem) -> None:
    stopped: list[ExitReason] = []

    class Tidy(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(0.25)
            stopped.append(reason)

    ref = system.spawn(Tidy)
    ref.tell(Hang())
    await asyncio.sleep(1)
    system.kill(ref)
    assert await system.join(ref) == Killed()
    assert stopped == [Killed()]


# What an actor owns


async def test_what_an_actor_spawned_ends_with_it_in_reverse(system: ActorSystem) -> None:
    pages: list[Any] = []

    class Named(FlakyActor):
        def on_stop(self, reason: ExitReason) -> None:
            pages.append(self.context.name)

    class Parent(FlakyActor):
        def on_start(self) -> None:
            for name in ("one", "two", "three"):
                self.context.spawn(Named, name=name)

        def on_stop(self, reason: ExitReason) -> None:
            pages.append("parent")

    ref = system.spawn(Parent, name="parent")
    await system.wait_started(ref)
    assert system.whereis("two") is not None
    assert [node.path for node in system.tree().children[0].children] == [
        "parent/one",
        "parent/two",
        "parent/three",
    ]
    await system.stop(ref)
    assert pages == ["parent", "three", "two", "one"]
    assert system.registered() == ()


async def test_killing_an_actor_kills_what_it_owns(system: ActorSystem) -> None:
    class Parent(FlakyActor):
        def on_start(self) -> None:
            self.context.spawn(FlakyActor, name="child").tell(Hang())

    ref = system.spawn(Parent)
    await asyncio.sleep(1)
    child = system.whereis("child")
    assert child is not None
    began = asyncio.get_running_loop().time()
    system.kill(ref)
    await system.join(ref)
    assert system.inspect(child).last_exit == Killed()
    assert asyncio.get_running_loop().time() == began


async def test_the_end_of_a_child_does_not_affect_its_owner(system: ActorSystem) -> None:
    class Parent(FlakyActor):
        def on_start(self) -> None:
            self.context.spawn(FlakyActor, name="child").tell(Crash())

    ref = system.spawn(Parent)
    await asyncio.sleep(1)
    assert ref.alive
    assert system.whereis("child") is None


async def test_an_owned_task_is_cancelled_and_awaited(system: ActorSystem) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await hang()
        finally:
            await asyncio.sleep(0.5)
            ended.append("tidied up")

    class Worker(FlakyActor):
        def on_start(self) -> None:
            self.context.create_task(work(), name="work")

    ref = system.spawn(Worker)
    await asyncio.sleep(1)
    assert system.inspect(ref).tasks == ("work",)
    assert await system.stop(ref) == Shutdown()
    assert ended == ["tidied up"]


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(1)])
async def test_a_failing_task_crashes_its_actor(system: ActorSystem, error: BaseException) -> None:
    async def fail() -> None:
        raise error

    class Worker(FlakyActor):
        def on_start(self) -> None:
            self.context.create_task(fail(), name="fail")

    assert await system.join(system.spawn(Worker)) == Crashed(error)


async def test_a_task_of_an_actor_may_be_cancelled_by_it(system: ActorSystem) -> None:
    class Worker(FlakyActor):
        def on_start(self) -> None:
            self.context.create_task(hang(), name="hang").cancel()

    ref = system.spawn(Worker)
    await asyncio.sleep(1)
    assert ref.alive


async def test_the_context_of_an_ended_incarnation_is_stale(system: ActorSystem) -> None:
    actor = FlakyActor()
    ref = system.spawn(lambda: actor)
    await system.wait_started(ref)
    context = actor.context
    await system.stop(ref)
    for act in (
        context.reply,
        context.stop,
        lambda: context.spawn(FlakyActor),
        lambda: context.monitor(ref),
        lambda: context.start_timer(1, "x"),
        lambda: context.create_task(hang(), name="hang"),
    ):
        with pytest.raises(StaleContext, match="incarnation 1"):
            act()


# Ends seen by the asker


async def test_deferring_without_taking_the_reply_is_a_crash(system: ActorSystem) -> None:
    class Wrong(Actor[Any]):
        def receive(self, message: Any) -> object:
            return DEFERRED

    with pytest.raises(ActorDied, match=r"without taking context\.reply"):
        await system.spawn(Wrong).ask(Echo())


async def test_many_messages_do_not_starve_the_loop(system: ActorSystem) -> None:
    class Glutton(Actor[int]):
        def receive(self, message: int) -> None:
            pass

    ref = system.spawn(Glutton)
    await system.wait_started(ref)
    for number in range(5_000):
        ref.tell(number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < system.inspect(ref).handled < 5_000


async def test_a_task_that_a_cancelled_task_makes_ends_with_its_actor(system: ActorSystem) -> None:
    made: list[asyncio.Task[None]] = []

    class Worker(FlakyActor):
        def on_start(self) -> None:
            self.context.create_task(self.first(), name="first")

        async def first(self) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                made.append(self.context.create_task(self.second(), name="second"))

        async def second(self) -> None:
            await asyncio.sleep(1000)

    ref = system.spawn(Worker)
    await asyncio.sleep(1)
    await system.stop(ref)
    [second] = made
    assert second.cancelled()


async def test_a_stop_with_a_timeout_is_a_kill_also_while_the_actor_is_stopping(
    system: ActorSystem,
) -> None:
    class Slow(FlakyActor):
        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(1000)

    ref = system.spawn(Slow, shutdown=Infinity())
    await system.wait_started(ref)
    first = asyncio.ensure_future(system.stop(ref))
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    assert await system.stop(ref, timeout=2) == Killed()
    assert asyncio.get_running_loop().time() - began < 5
    await first
