"""The phases of an actor: the table, and that the runtime follows it."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import actors
from actors import (
    Actor,
    ActorState,
    ActorSystem,
    ChildSpec,
    Ref,
    SupervisorSpec,
)
from actors._mailbox import MailboxRef
from actors._states import TRANSITIONS, IllegalTransition, Phase
from actors.testing import Crash, Echo, FlakyActor, Hang

Transition = tuple[Phase, Phase]

PAIRS = [(old, new) for old in Phase for new in Phase]
LEGAL = [(old, new) for old, new in PAIRS if new in TRANSITIONS[old]]


def named(pair: Transition) -> str:
    return f"{pair[0].value}-{pair[1].value}"


@pytest.mark.parametrize("pair", LEGAL, ids=named)
def test_a_legal_transition_returns_the_new_phase(pair: Transition) -> None:
    old, new = pair
    assert old.to(new) is new


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in LEGAL], ids=named)
def test_an_illegal_transition_raises_and_names_both_phases(pair: Transition) -> None:
    old, new = pair
    with pytest.raises(IllegalTransition, match=f"{new.value} may not follow {old.value}"):
        old.to(new)


def test_every_phase_can_be_entered_and_left() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert {new for _, new in LEGAL} == set(Phase)
    assert all(TRANSITIONS.values())


def test_only_the_cell_changes_a_phase() -> None:
    changing = {}
    for path in Path(actors.__file__).parent.rglob("*.py"):
        targets = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr == "phase"
            and isinstance(node.ctx, ast.Store | ast.Del)
        ]
        if targets:
            changing[path.name] = len(targets)
    assert changing.pop("_mailbox.py") == 1  # the first phase, in `__init__`
    assert set(changing) == {"_cell.py"}


# The runtime


@pytest.fixture
def transitions(monkeypatch: pytest.MonkeyPatch) -> dict[MailboxRef[Any], list[Transition]]:
    """Every transition of every actor from now on, in order."""
    seen: dict[MailboxRef[Any], list[Transition]] = {}
    slot: Any = MailboxRef.__dict__["phase"]

    def change(cell: MailboxRef[Any], new: Phase) -> None:
        if cell in seen:
            seen[cell].append((slot.__get__(cell), new))
        else:
            seen[cell] = []
            assert new is Phase.ENDED
        slot.__set__(cell, new)

    monkeypatch.setattr(MailboxRef, "phase", property(slot.__get__, change))
    return seen


class SlowStart(FlakyActor):
    async def on_start(self) -> None:
        await asyncio.sleep(1)


class StopInSlowStart(FlakyActor):
    async def on_start(self) -> None:
        self.context.stop()


class StopInStart(FlakyActor):
    def on_start(self) -> None:
        self.context.stop()


class Slow(Actor[Any]):
    async def receive(self, message: Any) -> None:
        await asyncio.sleep(1)


class Ticking(FlakyActor):
    def on_start(self) -> None:
        self.context.start_timer(1, Echo())


class SlowTicking(Slow):
    def on_start(self) -> None:
        self.context.start_timer(1, "tick")


Scenario = Callable[[ActorSystem], Awaitable[Ref[Any]]]


async def spawn(system: ActorSystem, factory: Callable[[], Actor[Any]]) -> Ref[Any]:
    """Spawn an actor, and wait until nothing more happens within a second."""
    ref = system.spawn(factory)
    await asyncio.sleep(1.5)
    return ref


async def fail_start(system: ActorSystem) -> Ref[Any]:
    def factory() -> FlakyActor:
        raise ValueError("bug")

    return await spawn(system, factory)


async def restart(system: ActorSystem) -> Ref[Any]:
    supervisor = await system.start_supervisor(SupervisorSpec((ChildSpec("a", FlakyActor),)))
    ref = (await supervisor.child("a")).ref
    ref.tell(Crash())
    assert await ref.ask(Echo("back")) == "back"
    return ref


async def stop(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, FlakyActor)
    await system.stop(ref)
    return ref


async def stop_before_a_message(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, FlakyActor)
    ref.tell("not handled")
    await system.stop(ref)
    return ref


async def stop_before_the_start(system: ActorSystem) -> Ref[Any]:
    ref = system.spawn(FlakyActor)
    await system.stop(ref)
    return ref


async def tell(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, FlakyActor)
    await ref.ask(Echo())
    return ref


async def crash(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, FlakyActor)
    ref.tell(Crash())
    await system.join(ref)
    return ref


async def work(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, Slow)
    ref.tell("work")
    await asyncio.sleep(2)
    return ref


async def stop_at_work(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, Slow)
    ref.tell("work")
    await asyncio.sleep(0.5)
    await system.stop(ref)
    return ref


async def kill_at_work(system: ActorSystem) -> Ref[Any]:
    ref = await spawn(system, FlakyActor)
    ref.tell(Hang())
    await asyncio.sleep(0.5)
    system.kill(ref)
    await system.join(ref)
    return ref


async def kill_at_the_start(system: ActorSystem) -> Ref[Any]:
    ref = system.spawn(SlowStart)
    await asyncio.sleep(0.5)
    system.kill(ref)
    await system.join(ref)
    return ref


async def tick(system: ActorSystem) -> Ref[Any]:
    return await spawn(system, Ticking)


async def tick_slowly(system: ActorSystem) -> Ref[Any]:
    return await spawn(system, SlowTicking)


SCENARIOS: dict[Transition, Scenario] = {
    (Phase.ENDED, Phase.LAUNCHING): lambda system: spawn(system, FlakyActor),
    (Phase.WAITING, Phase.LAUNCHING): restart,
    (Phase.WAITING, Phase.ENDED): stop,
    (Phase.LAUNCHING, Phase.STARTING): lambda system: spawn(system, SlowStart),
    (Phase.LAUNCHING, Phase.READY): lambda system: spawn(system, FlakyActor),
    (Phase.LAUNCHING, Phase.URGENT): lambda system: spawn(system, StopInStart),
    (Phase.LAUNCHING, Phase.STOPPING): fail_start,
    (Phase.STARTING, Phase.READY): lambda system: spawn(system, SlowStart),
    (Phase.STARTING, Phase.URGENT): lambda system: spawn(system, StopInSlowStart),
    (Phase.STARTING, Phase.STOPPING): kill_at_the_start,
    (Phase.IDLE, Phase.READY): tell,
    (Phase.IDLE, Phase.URGENT): stop,
    (Phase.READY, Phase.IDLE): tell,
    (Phase.READY, Phase.URGENT): stop_before_a_message,
    (Phase.READY, Phase.AWAITING): work,
    (Phase.READY, Phase.STOPPING): crash,
    (Phase.URGENT, Phase.READY): tick,
    (Phase.URGENT, Phase.AWAITING): tick_slowly,
    (Phase.URGENT, Phase.STOPPING): stop,
    (Phase.AWAITING, Phase.READY): work,
    (Phase.AWAITING, Phase.URGENT): stop_at_work,
    (Phase.AWAITING, Phase.STOPPING): kill_at_work,
    (Phase.STOPPING, Phase.WAITING): stop,
}


@pytest.mark.sim
@pytest.mark.parametrize("pair", LEGAL, ids=named)
async def test_the_runtime_makes_every_transition_of_the_table(
    transitions: dict[MailboxRef[Any], list[Transition]], system: ActorSystem, pair: Transition
) -> None:
    ref = await SCENARIOS[pair](system)
    assert isinstance(ref, MailboxRef)
    assert pair in transitions[ref]
    for made in transitions.values():
        assert set(made) <= set(LEGAL)
        assert all(left[1] is right[0] for left, right in pairwise(made))


@pytest.mark.sim
async def test_a_stop_before_the_start_ends_without_starting(
    transitions: dict[MailboxRef[Any], list[Transition]], system: ActorSystem
) -> None:
    ref = await stop_before_the_start(system)
    assert isinstance(ref, MailboxRef)
    assert [new for _, new in transitions[ref]] == [
        Phase.LAUNCHING,
        Phase.STOPPING,
        Phase.WAITING,
        Phase.ENDED,
    ]


@pytest.mark.sim
async def test_a_message_to_an_idle_actor_costs_two_transitions(
    transitions: dict[MailboxRef[Any], list[Transition]], system: ActorSystem
) -> None:
    ref = await spawn(system, FlakyActor)
    assert isinstance(ref, MailboxRef)
    transitions[ref].clear()
    for _ in range(100):
        ref.tell("nothing")
    await asyncio.sleep(1)
    assert transitions[ref] == [(Phase.IDLE, Phase.READY), (Phase.READY, Phase.IDLE)]


@pytest.mark.sim
async def test_a_supervisor_handles_messages_before_it_is_up(system: ActorSystem) -> None:
    spec = SupervisorSpec((ChildSpec("slow", SlowStart),))
    starting = asyncio.create_task(system.start_supervisor(spec))
    await asyncio.sleep(0.5)
    [node] = system.tree().children
    assert node.state is ActorState.STARTING
    ref = system.whereis("supervisor")
    assert isinstance(ref, MailboxRef)
    assert ref.phase is Phase.IDLE
    await starting
    assert system.inspect(ref).state is ActorState.RUNNING


def test_the_public_state_of_each_phase() -> None:
    down_or_changing = {
        Phase.ENDED: ActorState.ENDED,
        Phase.WAITING: ActorState.WAITING,
        Phase.LAUNCHING: ActorState.STARTING,
        Phase.STARTING: ActorState.STARTING,
        Phase.STOPPING: ActorState.STOPPING,
    }
    for phase in Phase:
        assert phase.state is down_or_changing.get(phase, ActorState.RUNNING)
