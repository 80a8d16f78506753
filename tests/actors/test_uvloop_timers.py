"""A timer is never early by the loop's own clock, and needs one call of the loop.

uvloop rounds to the nearest millisecond. Without rounding up, 10.4 ms would end 0.4 ms early.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest
import uvloop

from actors import (
    Actor,
    ActorSystem,
    AskTimeout,
    Backoff,
    ChildSpec,
    Delay,
    Interceptor,
    Killed,
    SlowHandler,
    SupervisorSpec,
    not_before,
)
from actors.testing import Crash, Echo, FlakyActor, Hang, SimulationLoop

AWKWARD = 0.0104
"""Seconds of which uvloop leaves out the last four tenths of a millisecond."""


class CountingLoop(uvloop.Loop):
    """uvloop that counts by callback which timers it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: Counter[str] = Counter()

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        self.timers[callback.__qualname__] += 1
        return super().call_at(when, callback, *args, context=context)


def timers_of(main: Callable[[ActorSystem], Coroutine[Any, Any, None]]) -> Counter[str]:
    """Run `main` with an actor system on uvloop, and return which timers were asked for."""
    loop = CountingLoop()

    async def run() -> None:
        async with ActorSystem(random=Random(0), on_crash=None) as system:
            await main(system)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())
    return loop.timers


def test_a_timer_fires_once_and_not_before_its_time() -> None:
    late: list[float] = []

    class Waiting(Actor[str]):
        def on_start(self) -> None:
            self.due = self.context.loop_time() + AWKWARD
            self.context.start_timer(AWKWARD, "now")

        def receive(self, message: str) -> None:
            late.append(self.context.loop_time() - self.due)
            self.context.stop()

    async def main(system: ActorSystem) -> None:
        await system.join(system.spawn(Waiting))

    assert timers_of(main)["Timers._fire"] == 1
    assert late[0] >= 0


def test_a_restart_takes_one_round_of_the_supervisor() -> None:
    async def main(system: ActorSystem) -> None:
        spec = ChildSpec("a", FlakyActor, backoff=Backoff(base=AWKWARD, jitter=0.0))
        supervisor = await system.start_supervisor(SupervisorSpec((spec,)))
        ref = (await supervisor.child("a")).ref
        ref.tell(Crash())
        assert await ref.ask(Echo("back")) == "back"

    assert timers_of(main)["Timers._fire"] == 1


def test_asks_time_out_with_one_timer() -> None:
    async def main(system: ActorSystem) -> None:
        ref = system.spawn(FlakyActor)
        ref.tell(Hang())
        with pytest.raises(AskTimeout):
            await ref.ask(Echo(), timeout=AWKWARD)
        system.kill(ref)

    assert timers_of(main)["AskTimeouts._expire"] == 1


Begin = Callable[[], Coroutine[Any, Any, None]]


def measured(main: Callable[[ActorSystem, Begin], Coroutine[Any, Any, None]]) -> float:
    """Return how many seconds `main` takes after it calls `begin`, by the clock of uvloop."""
    times: list[float] = []

    async def begin() -> None:
        await asyncio.sleep(0.001)  # the clock ticks between turns, so begin in a new one
        times.append(asyncio.get_running_loop().time())

    async def timed(system: ActorSystem) -> None:
        await main(system, begin)
        times.append(asyncio.get_running_loop().time())

    timers_of(timed)
    began, ended = times
    return ended - began


def test_a_stop_deadline_is_not_early() -> None:
    async def main(system: ActorSystem, begin: Begin) -> None:
        ref = system.spawn(FlakyActor)
        ref.tell(Hang())
        await begin()
        assert await system.stop(ref, timeout=AWKWARD) == Killed()

    assert measured(main) >= AWKWARD


def test_a_handler_is_not_reported_as_slow_early() -> None:
    async def main(system: ActorSystem, begin: Begin) -> None:
        reported = asyncio.Event()
        system.events.subscribe(
            lambda event: reported.set() if isinstance(event, SlowHandler) else None
        )
        ref = system.spawn(FlakyActor, max_handle=AWKWARD)
        await system.wait_started(ref)
        await begin()
        ref.tell(Hang())
        await reported.wait()
        system.kill(ref)

    assert measured(main) >= AWKWARD


def test_a_delayed_message_is_not_early() -> None:
    class Delaying(Interceptor):
        def around(self, message: object, ref: object) -> object:
            return Delay(AWKWARD)

    async def main(system: ActorSystem, begin: Begin) -> None:
        ref = system.spawn(FlakyActor, interceptors=[Delaying()])
        await begin()
        assert await ref.ask(Echo("late")) == "late"

    assert measured(main) >= AWKWARD


@pytest.mark.parametrize("tick", [0, 1, 1_001, 86_400_123, 31_536_000_007])
@pytest.mark.parametrize("delay", [0.2, 0.0104, 0.001, 0.0005, 1e-9, 0.0])
@pytest.mark.loops("uvloop")
async def test_the_next_millisecond_is_never_before_the_time(tick: int, delay: float) -> None:
    due = tick / 1000 + delay
    when = not_before(due, asyncio.get_running_loop())
    assert due <= when <= due + 0.0011
    assert round(when * 1000) / 1000 == when


async def test_an_infinite_time_stays_infinite() -> None:
    assert not_before(math.inf, asyncio.get_running_loop()) == math.inf


@pytest.mark.parametrize("make", [SimulationLoop, asyncio.SelectorEventLoop])
def test_other_loops_keep_the_exact_time(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    loop = make()
    assert not_before(AWKWARD, loop) == AWKWARD
    loop.close()
