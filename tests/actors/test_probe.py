"""The probe: what it waits for, and what it says when that does not come."""

import asyncio

import pytest

from actors import ActorExited, ActorStarted, ActorSystem, Killed
from actors.testing import Echo, FlakyActor, Probe, hang

pytestmark = pytest.mark.sim


async def test_it_takes_messages_in_order(probe: Probe) -> None:
    probe.ref.tell("one")
    probe.ref.tell(2)
    assert await probe.expect(str) == "one"
    assert await probe.expect(lambda message: message > 1) == 2


async def test_it_waits_for_a_message(probe: Probe) -> None:
    asyncio.get_running_loop().call_later(0.9, probe.ref.tell, "late")
    assert await probe.expect(str) == "late"


async def test_it_says_what_did_not_come(probe: Probe) -> None:
    with pytest.raises(AssertionError, match="a message did not come within 2 s"):
        await probe.expect(str, within=2.0)


async def test_it_says_what_came_instead(probe: Probe) -> None:
    probe.ref.tell(1)
    with pytest.raises(AssertionError, match="expected str next, got 1"):
        await probe.expect(str)


async def test_it_notices_what_should_not_come(probe: Probe) -> None:
    await probe.expect_nothing(for_=5.0)
    asyncio.get_running_loop().call_later(0.9, probe.ref.tell, "unwanted")
    with pytest.raises(AssertionError, match="unwanted"):
        await probe.expect_nothing(for_=1.0)
    assert probe.unread == ("unwanted",)


async def test_it_answers_asks(system: ActorSystem) -> None:
    probe = Probe(system, answer=lambda message: message.value + 1)
    assert await probe.ref.ask(Echo(1)) == 2
    assert await probe.expect(Echo) == Echo(1)


async def test_it_watches_and_links(system: ActorSystem, probe: Probe) -> None:
    ref = system.spawn(FlakyActor)
    await probe.watch(ref)
    await probe.link(ref)
    system.kill(ref)
    assert await probe.expect_down(ref) == Killed()
    assert await probe.expect_exit(ref) == Killed()
    with pytest.raises(AssertionError, match="the end of FlakyActor"):
        await probe.expect_down(ref)
    assert probe.ref.alive


async def test_it_fishes_for_events(system: ActorSystem, probe: Probe) -> None:
    ref = system.spawn(FlakyActor)
    await system.wait_started(ref)
    system.kill(ref)
    assert (await probe.expect_event(ActorExited)).ref is ref
    with pytest.raises(AssertionError, match="ActorStarted did not come"):
        await probe.expect_event(ActorStarted)


async def test_hang_swallows_as_many_cancellations_as_requested() -> None:
    task = asyncio.create_task(hang(swallow=2))
    await asyncio.sleep(1)
    for expected in (False, False, True):
        task.cancel()
        await asyncio.sleep(1)
        assert task.done() is expected
