"""Timers of actors: when they fire, and that they never fire afterwards."""

import asyncio
from typing import Any

import pytest

from actors import Actor, ActorSystem
from actors.testing import Crash

pytestmark = pytest.mark.sim


class Clock(Actor[Any]):
    """Runs functions in its own context and notes when other messages come."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, Any]] = []

    def receive(self, message: Any) -> object:
        if callable(message):
            return message(self.context)
        self.ticks.append((self.context.loop_time(), message))
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_timer_fires_once_after_its_delay(system: ActorSystem, clock: Clock) -> None:
    began = asyncio.get_running_loop().time()
    system.spawn(lambda: clock).tell(lambda context: context.start_timer(3, "tick"))
    await asyncio.sleep(100)
    [(at, message)] = clock.ticks
    assert at == pytest.approx(began + 3)
    assert message == "tick"


async def test_a_periodic_timer_keeps_its_rhythm(system: ActorSystem, clock: Clock) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(2, "tick", every=True))
    await asyncio.sleep(9)
    assert len(clock.ticks) == 4
    assert system.inspect(ref).timers == 1


async def test_beats_missed_by_a_busy_actor_do_not_pile_up(
    system: ActorSystem, clock: Clock
) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(1, "tick", every=True))
    ref.tell(lambda _: asyncio.sleep(100.5))
    await asyncio.sleep(100.7)
    assert len(clock.ticks) == 1
    await asyncio.sleep(2)
    assert len(clock.ticks) == 3


@pytest.mark.parametrize("delay", [-1.0, 0.0])
async def test_a_senseless_period_is_refused(
    system: ActorSystem, clock: Clock, delay: float
) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(delay, "tick", every=True))
    assert "above 0 s" in str(await system.join(ref))


async def test_a_key_replaces_the_timer_before(system: ActorSystem, clock: Clock) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(1, "old", key="k"))
    ref.tell(lambda context: context.start_timer(2, "new", key="k"))
    await asyncio.sleep(10)
    assert [message for _, message in clock.ticks] == ["new"]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_cancelled_timer_never_fires(
    system: ActorSystem, clock: Clock, key: str | None
) -> None:
    cancelled: list[bool] = []

    async def fire_then_cancel(context: Any) -> None:
        timer = context.start_timer(1, "tick", key=key)
        await asyncio.sleep(2)  # it fired meanwhile, and waits
        cancelled.append(context.cancel_timer(timer if key is None else key))
        cancelled.append(context.cancel_timer(timer if key is None else key))

    system.spawn(lambda: clock).tell(fire_then_cancel)
    await asyncio.sleep(10)
    assert cancelled == [True, False]
    assert clock.ticks == []


async def test_timers_end_with_their_incarnation(system: ActorSystem, clock: Clock) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(1, "tick", every=True))
    await asyncio.sleep(0.5)
    await system.stop(ref)
    await asyncio.sleep(10)
    assert clock.ticks == []


async def test_timers_overtake_messages_that_wait(system: ActorSystem, clock: Clock) -> None:
    ref = system.spawn(lambda: clock)
    ref.tell(lambda context: context.start_timer(1, "tick"))
    ref.tell(lambda _: asyncio.sleep(2))
    ref.tell("user")
    await asyncio.sleep(10)
    assert [message for _, message in clock.ticks] == ["tick", "user"]


async def test_a_timer_may_crash_its_actor(system: ActorSystem) -> None:
    class Bomb(Actor[Any]):
        def on_start(self) -> None:
            self.context.start_timer(1, Crash())

        def receive(self, message: Crash) -> None:
            raise message.error

    assert "told to crash" in str(await system.join(system.spawn(Bomb)))
