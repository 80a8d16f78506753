"""Turns about several messages, on virtual time, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from attrs import define, field

from hive.client.agent import AgentClient, Delivery
from hive.clock import LoopClock
from hive.errors import NotFoundError, StaleLeaseError
from hive.harness.driver import (
    Cancelled,
    Deferred,
    Done,
    Failed,
    HoldOff,
    Surroundings,
    TurnDriver,
    TurnEnd,
    Usage,
)
from hive.harness.run_loop import HarnessRuntime
from hive.harness.turn import Turn
from hive.wire import agent as wire
from hive.wire.agent import RECV_MAX
from hive.wire.enums import ActivityState
from hive.wire.rows import QuestionRow
from tests.harness.support.daemon import Daemon

pytestmark = pytest.mark.sim

DONE = TurnEnd(Done(), Usage(model="m", input_tokens=7, tools={"Read": 2}))


@define(eq=False)
class Scripted(TurnDriver):
    """A driver whose turns are a function; records its turns and calls."""

    act: Callable[[Turn], Awaitable[TurnEnd]]
    turns: list[tuple[int, ...]] = field(factory=list)
    calls: list[str] = field(factory=list)
    interrupted: asyncio.Event = field(factory=asyncio.Event)
    login: asyncio.Event = field(factory=asyncio.Event)

    async def open(self, surroundings: Surroundings) -> None:
        await asyncio.sleep(0.01)  # as long as loading takes
        surroundings.reporter.uses(account="acc")
        self.calls.append(f"open {surroundings.me.name}")

    async def turn(self, turn: Turn) -> TurnEnd:
        self.turns.append(tuple(message.id for message in turn.messages))
        return await self.act(turn)

    async def interrupt(self) -> None:
        self.interrupted.set()

    async def close(self) -> None:
        self.calls.append("close")

    async def rest(self) -> None:
        self.calls.append("rest")

    async def recovered(self) -> None:
        await self.login.wait()

    def new_session(self) -> None:
        self.calls.append("new session")

    async def choose_model(self, order) -> None:
        self.calls.append(f"model: {order.model}")

    def restarted(self, order) -> None:
        self.calls.append(f"restarted: {order.reason}")


def ending(*ends: TurnEnd) -> Scripted:
    """Return a driver whose turns have these ends, and then the last of them again."""
    left = list(ends)

    async def act(turn: Turn) -> TurnEnd:
        return left.pop(0) if len(left) > 1 else left[0]

    return Scripted(act)


@asynccontextmanager
async def serving(
    tmp_path: Path, driver: Scripted, made: Daemon | None = None
) -> AsyncIterator[Daemon]:
    path = tmp_path / "mcp.sock"
    async with made or Daemon(path) as daemon, AgentClient(path, random=Random(1)) as client:
        clock = LoopClock(asyncio.get_running_loop(), epoch=0.0)
        harness = HarnessRuntime(
            client, driver, "scripted", tmp_path, drain=5.0, random=Random(1), clock=clock
        )
        task = asyncio.create_task(harness.run())
        try:
            yield daemon
        finally:
            task.cancel()
            await asyncio.wait([task])


def reports(daemon: Daemon) -> list[tuple[str, str | None]]:
    return [(one.state.value, one.about) for one in daemon.of(wire.Activity)]


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_waiting_mail_is_one_turn_and_is_acked_at_its_end(tmp_path):
    held: list[Delivery] = []

    async def act(turn: Turn) -> TurnEnd:
        held.extend(turn.held())
        assert [item.state for item in daemon.items.values()] == ["leased", "leased"]
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        daemon.order("pause")
        await daemon.until(lambda: ("paused", "paused by the operator") in reports(daemon))
        first, second = daemon.post("one"), daemon.post("two", sender="carol")
        daemon.order("resume")
        await daemon.until(lambda: daemon.state(second) == "acked")
        await daemon.until(lambda: daemon.of(wire.TurnRecord) and "rest" in driver.calls)
    assert driver.turns == [(first, second)]
    assert [each.body for each in held] == ["one", "two"]
    [turn] = daemon.of(wire.TurnRecord)
    assert (turn.wake, turn.outcome, turn.messages) == ("message", "done", (first, second))
    assert (turn.model, turn.input_tokens, turn.tools) == ("m", 7, {"Read": 2})
    assert ("working", "2 messages from bob, carol") in reports(daemon)
    assert driver.calls == ["open alice", "rest", "close"]


async def test_a_failed_turn_counts_as_an_attempt_of_the_unfinished_messages_only(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) > 1:
            return DONE
        daemon.post("b")
        joined = await turn.take(1, 60.0)
        await turn.done([joined[0].id])
        with pytest.raises(NotFoundError, match="you hold 1"):
            await turn.done([joined[0].id])
        return TurnEnd(Failed("boom"))

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        first, second = daemon.post("a"), 2
        await daemon.until(lambda: daemon.state(first) == "acked")
    assert daemon.state(second) == "acked"
    assert driver.turns == [(first,), (first,)]
    assert daemon.items[first].reasons == [("fail", "boom")]
    assert daemon.items[first].attempts == 2
    assert daemon.items[second].attempts == 1
    assert ("failed", "boom") in reports(daemon)


async def test_urgent_mail_joins_the_turn_and_the_rest_waits_for_its_end(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) > 1:
            return DONE
        usual, urgent = daemon.post("usual"), daemon.post("now!", priority="high")
        await daemon.until(lambda: daemon.state(urgent) == "leased")
        while not (came := turn.urgent()):
            await asyncio.sleep(0)
        assert [each.body for each in came] == ["now!"]
        assert turn.urgent() == ()
        assert daemon.state(usual) == "queued"
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        daemon.post("begin")
        await daemon.until(
            lambda: daemon.items and all(i.state == "acked" for i in daemon.items.values())
        )
    assert driver.turns == [(1,), (2,)]
    assert daemon.of(wire.TurnRecord)[0].messages == (1, 3)


async def test_urgent_mail_that_arrived_too_late_begins_the_next_turn(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) == 1:
            late = daemon.post("late", priority="high")
            await daemon.until(lambda: daemon.state(late) == "leased")
            while not turn.unseen:
                await asyncio.sleep(0)
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        daemon.post("begin")
        await daemon.until(lambda: len(daemon.of(wire.TurnRecord)) == 2)
    assert driver.turns == [(1,), (2,)]
    assert all(item.attempts == 1 and item.state == "acked" for item in daemon.items.values())


async def test_a_limit_puts_the_mail_back_and_no_turn_begins_before_its_end(tmp_path):
    limited = HoldOff(ActivityState.LIMITED, "5-hour limit", 1000.0)
    end = TurnEnd(Deferred("5-hour limit"), hold_off=limited, shared=True)
    driver = ending(end, DONE)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("work")
        await daemon.until(lambda: daemon.of(wire.Limited))
        daemon.post("more")
        await daemon.until(lambda: len(driver.turns) == 2)
        assert now() == pytest.approx(1000.0, abs=0.1)
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert daemon.items[asked].attempts == 1
    [limited] = daemon.of(wire.Limited)
    assert (limited.account, limited.until, limited.reason) == ("acc", 1000.0, "5-hour limit")
    assert ("limited", "5-hour limit") in reports(daemon)


async def test_a_missing_login_holds_off_until_there_is_a_login(tmp_path):
    end = TurnEnd(
        Deferred("log in"),
        hold_off=HoldOff(ActivityState.NEEDS_LOGIN, "log in"),
    )
    driver = ending(end, DONE)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("work")
        await daemon.until(lambda: ("needs_login", "log in") in reports(daemon))
        await asyncio.sleep(10_000)
        assert len(driver.turns) == 1
        driver.login.set()
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert daemon.of(wire.Limited) == []


async def test_after_a_login_the_agent_is_idle_even_without_mail(tmp_path):
    hold_off = HoldOff(ActivityState.NEEDS_LOGIN, "log in")
    driver = ending(TurnEnd(Deferred("log in"), hold_off=hold_off))
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("work")
        await daemon.until(lambda: ("needs_login", "log in") in reports(daemon))
        daemon.items[asked].state = "acked"
        driver.login.set()
        await daemon.until(lambda: reports(daemon)[-1] == ("idle", None))
    assert len(driver.turns) == 1


async def test_a_limit_may_have_any_reason(tmp_path):
    limited = HoldOff(ActivityState.LIMITED, "x" * 10_000, 1000.0)
    end = TurnEnd(Deferred("used up"), hold_off=limited, shared=True)
    async with serving(tmp_path, ending(end)) as daemon:
        daemon.post("work")
        await daemon.until(lambda: daemon.of(wire.Limited))
    assert daemon.of(wire.Limited)[0].until == 1000.0


async def test_a_paused_agent_begins_no_turn_and_leases_nothing(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.order("pause")
        await daemon.until(lambda: ("paused", "paused by the operator") in reports(daemon))
        asked = daemon.post("work")
        await asyncio.sleep(1000)
        assert daemon.state(asked) == "queued"
        daemon.order("resume")
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert daemon.items[asked].deliveries == 1


async def test_a_limit_that_another_agent_reported_holds_off_this_one(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.order("limited", until=500.0, at=530.0, reason="weekly limit")
        await daemon.until(lambda: ("limited", "weekly limit") in reports(daemon))
        asked = daemon.post("work")
        await daemon.until(lambda: daemon.state(asked) == "acked")
        assert now() == pytest.approx(530.0, abs=0.1)


async def test_cancel_interrupts_the_turn_and_makes_its_mail_dead_letters(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        await driver.interrupted.wait()
        return TurnEnd(Cancelled())

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("hang")
        await daemon.until(lambda: driver.turns)
        daemon.order("cancel")
        await daemon.until(lambda: daemon.state(asked) == "dead")
        await daemon.until(lambda: daemon.of(wire.TurnRecord))
    assert daemon.of(wire.TurnRecord)[0].outcome == "cancelled"


async def test_a_turn_that_is_cancelled_while_it_gathers_its_mail_does_not_begin(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.hold.add(wire.Status)
        asked = daemon.post("dear work")
        await daemon.until(lambda: daemon.of(wire.Status))
        polls = len(daemon.of(wire.PollOrders))
        daemon.order("cancel")
        await daemon.until(lambda: len(daemon.of(wire.PollOrders)) > polls)
        daemon.hold.clear()
        await daemon.until(lambda: daemon.state(asked) == "dead")
        following = daemon.post("more")
        await daemon.until(lambda: daemon.state(following) == "acked")
    assert driver.turns == [(following,)]
    assert not driver.interrupted.is_set()


async def test_orders_reach_the_driver_once_it_is_open(tmp_path):
    driver = ending(DONE)
    made = Daemon(tmp_path / "mcp.sock")
    made.order("restarted", at=5.0, reason="killed by SIGKILL")
    async with serving(tmp_path, driver, made) as daemon:
        daemon.order("new_session")
        await daemon.until(lambda: len(driver.calls) == 3)
        assert driver.calls == ["open alice", "restarted: killed by SIGKILL", "new session"]


async def test_a_lease_is_extended_while_the_turn_runs(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        await asyncio.sleep(300)
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("long")
        await daemon.until(lambda: daemon.state(asked) == "acked")
    beats = [one for one in daemon.of(wire.Heartbeat) if one.ids == [asked]]
    assert len(beats) in {10, 11}, "at once, and for each 30 of 300 seconds"


async def test_a_stop_puts_the_mail_back_without_counting_an_attempt(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        await asyncio.Event().wait()
        raise AssertionError

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("endless")
        await daemon.until(lambda: driver.turns)
    assert daemon.items[asked].reasons == [("defer", "the agent was stopped")]
    assert daemon.items[asked].attempts == 0
    assert driver.calls[-1] == "close"


async def test_an_exception_of_the_driver_fails_the_turn(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) == 1:
            raise ValueError("oops")
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("x")
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert daemon.items[asked].reasons == [("fail", "the driver raised ValueError: oops")]


async def test_finished_work_is_not_repeated_when_its_ack_was_lost(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.refusals[wire.Ack] = [StaleLeaseError("gone")]
        asked = daemon.post("once")
        await daemon.until(lambda: driver.turns)
        daemon.items[asked].state = "queued"
        daemon.deliver()
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert driver.turns == [(asked,)]


async def test_an_unanswered_question_is_reported_with_its_addressee(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.open_question = QuestionRow(
            id=9,
            asker="alice",
            to="operator",
            question="merge or rebase?",
            options=[],
            multi=False,
            state="open",
            asked_at="2026-11-22T14:00:00.000Z",
            age_seconds=1.0,
            on_expiry="deny",
        )
        daemon.post("x")
        await daemon.until(lambda: ("waiting", "operator: merge or rebase?") in reports(daemon))


@asynccontextmanager
async def mail_waits(tmp_path: Path, driver: Scripted, *bodies: str) -> AsyncIterator[Daemon]:
    """Serve with these messages in the inbox; `requests` starts when a turn may begin."""
    async with serving(tmp_path, driver) as daemon:
        daemon.order("pause")
        await daemon.until(lambda: ("paused", "paused by the operator") in reports(daemon))
        for body in bodies:
            daemon.post(body)
        daemon.requests.clear()
        daemon.order("resume")
        yield daemon


def usual_recvs(daemon: Daemon) -> list[wire.Recv]:
    return [one for one in daemon.of(wire.Recv) if not one.urgent]


async def test_a_turn_gathers_its_mail_with_one_request(tmp_path):
    driver = ending(DONE)
    async with mail_waits(tmp_path, driver, *"abcdefghij") as daemon:
        await daemon.until(lambda: driver.turns)
        [recv] = usual_recvs(daemon)
        assert (recv.max, recv.max_bytes, recv.wait_seconds) == (16, 24_000, 0.0)
        assert len(daemon.of(wire.Status)) == 1
    assert driver.turns == [tuple(range(1, 11))]


async def test_a_turn_has_sixteen_messages_at_most_and_knows_how_many_wait(tmp_path):
    waiting: list[int] = []

    async def act(turn: Turn) -> TurnEnd:
        waiting.append(turn.waiting)
        return DONE

    driver = Scripted(act)
    async with mail_waits(tmp_path, driver, *"abcdefghijklmnopqrst") as daemon:
        await daemon.until(lambda: len(driver.turns) == 2)
        assert len(usual_recvs(daemon)) == 2
    assert driver.turns == [tuple(range(1, 17)), tuple(range(17, 21))]
    assert waiting == [4, 0]


async def test_a_turn_has_as_many_messages_as_fit(tmp_path):
    driver = ending(DONE)
    async with mail_waits(tmp_path, driver, *["x" * 8_000] * 4, "y" * 60_000) as daemon:
        await daemon.until(lambda: len(driver.turns) == 2)
    assert driver.turns[0] == (1, 2, 3)


async def test_messages_that_arrive_shortly_after_the_first_join_its_turn(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        await daemon.until(lambda: len(usual_recvs(daemon)) == 2)
        ids = tuple(daemon.post(body) for body in "abc")
        await daemon.until(lambda: driver.turns)
        asked = [(recv.max, recv.wait_seconds) for recv in usual_recvs(daemon)]
        assert asked == [(16, 0.0), (16, 180.0), (15, 0.0)]
    assert driver.turns == [ids]


async def test_a_message_that_does_not_fit_waits_for_the_next_turn(tmp_path):
    driver = ending(DONE)
    async with mail_waits(tmp_path, driver, "x" * 10_000, "y" * 50_000) as daemon:
        await daemon.until(lambda: len(driver.turns) == 2)
    assert driver.turns == [(1,), (2,)]


async def test_waiting_messages_join_a_turn_that_urgent_ones_began(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) == 1:
            for _ in range(2):
                daemon.post("now", priority="high")
            daemon.post("later")
            await asyncio.sleep(1)
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        daemon.post("first")
        await daemon.until(lambda: len(driver.turns) == 2)
    assert driver.turns == [(1,), (2, 3, 4)]


async def test_a_driver_may_take_more_messages_than_one_request_returns(tmp_path):
    class Large(Scripted):
        batch = 2 * RECV_MAX

    async def act(turn: Turn) -> TurnEnd:
        return DONE

    driver = Large(act)
    async with mail_waits(tmp_path, driver, *"ab" * RECV_MAX) as daemon:
        await daemon.until(lambda: len(driver.turns) == 2)
    assert [len(turn) for turn in driver.turns] == [RECV_MAX, RECV_MAX]


async def test_a_conversation_of_single_messages_rests_between_its_turns(tmp_path):
    class Single(Scripted):
        batch = 1

    async def act(turn: Turn) -> TurnEnd:
        return DONE

    driver = Single(act)
    async with mail_waits(tmp_path, driver, "a", "b") as daemon:
        await daemon.until(lambda: daemon.state(2) == "acked")
        await daemon.until(lambda: driver.calls.count("rest") == 2)
    assert driver.turns == [(1,), (2,)]


async def test_a_driver_whose_own_task_was_cancelled_has_failed(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        if len(driver.turns) == 1:
            own = asyncio.ensure_future(asyncio.sleep(9))
            own.cancel()
            await own
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        number = daemon.post("a")
        await daemon.until(lambda: daemon.state(number) == "acked")
        assert daemon.items[number].reasons == [("fail", "the driver raised CancelledError")]
    assert driver.turns == [(number,), (number,)]


async def test_the_tool_recv_takes_several_messages_with_one_request(tmp_path):
    taken: list[tuple[Delivery, ...]] = []

    async def act(turn: Turn) -> TurnEnd:
        for body in "bcde":
            daemon.post(body)
        before = len(usual_recvs(daemon))
        taken.append(await turn.take(3, 0.0))
        assert len(usual_recvs(daemon)) == before + 1
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        daemon.post("a")
        await daemon.until(lambda: taken)
    assert [each.body for each in taken[0]] == ["b", "c", "d"]


async def test_an_outage_while_the_ack_is_in_flight_repeats_no_turn(tmp_path):
    driver = ending(DONE)
    async with serving(tmp_path, driver) as daemon:
        daemon.hold = {wire.Ack}
        asked = daemon.post("once")
        await daemon.until(lambda: daemon.of(wire.Ack))
        daemon.hold = set()
        await daemon.stop()
        assert daemon.state(asked) == "queued"
        await asyncio.sleep(20)
        await daemon.start()
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert driver.turns == [(asked,)]


async def test_an_outage_before_the_ack_can_be_sent_repeats_no_turn(tmp_path):
    go = asyncio.Event()

    async def act(turn: Turn) -> TurnEnd:
        await go.wait()
        return DONE

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("once")
        await daemon.until(lambda: driver.turns)
        await daemon.stop()
        go.set()
        await asyncio.sleep(20)
        assert daemon.state(asked) == "queued"
        await daemon.start()
        await daemon.until(lambda: daemon.state(asked) == "acked")
    assert driver.turns == [(asked,)]


async def test_messages_that_the_model_has_finished_are_acked_even_if_the_agent_is_stopped(
    tmp_path,
):
    async def act(turn: Turn) -> TurnEnd:
        await turn.done([turn.messages[0].id])
        finished.set()
        await asyncio.Event().wait()
        raise AssertionError

    finished = asyncio.Event()
    driver = Scripted(act)
    async with mail_waits(tmp_path, driver, "a", "b") as daemon:
        await finished.wait()
    assert (daemon.state(1), daemon.items[1].reasons) == ("acked", [])
    assert daemon.items[2].reasons == [("defer", "the agent was stopped")]


async def test_the_reason_of_a_cancel_is_that_of_the_order(tmp_path):
    async def act(turn: Turn) -> TurnEnd:
        await driver.interrupted.wait()
        return TurnEnd(Cancelled())

    driver = Scripted(act)
    async with serving(tmp_path, driver) as daemon:
        asked = daemon.post("hang")
        await daemon.until(lambda: driver.turns)
        daemon.order("cancel", reason="too dear")
        await daemon.until(lambda: daemon.state(asked) == "dead")
        await daemon.until(lambda: daemon.of(wire.TurnRecord))
    assert daemon.items[asked].reasons == [("reject", "too dear")]
    assert daemon.of(wire.TurnRecord)[0].note == "too dear"
