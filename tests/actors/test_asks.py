"""Asks: answers, deadlines, death, late replies."""

import asyncio
from functools import partial
from typing import Any

import pytest
from attrs import define, field

from actors import (
    DEFERRED,
    Actor,
    ActorDied,
    ActorSystem,
    AskTimeout,
    ExpiredRequest,
    Killed,
    LateReply,
    Mailbox,
    MailboxFull,
    NoProc,
    Overflow,
    Reply,
    Shutdown,
)
from actors.testing import Crash, Echo, FlakyActor, Hang, Probe

pytestmark = pytest.mark.sim


class Later(Actor[Any]):
    """Promises every answer and keeps the promises for the test to redeem."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def receive(self, message: Any) -> object:
        self.replies.append(self.context.reply())
        return DEFERRED


async def test_the_value_returned_is_the_answer(system: ActorSystem) -> None:
    assert await system.spawn(FlakyActor).ask(Echo(42)) == 42


async def test_the_value_awaited_is_the_answer(system: ActorSystem) -> None:
    class Slow(Actor[Any]):
        async def receive(self, message: Any) -> object:
            await asyncio.sleep(1)
            return message.value

    assert await system.spawn(Slow).ask(Echo(42)) == 42


async def test_an_answer_may_come_later_and_out_of_order(system: ActorSystem) -> None:
    actor = Later()
    ref = system.spawn(lambda: actor)
    first, second = ref.ask(Echo()), ref.ask(Echo())
    await asyncio.sleep(1)
    actor.replies[1].send("second")
    assert await second == "second"
    assert not first.done()
    actor.replies[0].send("first")
    assert await first == "first"


async def test_an_actor_may_answer_with_an_error_and_live(system: ActorSystem) -> None:
    actor = Later()
    ref = system.spawn(lambda: actor)
    asked = ref.ask(Echo())
    await asyncio.sleep(1)
    actor.replies[0].fail(LookupError("no such row"))
    with pytest.raises(LookupError, match="no such row"):
        await asked
    assert ref.alive


async def test_the_reply_to_a_tell_leads_nowhere(system: ActorSystem) -> None:
    actor = Later()
    ref = system.spawn(lambda: actor)
    ref.tell("told")
    await asyncio.sleep(1)
    actor.replies[0].send("unheard")
    actor.replies[0].fail(ValueError())
    assert not actor.replies[0].expired
    assert system.counters.late_replies == 0


async def test_no_answer_in_time_is_a_timeout(system: ActorSystem) -> None:
    ref = system.spawn(Later)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(AskTimeout, match=r"did not answer Echo within 2 s"):
        await ref.ask(Echo(), timeout=2.0)
    assert loop.time() - began == pytest.approx(2.0)


async def test_asks_of_different_timeouts_expire_each_at_its_own_time(system: ActorSystem) -> None:
    ref = system.spawn(Later)
    loop = asyncio.get_running_loop()
    began = loop.time()
    ends: dict[float, float] = {}

    def note_end(timeout: float, asked: asyncio.Future[Any]) -> None:
        assert isinstance(asked.exception(), AskTimeout)
        ends[timeout] = loop.time() - began

    for timeout in (3.0, 1.0, 2.0, 1.0):
        asked = ref.ask(Echo(), timeout)
        asked.add_done_callback(partial(note_end, timeout))
        await asyncio.sleep(0.25)
    await asyncio.sleep(5)
    assert ends == {3.0: 3.0, 1.0: 1.75, 2.0: 2.5}


async def test_an_ask_without_timeout_waits_for_ever(system: ActorSystem) -> None:
    actor = Later()
    asked = system.spawn(lambda: actor).ask(Echo(), timeout=None)
    await asyncio.sleep(86_400)
    assert not asked.done()
    actor.replies[0].send("at last")
    assert await asked == "at last"


async def test_a_late_reply_is_dropped_and_counted(system: ActorSystem, probe: Probe) -> None:
    actor = Later()
    ref = system.spawn(lambda: actor)
    with pytest.raises(AskTimeout):
        await ref.ask(Echo(1), timeout=1.0)
    assert actor.replies[0].expired
    actor.replies[0].send("too late")
    assert await probe.expect_event(LateReply) == LateReply(ref, Echo(1))
    assert system.counters.late_replies == 1


async def test_a_second_answer_is_dropped_and_counted(system: ActorSystem) -> None:
    actor = Later()
    asked = system.spawn(lambda: actor).ask(Echo())
    await asyncio.sleep(1)
    actor.replies[0].send("first")
    actor.replies[0].send("second")
    assert await asked == "first"
    assert system.counters.late_replies == 1


async def test_a_handler_that_finishes_late_is_a_late_reply(system: ActorSystem) -> None:
    class Slow(Actor[Any]):
        async def receive(self, message: Any) -> str:
            await asyncio.sleep(3)
            return "too late"

    with pytest.raises(AskTimeout):
        await system.spawn(Slow).ask(Echo(), timeout=1.0)
    await asyncio.sleep(5)
    assert system.counters.late_replies == 1


async def test_an_expired_request_is_skipped(system: ActorSystem, probe: Probe) -> None:
    handled: list[Any] = []

    class Slow(Actor[Any]):
        async def receive(self, message: Any) -> None:
            handled.append(message)
            await asyncio.sleep(3)

    ref = system.spawn(Slow)
    ref.tell("long work")
    with pytest.raises(AskTimeout):
        await ref.ask(Echo(1), timeout=1.0)
    assert (await probe.expect_event(ExpiredRequest, within=5)).request == Echo(1)
    assert handled == ["long work"]
    assert system.counters.expired_requests == 1


async def test_a_withdrawn_request_is_skipped(system: ActorSystem, probe: Probe) -> None:
    ref = system.spawn(FlakyActor)
    ref.ask(Echo(1)).cancel()
    assert (await probe.expect_event(ExpiredRequest)).request == Echo(1)


async def test_asking_a_dead_actor_fails_at_once_with_the_reason(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    await system.wait_started(ref)
    await system.stop(ref, Shutdown("done"))
    asked = ref.ask(Echo())
    assert asked.done()
    with pytest.raises(ActorDied, match="was shut down: done") as caught:
        await asked
    assert caught.value.reason == Shutdown("done")
    assert caught.value.ref is ref


@pytest.mark.parametrize("request_", [Crash(), Hang()])
async def test_death_during_the_request_fails_it_at_once(
    system: ActorSystem, request_: Any
) -> None:
    ref = system.spawn(lambda: FlakyActor(Hang()))
    loop = asyncio.get_running_loop()
    asked = ref.ask(request_)
    await asyncio.sleep(1)
    began = loop.time()
    system.kill(ref)
    with pytest.raises(ActorDied):
        await asked
    assert loop.time() == began


async def test_death_fails_promised_answers(system: ActorSystem) -> None:
    ref = system.spawn(Later)
    asked = ref.ask(Echo())
    await asyncio.sleep(1)
    system.kill(ref)
    with pytest.raises(ActorDied, match="was killed"):
        await asked
    assert system.inspect(ref).last_exit == Killed()


async def test_death_fails_requests_that_wait(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.tell(Crash())
    with pytest.raises(ActorDied, match="InjectedFault"):
        await ref.ask(Echo())
    assert system.dead_letters.count == 0


async def test_a_full_mailbox_fails_the_ask(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, mailbox=Mailbox(1))
    ref.tell("first")
    with pytest.raises(MailboxFull, match="waiting messages: 1"):
        await ref.ask(Echo())


async def test_a_dropped_oldest_request_fails(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, mailbox=Mailbox(1, Overflow.DROP_OLDEST))
    asked = ref.ask(Echo(1))
    newer = ref.ask(Echo(2))
    with pytest.raises(MailboxFull):
        await asked
    assert await newer == 2


async def test_on_stop_may_still_keep_promises(system: ActorSystem) -> None:
    class Polite(Later):
        def on_stop(self, reason: object) -> None:
            for reply in self.replies:
                reply.send("goodbye")

    ref = system.spawn(Polite)
    asked = ref.ask(Echo(), timeout=None)
    await asyncio.sleep(1)
    await system.stop(ref)
    assert await asked == "goodbye"


async def test_answered_asks_leave_no_timers_behind(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    for number in range(1000):
        assert await ref.ask(Echo(number), timeout=60.0) == number
    clock = system._runtime.ask_timeouts
    assert [len(group) for group in clock._groups.values()] == [0]
    assert len(clock._timers) == 1
    await asyncio.sleep(61)
    assert clock._groups == {}


async def test_an_actor_that_never_lived_was_not_alive(system: ActorSystem) -> None:
    def broken() -> FlakyActor:
        raise OSError("no disk")

    ref = system.spawn(broken)
    assert (await system.join(ref)) != NoProc()
    with pytest.raises(ActorDied, match="failed to start with OSError: no disk"):
        await ref.ask(Echo())


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


# Answers that no future takes


async def test_an_answer_goes_to_the_reply_to(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.send_request(Echo(42), slip := Slip())
    await asyncio.sleep(1)
    assert slip.answers == [42]


async def test_a_reply_to_gets_death_and_timeout_as_errors(system: ActorSystem) -> None:
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


async def test_a_reply_to_gets_a_full_mailbox_as_an_error(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor, mailbox=Mailbox(1))
    ref.tell("fills it")
    ref.send_request(Echo(), slip := Slip())
    assert isinstance(slip.answers[0], MailboxFull)


async def test_a_reply_to_that_has_its_answer_is_not_called_again(system: ActorSystem) -> None:
    ref = system.spawn(FlakyActor)
    ref.send_request(Echo(1), slip := Slip(["given up"]))
    await asyncio.sleep(1)
    assert slip.answers == ["given up"]
    assert system.counters.expired_requests == 1
