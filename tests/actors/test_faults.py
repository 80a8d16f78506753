"""Interceptors and injected faults."""

import asyncio
from typing import Any

import pytest

from actors import (
    Actor,
    ActorDied,
    ActorSystem,
    AskTimeout,
    ChildSpec,
    Crashed,
    Delay,
    Drop,
    DropReason,
    Duplicate,
    Fail,
    Interceptor,
    MessageDropped,
    Ref,
    StartError,
    SupervisorSpec,
)
from actors.testing import (
    Echo,
    FaultPlan,
    Faults,
    FlakyActor,
    InjectedFault,
    MessageFault,
    Probe,
    StartFault,
    flaky_start,
)

pytestmark = pytest.mark.sim


def faulty(*messages: MessageFault, starts: tuple[StartFault, ...] = ()) -> ActorSystem:
    faults = Faults(FaultPlan(messages, starts))
    return ActorSystem(interceptors=[faults], on_crash=None)


async def test_an_interceptor_may_change_a_message(system: ActorSystem) -> None:
    class Wrapper(Interceptor):
        def around(self, message: object, ref: Ref[Any]) -> object:
            return Echo([message.value]) if isinstance(message, Echo) else message

    ref = system.spawn(FlakyActor, interceptors=[Wrapper(), Wrapper()])
    assert await ref.ask(Echo(1)) == [[1]]


async def test_drop_the_nth_message() -> None:
    async with faulty(MessageFault("probe", Drop("lost"), nth=2)) as system:
        probe = Probe(system, "probe")
        for number in range(3):
            probe.ref.tell(number)
        assert [await probe.expect(int), await probe.expect(int)] == [0, 2]
        dropped = await probe.expect_event(MessageDropped)
        assert dropped == MessageDropped(probe.ref, 1, DropReason.INTERCEPTED, "lost")


async def test_a_dropped_ask_times_out() -> None:
    async with faulty(MessageFault("*", Drop(), message=Echo)) as system:
        with pytest.raises(AskTimeout):
            await system.spawn(FlakyActor).ask(Echo())


async def test_delay_lets_others_overtake() -> None:
    async with faulty(MessageFault("probe", Delay(3.0), nth=1)) as system:
        probe = Probe(system, "probe")
        probe.ref.tell("delayed")
        probe.ref.tell("prompt")
        assert await probe.expect(str) == "prompt"
        await probe.expect_nothing(for_=2.5)
        assert await probe.expect(str) == "delayed"


async def test_a_delayed_message_may_find_its_actor_dead() -> None:
    async with faulty(MessageFault("*", Delay(3.0))) as system:
        ref = system.spawn(FlakyActor)
        ref.tell("late")
        asked = ref.ask(Echo())
        await asyncio.sleep(1)
        await system.stop(ref)
        with pytest.raises(ActorDied):
            await asked
        assert [letter.message for letter in system.dead_letters.recent] == ["late"]


async def test_duplicate_delivers_again() -> None:
    async with faulty(MessageFault("probe", Duplicate(2), message=str)) as system:
        probe = Probe(system, "probe")
        probe.ref.tell("echo")
        assert [await probe.expect(str) for _ in range(3)] == ["echo"] * 3
        await probe.expect_nothing(for_=1.0)


async def test_a_duplicated_ask_is_handled_twice_and_answered_once() -> None:
    handled: list[Any] = []

    class Note(Actor[Any]):
        def receive(self, message: Any) -> object:
            handled.append(message)
            return len(handled)

    async with faulty(MessageFault("*", Duplicate())) as system:
        assert await system.spawn(Note).ask(Echo("x")) == 1
        await asyncio.sleep(1)
        assert handled == [Echo("x"), Echo("x")]


@pytest.mark.parametrize("asks", [False, True])
async def test_fail_makes_the_handler_raise(asks: bool) -> None:
    error = InjectedFault("poison")
    async with faulty(MessageFault("*", Fail(error), nth=2)) as system:
        ref = system.spawn(FlakyActor)
        assert await ref.ask(Echo(1)) == 1
        if asks:
            with pytest.raises(ActorDied, match="poison"):
                await ref.ask(Echo(2))
        else:
            ref.tell("poisoned")
            await asyncio.sleep(1)
        assert system.inspect(ref).last_exit == Crashed(error)


async def test_starts_fail_by_plan() -> None:
    async with faulty(starts=(StartFault("*/a", first=2, times=2),)) as system:
        supervisor = await system.start_supervisor(SupervisorSpec((ChildSpec("a", FlakyActor),)))
        ref = (await supervisor.child("a")).ref
        system.kill(ref)
        assert await ref.ask(Echo("fourth")) == "fourth"
        assert ref.incarnation == 4


async def test_a_flaky_start_recovers(system: ActorSystem) -> None:
    factory = flaky_start(FlakyActor, times=2, error=OSError("no disk"))
    for _ in range(2):
        with pytest.raises(StartError, match="no disk"):
            await system.wait_started(system.spawn(factory))
    assert await system.spawn(factory).ask(Echo(1)) == 1
