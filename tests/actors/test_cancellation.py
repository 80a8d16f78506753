"""Cancellation at every await that a caller or an actor can be at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import (
    ActorState,
    ActorSystem,
    ChildSpec,
    ExitReason,
    Mailbox,
    Overflow,
    Shutdown,
    SupervisorRef,
    SupervisorSpec,
)
from actors.testing import Echo, FlakyActor, Hang, hang

pytestmark = pytest.mark.sim


class SlowStart(FlakyActor):
    async def on_start(self) -> None:
        await asyncio.sleep(5)


class SlowStop(FlakyActor):
    async def on_stop(self, reason: ExitReason) -> None:
        await asyncio.sleep(3)


Act = Callable[[ActorSystem, SupervisorRef], Awaitable[Any]]

ACTS: dict[str, Act] = {
    "start_child": lambda _, sup: sup.start_child(ChildSpec("new", SlowStart)),
    "terminate_child": lambda _, sup: sup.terminate_child("slow"),
    "replace_child": lambda _, sup: sup.replace_child(ChildSpec("slow", SlowStop)),
    "start_supervisor": lambda system, _: system.start_supervisor(
        SupervisorSpec((ChildSpec("x", SlowStart),)), "other"
    ),
    "wait_started": lambda system, _: system.wait_started(system.spawn(SlowStart)),
    "stop": lambda system, sup: system.stop(sup.ref),
    "join": lambda system, sup: system.join(sup.ref),
    "wait_failed": lambda system, _: system.wait_failed(),
}


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("after", [0.0, 0.5, 2.0])
async def test_a_cancelled_caller_has_no_effect(
    system: ActorSystem, act: str, after: float
) -> None:
    supervisor = await system.start_supervisor(
        SupervisorSpec((ChildSpec("slow", SlowStop), ChildSpec("other", FlakyActor)))
    )

    async def call() -> None:
        await ACTS[act](system, supervisor)

    caller = asyncio.create_task(call())
    await asyncio.sleep(after)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(20)
    states = {node.state for node in system.tree().children}
    assert states <= {ActorState.RUNNING}
    assert await system.stop(supervisor.ref) == Shutdown()


@pytest.mark.parametrize("after", [0.0, 1.0, 4.0, 6.0])
async def test_killing_at_any_moment_of_a_life(system: ActorSystem, after: float) -> None:
    class Life(FlakyActor):
        async def on_start(self) -> None:
            self.context.create_task(hang(), name="task")
            self.context.spawn(SlowStop)
            await asyncio.sleep(2)

        async def receive(self, message: Any) -> None:
            await asyncio.sleep(3)

        async def on_stop(self, reason: ExitReason) -> None:
            await asyncio.sleep(10)

    ref = system.spawn(Life, shutdown=60.0)
    ref.tell("work")
    stopping = asyncio.create_task(system.stop(ref)) if after == 6.0 else None
    await asyncio.sleep(after)
    system.kill(ref)
    began = asyncio.get_running_loop().time()
    await system.join(ref)
    assert asyncio.get_running_loop().time() - began <= 2.0
    if stopping is not None:
        await stopping
    assert system.tree().children == ()


@pytest.mark.parametrize("after", [0.1, 0.5, 1.5])
async def test_cancelling_the_exit_of_the_system_kills_the_remaining_actors(after: float) -> None:
    system = ActorSystem(on_crash=None)

    async def live() -> None:
        async with system:
            system.spawn(lambda: FlakyActor(Hang()), shutdown=1000.0)
            system.spawn(FlakyActor).tell(Hang(swallow=2))
            await asyncio.sleep(1)

    life = asyncio.create_task(live())
    await asyncio.sleep(after)
    life.cancel()
    await asyncio.sleep(1)
    life.cancel()
    began = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await life
    assert asyncio.get_running_loop().time() - began < 5.0
    assert system.tree().children == ()


async def test_cancelling_a_put_keeps_the_order_of_the_others(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, mailbox=Mailbox(1, Overflow.BLOCK))
    system.suspend(ref)
    await ref.put("first")
    put_queue = [asyncio.create_task(ref.put(Echo(number))) for number in range(5)]
    await asyncio.sleep(0)
    put_queue[0].cancel()
    put_queue[3].cancel()
    await asyncio.sleep(0)
    system.resume(ref)
    await asyncio.sleep(1)
    assert [putter.cancelled() for putter in put_queue] == [True, False, False, True, False]
    assert system.inspect(ref).handled == 4


async def test_cancelling_an_ask_does_not_disturb_its_actor(system: ActorSystem) -> None:
    class Slow(FlakyActor):
        async def receive(self, message: Any) -> object:
            await asyncio.sleep(2)
            return message.value

    ref = system.spawn(Slow)
    first, second = ref.ask(Echo(1)), ref.ask(Echo(2))
    await asyncio.sleep(1)
    first.cancel()
    assert await second == 2
    assert system.counters.late_replies == 1
