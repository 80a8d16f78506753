"""The same runtime on the loops that users run: asyncio in debug mode, and uvloop."""

import asyncio
from typing import Any

import pytest

from actors import (
    Actor,
    ActorDied,
    ActorSystem,
    AskTimeout,
    Backoff,
    ChildParked,
    ChildSpec,
    ChildState,
    Crashed,
    Killed,
    RestartLimit,
    Shutdown,
    Strategy,
    SupervisorSpec,
)
from actors.testing import Crash, Echo, FlakyActor, Hang, Probe

SOON = Backoff(base=0.01, factor=1.0)


async def test_a_life_of_asks(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    answers = await asyncio.gather(*(ref.ask(Echo(number)) for number in range(1000)))
    assert answers == list(range(1000))
    assert await system.stop(ref) == Shutdown()
    with pytest.raises(ActorDied):
        await ref.ask(Echo())


async def test_a_timeout_in_real_time(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Hang())
    with pytest.raises(AskTimeout):
        await ref.ask(Echo(), timeout=0.01)
    system.kill(ref)
    assert await system.join(ref) == Killed()


async def test_a_timer_in_real_time(system: ActorSystem, probe: Probe) -> None:
    class Ticker(Actor[str]):
        def on_start(self) -> None:
            self.context.start_timer(0.01, "tick", every=True)

        def receive(self, message: str) -> None:
            probe.ref.tell(message)

    ref = system.spawn(Ticker)
    for _ in range(3):
        assert await probe.expect(str) == "tick"
    await system.stop(ref)


@pytest.mark.parametrize("strategy", Strategy)
async def test_a_tree_recovers_after_delays(
    system: ActorSystem, probe: Probe, strategy: Strategy
) -> None:
    children = [ChildSpec(name, FlakyActor, backoff=SOON) for name in ("a", "b", "c")]
    supervisor = await system.start_supervisor(SupervisorSpec(children, strategy=strategy))
    refs = [info.ref for info in await supervisor.children()]
    refs[1].tell(Crash())
    answers = [await ref.ask(Echo(ref.name)) for ref in refs]
    assert answers == ["a", "b", "c"]
    info = await supervisor.child("b")
    assert (info.restarts, info.state) == (1, ChildState.RUNNING)
    assert isinstance(info.last_exit, Crashed)


async def test_a_crash_loop_is_parked(system: ActorSystem, probe: Probe) -> None:
    class Hopeless(FlakyActor):
        def on_start(self) -> None:
            self.context.start_timer(0.0, Crash())

    spec = ChildSpec("x", Hopeless, backoff=SOON, budget=RestartLimit(3, within=60.0))
    supervisor = await system.start_supervisor(SupervisorSpec())
    ref = await supervisor.start_child(spec)
    assert (await probe.expect_event(ChildParked)).ref is ref
    assert ref.incarnation == 4


async def test_asking_each_other_across_tasks(system: ActorSystem) -> None:
    class Front(Actor[Any]):
        async def receive(self, message: Echo) -> object:
            return await back.ask(message)

    back = system.spawn(FlakyActor)
    front = system.spawn(Front)
    assert [await front.ask(Echo(number)) for number in range(100)] == list(range(100))


async def test_context_variables_of_a_sender_stay_with_it(system: ActorSystem) -> None:
    from contextvars import ContextVar

    secret: ContextVar[str] = ContextVar("secret", default="nothing")

    class Reader(Actor[Any]):
        async def receive(self, message: Echo) -> str:
            return secret.get()

    ref = system.spawn(Reader)
    secret.set("the sender's")
    assert await ref.ask(Echo()) == "nothing"


async def test_a_delay_that_is_over_before_the_alarm_is_set(system: ActorSystem) -> None:
    spec = ChildSpec("a", FlakyActor, backoff=Backoff(base=1e-9, jitter=0.0))
    supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
    ref = (await supervisor.child("a")).ref
    ref.tell(Crash())
    assert await ref.ask(Echo("back"), timeout=1.0) == "back"
