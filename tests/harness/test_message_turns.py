"""Answers, acks, repeats and returns of single messages, on virtual time, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from attrs import define, field

from hive.client.agent import AgentClient, Delivery
from hive.errors import InboxFullError, NotAllowedError, StaleLeaseError, UnknownNameError
from hive.harness.driver import Deferred, Done, Failed, Outcome, Rejected, SavedText
from hive.harness.run_loop import HarnessRuntime
from hive.wire import agent as wire
from tests.harness.support.daemon import Daemon

pytestmark = pytest.mark.sim

NOT_MAIL = (wire.Activity, wire.PollOrders, wire.TurnRecord, wire.Live, wire.Heartbeat)
"""Requests of a harness that are not about mail."""


@define(eq=False)
class Scripted:
    """A driver that answers each message by a function; records the messages and their times."""

    act: Callable[[Delivery], Awaitable[Outcome]]
    given: list[Delivery] = field(factory=list)
    at: list[float] = field(factory=list)
    _more: asyncio.Event = field(factory=asyncio.Event)

    async def has(self, count: int) -> None:
        """Wait until it was given `count` messages."""
        while len(self.given) < count:
            self._more.clear()
            await self._more.wait()

    async def handle(self, message: Delivery) -> Outcome:
        self.given.append(message)
        self.at.append(asyncio.get_running_loop().time())
        self._more.set()
        return await self.act(message)


def always(outcome: Outcome) -> Scripted:
    async def act(message: Delivery) -> Outcome:
        return outcome

    return Scripted(act)


def gated() -> tuple[Scripted, asyncio.Event]:
    gate = asyncio.Event()

    async def act(message: Delivery) -> Outcome:
        await gate.wait()
        return Done(f"re: {message.body}")

    return Scripted(act), gate


@asynccontextmanager
async def serving(
    tmp_path: Path, driver: Scripted | None, **options
) -> AsyncIterator[tuple[Daemon, asyncio.Task[None]]]:
    path = tmp_path / "mcp.sock"
    async with Daemon(path) as daemon, AgentClient(path, random=Random(1)) as client:
        options = {"drain": 5.0, **options}
        harness = HarnessRuntime(
            client, driver, "scripted", state=tmp_path, random=Random(1), **options
        )
        task = asyncio.create_task(harness.run())
        try:
            yield daemon, task
        finally:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=10)


async def idle(daemon: Daemon, recvs: int) -> None:
    """Wait for the `recv` of that number, which acks all messages before it."""
    await daemon.until(lambda: len(daemon.of(wire.Recv)) >= recvs)


async def test_a_message_is_answered_and_then_acked_with_the_next_recv(tmp_path):
    async with serving(tmp_path, always(Done("fine"))) as (daemon, _):
        asked = daemon.post("how are you?")
        await daemon.until(lambda: daemon.state(asked) == "acked")
        [answer] = daemon.sent
        assert (answer.to, answer.body, answer.in_reply_to) == ("bob", "fine", asked)
        kinds = [type(one) for one in daemon.requests if not isinstance(one, NOT_MAIL)]
        assert kinds == [wire.Hello, wire.Whoami, wire.Recv, wire.Send, wire.Recv]
        assert [(one.wait_seconds, one.ack) for one in daemon.of(wire.Recv)] == [
            (180.0, []),
            (180.0, [asked]),
        ]
        assert (daemon.greeted[0].role, daemon.greeted[0].driver) == ("harness", "scripted")


async def test_heartbeats_name_the_message_in_progress_until_it_is_done(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver) as (daemon, _):
        started = asyncio.get_running_loop().time()
        asked = daemon.post("long work")
        await daemon.until(lambda: len(daemon.of(wire.Heartbeat)) == 3)
        assert asyncio.get_running_loop().time() - started == pytest.approx(60, abs=1)
        assert {tuple(one.ids) for one in daemon.of(wire.Heartbeat)} == {(asked,)}
        gate.set()
        await daemon.until(lambda: daemon.state(asked) == "acked")
        await asyncio.sleep(0)
        assert len(daemon.of(wire.Heartbeat)) == 3


async def test_a_driver_whose_own_task_was_cancelled_has_failed_and_the_next_message_is_taken(
    tmp_path,
):
    async def act(message):
        if message.body == "bad":
            own = asyncio.ensure_future(asyncio.sleep(9))
            own.cancel()
            await own
        return Done(None)

    async with serving(tmp_path, Scripted(act)) as (daemon, _):
        bad, good = daemon.post("bad"), daemon.post("good")
        await daemon.until(lambda: daemon.state(good) == "acked")
        assert daemon.items[bad].reasons[0] == ("fail", "the driver raised CancelledError")


async def test_messages_are_processed_one_by_one_and_in_order(tmp_path):
    driver = always(Done(None))
    async with serving(tmp_path, driver) as (daemon, _):
        ids = [daemon.post(str(number)) for number in range(5)]
        await daemon.until(lambda: daemon.state(ids[-1]) == "acked")
        assert [message.id for message in driver.given] == ids
        assert daemon.sent == []


@pytest.mark.parametrize(
    ("message", "options", "answers"),
    [
        ({"in_reply_to": 99}, {}, 0),
        ({"in_reply_to": 99}, {"to_replies": True}, 1),
        ({"sender": "system"}, {"to_replies": True}, 0),
        ({"sender": "alice"}, {}, 0),
        ({"sender": "operator"}, {}, 1),
        ({}, {"answers": False}, 0),
    ],
)
async def test_some_messages_get_no_answer(tmp_path, message, options, answers):
    driver = always(Done("answer"))
    async with serving(tmp_path, driver, **options) as (daemon, _):
        posted = daemon.post("x", **message)
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert len(driver.given) == 1
        assert len(daemon.sent) == answers


async def test_a_failed_message_is_redelivered_after_growing_delays(tmp_path):
    driver = always(Failed("exited with status 1"))
    async with serving(tmp_path, driver) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: len(daemon.items[posted].reasons) == 4)
        assert daemon.items[posted].reasons[0] == ("fail", "exited with status 1")
        assert [message.attempt for message in driver.given] == [1, 2, 3, 4]
        gaps = [later - earlier for earlier, later in pairwise(driver.at)]
        assert gaps == pytest.approx([1.0, 2.0, 4.0], rel=0.11)


async def test_deferring_a_message_counts_no_attempt(tmp_path):
    driver = always(Deferred("the account is over its limit"))
    async with serving(tmp_path, driver) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: len(daemon.items[posted].reasons) == 2)
        assert [message.attempt for message in driver.given] == [1, 1]
        assert driver.at[1] - driver.at[0] == pytest.approx(30, abs=0.1)


async def test_a_deferral_is_reported_with_its_reason_until_the_next_turn(tmp_path):
    outcomes = iter([Deferred("cannot start it: no such file" + "!" * 500), Done(None)])

    async def act(message: Delivery) -> Outcome:
        return next(outcomes)

    async with serving(tmp_path, Scripted(act)) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: "waiting" in [one.state for one in daemon.of(wire.Activity)])
        waiting = daemon.of(wire.Activity)[-1]
        assert waiting.about.startswith("cannot start it: no such file!")
        assert len(waiting.about) == 200
        assert waiting.until - waiting.since == pytest.approx(30, abs=0.1)
        await daemon.until(lambda: daemon.state(posted) == "acked")
        await asyncio.sleep(1)
        assert daemon.of(wire.Activity)[-1].state == "idle"


async def test_a_rejected_message_is_a_dead_letter(tmp_path):
    async with serving(tmp_path, always(Rejected("not for me"))) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.state(posted) == "dead")
        assert daemon.items[posted].reasons == [("reject", "not for me")]


async def test_an_exception_of_the_driver_fails_only_its_message(tmp_path, caplog):
    async def act(message: Delivery) -> Outcome:
        if message.body == "bad":
            raise KeyError("oops")
        return Done("good")

    async with serving(tmp_path, Scripted(act)) as (daemon, _):
        bad, good = daemon.post("bad"), daemon.post("fine")
        await daemon.until(lambda: daemon.state(good) == "acked")
        assert daemon.items[bad].reasons[0] == ("fail", "the driver raised KeyError: 'oops'")


@pytest.mark.parametrize("outcome", [Failed, Deferred, Rejected])
@pytest.mark.parametrize("said", ["x" * 10_000, "no file caf\udce9"], ids=["long", "no text"])
async def test_a_message_goes_back_with_any_reason_of_a_driver(tmp_path, outcome, said):
    async with serving(tmp_path, always(outcome(said))) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.of(wire.TurnRecord))
        [(_, reason)] = daemon.items[posted].reasons
        assert reason[:10] == said[:10]


async def test_an_answer_of_the_longest_length_is_sent(tmp_path):
    async with serving(tmp_path, always(Done("ü" * 32768))) as (daemon, _):
        posted = daemon.post("x" * 65536)
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert len(daemon.sent[0].body.encode()) == 65536


async def test_an_answer_over_the_limit_is_saved_and_the_sender_gets_a_notice(tmp_path):
    long = "ü" * 32769
    async with serving(tmp_path, always(Done(long))) as (daemon, _):
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.state(posted) == "acked")
        saved = tmp_path / "answers" / f"{posted}-1.txt"
        assert saved.read_text() == long
        [answer] = daemon.sent
        assert "65538 bytes" in answer.body
        assert f"{saved} at alice" in answer.body


async def test_the_notice_names_an_answer_that_the_driver_saved(tmp_path):
    driver = always(Done(SavedText(tmp_path / "7.txt", 5_000_000)))
    async with serving(tmp_path, driver) as (daemon, _):
        daemon.post("x")
        await daemon.until(lambda: daemon.sent)
        assert "5000000 bytes" in daemon.sent[0].body


async def test_an_answer_is_sent_again_until_the_inbox_has_room(tmp_path):
    async with serving(tmp_path, always(Done("fine"))) as (daemon, _):
        daemon.refusals[wire.Send] = [InboxFullError("full")] * 3
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert asyncio.get_running_loop().time() == pytest.approx(7, rel=0.11)
        assert len(daemon.sent) == 1


@pytest.mark.parametrize(
    ("refusals", "reason"),
    [
        ([UnknownNameError("bob is gone")], "bob is gone"),
        ([NotAllowedError("no")], "no"),
        ([InboxFullError("full")] * 6, "full"),
    ],
)
async def test_a_refused_answer_is_saved_and_the_message_is_a_dead_letter(
    tmp_path, refusals, reason
):
    driver = always(Done("precious"))
    async with serving(tmp_path, driver) as (daemon, _):
        daemon.refusals[wire.Send] = list(refusals)
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.state(posted) == "dead")
        saved = tmp_path / "answers" / f"{posted}-1.txt"
        [(_, refusal)] = daemon.items[posted].reasons
        assert refusal == (
            f"the work is done, but its answer was refused: {reason}; the answer is in {saved}"
        )
        assert saved.read_text() == "precious"
        assert len(driver.given) == 1


async def test_a_daemon_that_restarts_mid_message_gets_answer_and_ack_but_no_second_run(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver) as (daemon, _):
        posted = daemon.post("long work")
        await driver.has(1)
        await daemon.stop()
        assert daemon.state(posted) == "queued"
        gate.set()
        await asyncio.sleep(20)
        await daemon.start()
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert [answer.body for answer in daemon.sent] == ["re: long work"]
        assert len(driver.given) == 1
        assert len(daemon.greeted) == 2


async def test_a_message_in_progress_that_is_redelivered_to_another_worker_runs_once(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver, concurrency=2) as (daemon, _):
        posted = daemon.post("long work")
        await driver.has(1)
        await daemon.stop()
        await daemon.start()
        await daemon.until(lambda: daemon.items[posted].deliveries == 2)
        await idle(daemon, 4)
        gate.set()
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert len(driver.given) == 1
        assert len(daemon.sent) == 1


async def test_a_refused_ack_is_repeated_at_the_redelivery(tmp_path):
    driver = always(Done("fine"))
    async with serving(tmp_path, driver) as (daemon, _):
        await idle(daemon, 1)
        posted = daemon.post("x")
        daemon.refusals[wire.Recv] = [StaleLeaseError("the lease has expired")]
        await daemon.until(lambda: len(daemon.of(wire.Recv)) == 3)
        item = daemon.items[posted]
        item.state = "queued"
        daemon.deliver()
        await daemon.until(lambda: item.state == "acked")
        assert len(driver.given) == 1
        assert len(daemon.sent) == 1


async def test_an_answer_whose_outcome_is_unknown_is_sent_again(tmp_path):
    async with serving(tmp_path, always(Done("fine"))) as (daemon, _):
        daemon.hold = {wire.Send}
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.of(wire.Send))
        daemon.hold = set()
        await daemon.stop()
        await daemon.start()
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert [answer.in_reply_to for answer in daemon.sent] == [posted]


async def test_an_outage_while_the_ack_waits_with_a_recv_repeats_no_work(tmp_path):
    driver = always(Done("fine"))
    async with serving(tmp_path, driver) as (daemon, _):
        await idle(daemon, 1)
        posted = daemon.post("x")
        daemon.hold = {wire.Recv}
        await idle(daemon, 2)
        daemon.hold = set()
        await daemon.stop()
        assert daemon.state(posted) == "queued"
        await asyncio.sleep(20)
        await daemon.start()
        await daemon.until(lambda: daemon.state(posted) == "acked")
        assert len(driver.given) == 1
        assert len(daemon.sent) == 1


async def test_single_messages_cost_no_other_requests_about_mail(tmp_path):
    async with serving(tmp_path, always(Done(None))) as (daemon, _):
        last = [daemon.post(str(number)) for number in range(5)][-1]
        await daemon.until(lambda: daemon.state(last) == "acked")
        kinds = {type(one) for one in daemon.requests if not isinstance(one, NOT_MAIL)}
        assert kinds == {wire.Hello, wire.Whoami, wire.Recv}
        assert {one.max for one in daemon.of(wire.Recv)} == {1}
        assert len(daemon.of(wire.Recv)) == 6


async def test_a_stop_during_a_turn_acks_the_messages_that_were_finished_before(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver, concurrency=2, drain=5.0) as (daemon, task):
        hanging = daemon.post("x")
        await driver.has(1)
        gate.set()
        await daemon.until(lambda: daemon.state(hanging) == "acked")
        gate.clear()
        ids = [daemon.post("y"), daemon.post("z")]
        await driver.has(3)
        task.cancel()
        await asyncio.wait([task])
        assert [daemon.items[each].reasons for each in ids] == [
            [("defer", "the agent was stopped")]
        ] * 2
        assert daemon.items[hanging].reasons == []


async def test_several_messages_are_processed_at_once(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver, concurrency=3) as (daemon, _):
        ids = [daemon.post(str(number)) for number in range(5)]
        await driver.has(3)
        gate.set()
        await daemon.until(lambda: all(daemon.state(each) == "acked" for each in ids))
        assert len(driver.given) == 5


async def test_a_stop_lets_the_message_in_progress_finish(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver, concurrency=2) as (daemon, task):
        posted = daemon.post("x")
        await driver.has(1)
        task.cancel()
        await asyncio.sleep(3)
        later = daemon.post("y")
        gate.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert daemon.state(posted) == "acked"
        assert len(daemon.sent) == 1
        assert daemon.state(later) in {"queued", "leased"}
        assert len(driver.given) == 1


async def test_a_stop_puts_back_messages_that_do_not_finish_in_time(tmp_path):
    driver, _ = gated()
    async with serving(tmp_path, driver, drain=5.0) as (daemon, task):
        posted = daemon.post("x")
        await driver.has(1)
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.1)
        assert daemon.items[posted].reasons == [("defer", "the agent was stopped")]
        assert daemon.sent == []


async def test_a_second_stop_does_not_wait(tmp_path):
    driver, _ = gated()
    async with serving(tmp_path, driver, drain=1000.0) as (daemon, task):
        posted = daemon.post("x")
        await driver.has(1)
        task.cancel()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.get_running_loop().time() == pytest.approx(1, abs=0.1)
        assert daemon.items[posted].reasons == [("defer", "the agent was stopped")]


async def test_a_stop_while_the_daemon_is_away_does_not_hang(tmp_path):
    driver, _ = gated()
    async with serving(tmp_path, driver, drain=5.0) as (daemon, task):
        posted = daemon.post("x")
        await driver.has(1)
        await daemon.stop()
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.get_running_loop().time() < 7
        assert daemon.state(posted) == "queued"


async def test_an_idle_harness_stops_at_once(tmp_path):
    async with serving(tmp_path, always(Done(None)), drain=1000.0) as (daemon, task):
        await idle(daemon, 1)
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.get_running_loop().time() < 1


async def test_a_harness_that_the_daemon_refuses_ends_with_the_reason(tmp_path):
    async with serving(tmp_path, always(Done(None)), concurrency=2) as (daemon, task):
        daemon.refusals[wire.Recv] = [NotAllowedError("this peer was unregistered")]
        await asyncio.wait([task])
        with pytest.raises(NotAllowedError, match="unregistered"):
            task.result()


async def test_a_peer_without_a_hook_is_present_and_receives_nothing(tmp_path):
    async with serving(tmp_path, None) as (daemon, task):
        posted = daemon.post("x")
        await daemon.until(lambda: daemon.of(wire.Whoami))
        await asyncio.sleep(1000)
        await daemon.stop()
        await daemon.start()
        await daemon.until(lambda: len(daemon.greeted) == 2)
        assert daemon.state(posted) == "queued"
        assert daemon.of(wire.Recv) == []
        assert not task.done()


async def test_a_cancelled_message_becomes_a_dead_letter_and_the_next_is_taken(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver) as (daemon, _):
        hanging = daemon.post("hang")
        await driver.has(1)
        daemon.order("cancel", reason="cancelled by the operator")
        await daemon.until(lambda: daemon.state(hanging) == "dead")
        gate.set()
        after = daemon.post("next")
        await daemon.until(lambda: daemon.state(after) == "acked")
        await daemon.until(lambda: len(daemon.of(wire.TurnRecord)) == 2)
    assert [turn.outcome.value for turn in daemon.of(wire.TurnRecord)] == ["cancelled", "done"]
    assert daemon.items[hanging].reasons == [("reject", "cancelled by the operator")]


async def test_the_subject_of_the_current_turn_is_reported(tmp_path):
    driver, gate = gated()
    async with serving(tmp_path, driver) as (daemon, _):
        asked = daemon.post("work")
        working = ("working", "a message from bob")
        await daemon.until(lambda: working in reports(daemon))
        gate.set()
        await daemon.until(lambda: daemon.state(asked) == "acked")
        await daemon.until(lambda: reports(daemon)[-1] == ("idle", None))


async def test_a_paused_harness_takes_no_message(tmp_path):
    driver = always(Done("fine"))
    async with serving(tmp_path, driver) as (daemon, _):
        daemon.order("pause")
        await daemon.until(lambda: ("paused", "paused by the operator") in reports(daemon))
        asked = daemon.post("work")
        await asyncio.sleep(1000)
        assert daemon.state(asked) == "queued"
        daemon.order("resume")
        await daemon.until(lambda: daemon.state(asked) == "acked")


def reports(daemon: Daemon) -> list[tuple[str, str | None]]:
    return [(one.state.value, one.about) for one in daemon.of(wire.Activity)]
