"""Monitors and links: who learns of an end, how often, and what it does to them."""

import asyncio
from typing import Any

import pytest

from actors import (
    Actor,
    ActorSystem,
    Crashed,
    Down,
    Killed,
    LinkExit,
    NoProc,
    Normal,
    Ref,
    Shutdown,
    UnhandledDown,
)
from actors.testing import Crash, Finish, FlakyActor, Probe

pytestmark = pytest.mark.sim

ERROR = ValueError("bug")


class Watcher(Actor[Any]):
    """Runs functions in its own context and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, message: Any) -> object:
        return message(self.context)

    def on_down(self, down: Down) -> None:
        self.heard.append(down)


class Trapper(Watcher):
    trap_exits = True

    def on_exit(self, exit: LinkExit) -> None:  # noqa: A002
        self.heard.append(exit)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Finish(), Normal()),
        (Finish(Shutdown("x")), Shutdown("x")),
        (Crash(ERROR), Crashed(ERROR)),
    ],
)
async def test_one_down_with_the_reason(system: ActorSystem, order: Any, reason: object) -> None:
    watcher, target = Watcher(), system.spawn(FlakyActor)
    system.spawn(lambda: watcher).tell(lambda context: context.monitor(target))
    await asyncio.sleep(1)
    target.tell(order)
    await asyncio.sleep(1)
    assert [(down.ref, down.incarnation, down.reason) for down in watcher.heard] == [
        (target, 1, reason)
    ]


async def test_each_monitor_gets_one_down(system: ActorSystem) -> None:
    watcher, target = Watcher(), system.spawn(FlakyActor)
    ref = system.spawn(lambda: watcher)
    for _ in range(3):
        ref.tell(lambda context: context.monitor(target))
    await asyncio.sleep(1)
    system.kill(target)
    await asyncio.sleep(1)
    assert len({down.monitor for down in watcher.heard}) == len(watcher.heard) == 3


async def test_monitoring_a_dead_actor_is_answered_at_once(system: ActorSystem) -> None:
    watcher, target = Watcher(), system.spawn(FlakyActor)
    system.kill(target)
    await asyncio.sleep(1)
    system.spawn(lambda: watcher).tell(lambda context: context.monitor(target))
    await asyncio.sleep(1)
    assert [down.reason for down in watcher.heard] == [NoProc()]


async def test_demonitor_drops_a_queued_down(system: ActorSystem) -> None:
    watcher, target = Watcher(), system.spawn(FlakyActor)
    ref = system.spawn(lambda: watcher)
    await asyncio.sleep(1)
    taken: list[bool] = []

    async def change_of_mind(context: Any) -> None:
        monitor = context.monitor(target)
        system.kill(target)
        await asyncio.sleep(1)  # the Down waits in the control queue now
        taken.extend([context.demonitor(monitor), context.demonitor(monitor)])

    ref.tell(change_of_mind)
    await asyncio.sleep(5)
    assert taken == [True, False]
    assert watcher.heard == []


async def test_an_unhandled_down_is_an_event(system: ActorSystem, probe: Probe) -> None:
    class Careless(FlakyActor):
        def on_start(self) -> None:
            self.context.monitor(probe.ref)

    ref = system.spawn(Careless)
    await system.wait_started(ref)
    events: list[object] = []
    system.events.subscribe(events.append)
    system.kill(probe.ref)
    await asyncio.sleep(1)
    assert [event.ref for event in events if isinstance(event, UnhandledDown)] == [ref]


async def test_the_end_of_a_watcher_leaves_nothing_behind(system: ActorSystem) -> None:
    watcher, target = Watcher(), system.spawn(FlakyActor)
    ref = system.spawn(lambda: watcher)
    ref.tell(lambda context: context.monitor(target))
    await asyncio.sleep(1)
    assert system.inspect(target).monitored_by == (ref.path,)
    await system.stop(ref)
    assert system.inspect(target).monitored_by == ()


# Links


async def linked(system: ActorSystem, one: Actor[Any]) -> tuple[Ref[Any], Ref[Any]]:
    first, second = system.spawn(lambda: one), system.spawn(FlakyActor)
    first.tell(lambda context: context.link(second))
    await asyncio.sleep(1)
    assert system.inspect(first).links == (second.path,)
    assert system.inspect(second).links == (first.path,)
    return first, second


@pytest.mark.parametrize("killed", [0, 1])
async def test_failure_ends_both_sides(system: ActorSystem, killed: int) -> None:
    pair = await linked(system, Watcher())
    system.kill(pair[killed])
    await asyncio.sleep(1)
    assert system.inspect(pair[1 - killed]).last_exit == Killed()


async def test_a_crash_is_passed_on_with_its_error(system: ActorSystem) -> None:
    first, second = await linked(system, Watcher())
    second.tell(Crash(ERROR))
    assert await system.join(first) == Crashed(ERROR)


@pytest.mark.parametrize("reason", [Normal(), Shutdown()])
async def test_a_graceful_end_does_not_spread(system: ActorSystem, reason: Any) -> None:
    first, second = await linked(system, Watcher())
    second.tell(Finish(reason))
    await asyncio.sleep(1)
    assert first.alive
    assert system.inspect(first).links == ()


async def test_trapping_turns_an_exit_into_a_call(system: ActorSystem) -> None:
    trapper = Trapper()
    first, second = await linked(system, trapper)
    system.kill(second)
    await asyncio.sleep(1)
    assert first.alive
    assert trapper.heard == [LinkExit(second, 1, Killed())]


async def test_unlinking_undoes_it(system: ActorSystem) -> None:
    first, second = await linked(system, Watcher())
    first.tell(lambda context: context.unlink(second))
    await asyncio.sleep(1)
    system.kill(second)
    await asyncio.sleep(1)
    assert first.alive


async def test_linking_to_a_dead_actor_is_an_exit(system: ActorSystem) -> None:
    target = system.spawn(FlakyActor)
    system.kill(target)
    await asyncio.sleep(1)
    ref = system.spawn(Watcher)
    ref.tell(lambda context: context.link(target))
    assert await system.join(ref) == NoProc()


async def test_a_link_to_oneself_is_harmless(system: ActorSystem) -> None:
    ref = system.spawn(Watcher)
    ref.tell(lambda context: context.link(context.ref))
    await asyncio.sleep(1)
    assert await system.stop(ref) == Shutdown()


async def test_spawning_linked_shares_fate_from_the_start(system: ActorSystem) -> None:
    def broken() -> FlakyActor:
        raise OSError("no disk")

    ref = system.spawn(Watcher)
    ref.tell(lambda context: context.spawn(broken, link=True))
    assert "no disk" in str(await system.join(ref))
