"""Actors that are handled in their sender's stack, and answers that no future takes."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
from attrs import define, field

from actors import (
    DEFERRED,
    Actor,
    ActorDied,
    ActorSystem,
    AskTimeout,
    ChildSpec,
    Crashed,
    DeadLetter,
    Drop,
    Mailbox,
    MailboxFull,
    Ref,
    Shutdown,
    SlowHandler,
    SupervisorSpec,
)
from actors._cell import MAX_NESTING
from actors.testing import Crash, Echo, FaultPlan, Faults, FlakyActor, Hang, MessageFault

pytestmark = pytest.mark.sim


class Inline(FlakyActor):
    """Goes wrong when told to, in the sender's stack; remembers what came."""

    inline = True

    def __init__(self, seen: list[Any] | None = None) -> None:
        super().__init__()
        self.seen = [] if seen is None else seen

    def receive(self, message: Any) -> object:
        self.seen.append(message)
        return super().receive(message)


async def idle(system: ActorSystem, seen: list[Any] | None = None, **options: Any) -> Ref[Any]:
    """Return an inline actor that is up and has nothing to do."""
    ref = system.spawn(lambda: Inline(seen), **options)
    await system.wait_started(ref)
    return ref


@define(eq=False)
class Slip:
    """Takes one answer."""

    answers: list[Any] = field(factory=list)

    def done(self) -> bool:
        return bool(self.answers)

    def set_result(self, result: Any) -> None:
        self.answers.append(result)

    def set_exception(self, exception: BaseException) -> None:
        self.answers.append(exception)


# Handled at once


async def test_an_idle_inline_actor_answers_before_the_loop_turns(system: ActorSystem) -> None:
    ref = await idle(system, seen := list[Any]())
    assert ref.ask(Echo(42)).result() == 42
    ref.tell("told")
    assert seen == [Echo(42), "told"]
    assert system.inspect(ref).handled == 2


async def test_any_other_actor_waits_for_the_loop(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    await system.wait_started(ref)
    asked = ref.ask(Echo(42))
    assert not asked.done()
    assert await asked == 42


async def test_an_inline_actor_is_sent_to_before_it_is_up(system: ActorSystem) -> None:
    ref = system.spawn(Inline)
    asked = ref.ask(Echo(1))
    assert not asked.done()
    assert await asked == 1


# One message at a time, in order


async def test_what_it_sends_itself_waits_until_it_is_done(system: ActorSystem) -> None:
    log: list[str] = []

    class Reentrant(Actor[str]):
        inline = True

        def receive(self, message: str) -> None:
            log.append(f"begin {message}")
            if message == "outer":
                self.context.ref.tell("inner")
            log.append(f"end {message}")

    ref = system.spawn(Reentrant)
    await system.wait_started(ref)
    ref.tell("outer")
    ref.tell("later")
    assert log == ["begin outer", "end outer"]
    await asyncio.sleep(1)
    assert log[2:] == ["begin inner", "end inner", "begin later", "end later"]


async def test_nothing_overtakes_what_waits_in_the_mailbox(system: ActorSystem) -> None:
    ref = await idle(system, seen := list[Any]())
    system.suspend(ref)
    ref.tell(1)
    system.resume(ref)
    ref.tell(2)
    asked = ref.ask(Echo(3))
    assert seen == []
    await asked
    assert seen == [1, 2, Echo(3)]


async def test_a_suspended_actor_is_not_handled_inline(system: ActorSystem) -> None:
    ref = await idle(system, seen := list[Any]())
    system.suspend(ref)
    await asyncio.sleep(1)
    asked = ref.ask(Echo(1))
    assert seen == []
    system.resume(ref)
    assert await asked == 1


async def test_a_handler_that_awaits_lets_its_sender_go_on(system: ActorSystem) -> None:
    begun = asyncio.Event()

    class Slow(Actor[Any]):
        inline = True

        async def receive(self, message: Echo) -> object:
            begun.set()
            await asyncio.sleep(1)
            return message.value

    ref = system.spawn(Slow)
    await system.wait_started(ref)
    first, second = ref.ask(Echo(1)), ref.ask(Echo(2))
    assert not begun.is_set()
    assert [await first, await second] == [1, 2]


async def test_handlers_within_each_other_have_a_limit(system: ActorSystem) -> None:
    depths: list[int] = []

    class Link(Actor[int]):
        inline = True

        def __init__(self, following: Ref[int] | None) -> None:
            self.following = following

        def receive(self, message: int) -> None:
            depths.append(message)
            if self.following is not None:
                self.following.tell(message + 1)

    def link(following: Ref[int] | None) -> Ref[int]:
        return system.spawn(lambda: Link(following))

    chain = None
    for _ in range(3 * MAX_NESTING):
        chain = link(chain)
    assert chain is not None
    await asyncio.sleep(1)
    chain.tell(0)
    assert depths == list(range(MAX_NESTING))
    await asyncio.sleep(1)
    assert depths == list(range(3 * MAX_NESTING))


# Ends


async def test_a_crash_ends_the_actor_and_not_its_sender(system: ActorSystem) -> None:
    class Promising(Actor[Any]):
        inline = True

        def receive(self, message: Any) -> object:
            self.context.reply()
            if message == Echo("fatal"):
                raise ValueError("bug")
            return DEFERRED

    ref = system.spawn(Promising)
    await system.wait_started(ref)
    promised, fatal = ref.ask(Echo()), ref.ask(Echo("fatal"))
    after = ref.ask(Echo())
    for asked in (promised, fatal, after):
        error = asked.exception()
        assert isinstance(error, ActorDied)
        assert isinstance(error.reason, Crashed)
    assert not ref.alive


async def test_who_comes_during_a_restart_is_answered_by_the_next_incarnation(
    system: ActorSystem,
) -> None:
    supervisor = await system.start_supervisor(SupervisorSpec((ChildSpec("a", Inline),)))
    ref = (await supervisor.child("a")).ref
    ref.tell(Crash())
    asked = ref.ask(Echo("next"))
    assert not asked.done()
    assert await asked == "next"
    assert ref.incarnation == 2
    assert ref.ask(Echo("inline again")).result() == "inline again"


async def test_a_stop_asked_for_inline_comes_before_the_next_message(system: ActorSystem) -> None:
    class OneShot(Actor[Any]):
        inline = True

        def receive(self, message: Echo) -> object:
            self.context.stop(Shutdown())
            return message.value

    ref = system.spawn(OneShot)
    await system.wait_started(ref)
    first, second = ref.ask(Echo(1)), ref.ask(Echo(2))
    assert first.result() == 1
    with pytest.raises(ActorDied):
        await second


# Whoever looks on


async def test_interceptors_see_what_is_handled_inline() -> None:
    plan = FaultPlan((MessageFault("*", Drop(), nth=2),))
    async with ActorSystem(interceptors=[Faults(plan)], on_crash=None) as system:
        ref = await idle(system, seen := list[Any]())
        for number in range(3):
            ref.tell(number)
        assert seen == [0, 2]


async def test_a_slow_inline_handler_is_reported(system: ActorSystem) -> None:
    events: list[object] = []
    system.events.subscribe(events.append)
    ref = await idle(system, max_handle=2.0)
    ref.tell(Hang())
    await asyncio.sleep(3)
    assert SlowHandler(ref, Hang(), 2.0) in events


async def test_a_trace_shows_what_is_handled_inline(system: ActorSystem) -> None:
    ref = await idle(system)
    traced: list[Any] = []
    system.trace(ref, lambda entry: traced.append(entry.message))
    ref.tell("seen")
    assert traced == ["seen"]


async def test_context_variables_of_a_sender_do_not_reach_the_handler(system: ActorSystem) -> None:
    secret: ContextVar[str] = ContextVar("secret", default="nothing")

    class Reader(Actor[Any]):
        inline = True

        def receive(self, message: Any) -> str:
            found = secret.get()
            secret.set("the actor's")
            return found

    ref = system.spawn(Reader)
    await system.wait_started(ref)
    secret.set("the sender's")
    assert [ref.ask(Echo()).result() for _ in range(2)] == ["nothing", "nothing"]
    assert secret.get() == "the sender's"


async def test_each_knows_who_sends_when_handlers_run_within_each_other(
    system: ActorSystem,
) -> None:
    letters: list[Any] = []
    system.events.subscribe(
        lambda event: letters.append(event.sender) if isinstance(event, DeadLetter) else None
    )
    dead = system.spawn(FlakyActor)
    await system.stop(dead)

    class Inner(Actor[Any]):
        inline = True

        def receive(self, message: Any) -> None:
            dead.tell("from the inner one")

    class Outer(Actor[Any]):
        inline = True

        def receive(self, message: Any) -> None:
            inner.tell(message)
            dead.tell("from the outer one")

    inner, outer = system.spawn(Inner), system.spawn(Outer)
    await system.wait_started(outer)
    outer.tell("go")
    dead.tell("from nobody")
    assert letters == [inner, outer, None]


# Answers that no future takes


@pytest.mark.parametrize("factory", [FlakyActor, Inline])
async def test_an_answer_goes_to_whoever_takes_it(system: ActorSystem, factory: Any) -> None:
    ref = system.spawn(factory)
    ref.send_request(Echo(42), slip := Slip())
    await asyncio.sleep(1)
    assert slip.answers == [42]


async def test_whoever_takes_the_answer_is_told_of_death_and_timeout(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Hang())
    ref.send_request(Echo(), late := Slip(), timeout=2.0)
    await asyncio.sleep(1)
    assert not late.answers
    await asyncio.sleep(2)
    ref.send_request(Echo(), waiting := Slip())
    system.kill(ref)
    await system.join(ref)
    ref.send_request(Echo(), dead := Slip())
    assert [type(slip.answers[0]) for slip in (late, waiting, dead)] == [
        AskTimeout,
        ActorDied,
        ActorDied,
    ]


async def test_whoever_takes_the_answer_is_told_of_a_full_mailbox(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, mailbox=Mailbox(1))
    ref.tell("fills it")
    ref.send_request(Echo(), slip := Slip())
    assert isinstance(slip.answers[0], MailboxFull)


async def test_a_taker_that_has_its_answer_is_not_told_again(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.send_request(Echo(1), slip := Slip(["given up"]))
    await asyncio.sleep(1)
    assert slip.answers == ["given up"]
    assert system.counters.expired_requests == 1
