"""A worker is cancelled at any await: decisions are sent, all other messages go back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from attrs import define, field

from hive.client.agent import Delivery, Identity
from hive.clock import LoopClock
from hive.harness.driver import (
    Cancelled,
    Deferred,
    Done,
    Failed,
    HoldOff,
    Outcome,
    Rejected,
    Surroundings,
    TurnDriver,
    TurnEnd,
)
from hive.harness.leases import Leases
from hive.harness.message_turns import MessageTurns
from hive.harness.pause import Pause
from hive.harness.replies import ReplySender
from hive.harness.reporting import Reporter
from hive.harness.turn import Turn
from hive.harness.worker import Worker
from hive.wire.enums import ActivityState, NackMode
from tests.harness.support.leasing import LeasingClient

pytestmark = pytest.mark.sim

FOREVER = 100
"""Steps of the loop within which every worker here has settled its messages."""


@define(eq=False)
class Scripted(TurnDriver):
    """A conversation whose model finishes the first message; all turns have the same end."""

    end: TurnEnd
    ended: set[int] = field(factory=set)
    done: set[int] = field(factory=set)

    async def open(self, surroundings: Surroundings) -> None: ...

    async def turn(self, turn: Turn) -> TurnEnd:
        await asyncio.sleep(0)
        first = turn.messages[0].id
        await turn.done([first])
        self.done.add(first)
        await asyncio.sleep(0)
        self.ended.update(message.id for message in turn.held())
        return self.end

    async def interrupt(self) -> None: ...

    async def close(self) -> None: ...


@define(eq=False)
class Single(Scripted):
    """A driver with one message per turn and without tools."""

    batch: ClassVar[int] = 1

    async def turn(self, turn: Turn) -> TurnEnd:
        await asyncio.sleep(0)
        self.ended.update(message.id for message in turn.held())
        return self.end


def worker_of(client: Any, driver: TurnDriver, leases: Leases) -> Worker:
    clock = LoopClock(asyncio.get_running_loop(), epoch=0.0)
    reporter = Reporter(client, clock)
    surroundings = Surroundings(client, Identity("alice", "agent"), reporter)
    known = asyncio.Event()
    known.set()
    return Worker(surroundings, driver, leases, Pause(clock), clock, Random(1), known)


async def cancel_after(steps: int, client: Any, driver: TurnDriver) -> None:
    """Run a worker, cancel it after some steps of the loop, and close its lease table."""
    leases = Leases(client)
    worker = worker_of(client, driver, leases)
    task = asyncio.create_task(worker.run())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled(), "no cancellation is swallowed"
    await leases.close("the agent was stopped")


@pytest.mark.parametrize("kind", [Scripted, Single])
@pytest.mark.parametrize(
    "end",
    [
        TurnEnd(Done()),
        TurnEnd(Failed("boom")),
        TurnEnd(Deferred("later")),
        TurnEnd(Rejected("no")),
        TurnEnd(Deferred("x"), hold_off=HoldOff(ActivityState.LIMITED, "x", 1e6)),
    ],
    ids=["done", "failed", "deferred", "rejected", "hold off"],
)
async def test_decisions_are_sent_and_all_other_messages_go_back(kind, end):
    for steps in range(FOREVER):
        client: Any = LeasingClient()
        client.post(1, 2, 3)
        driver = kind(end)
        await cancel_after(steps, client, driver)
        assert client.leased == {}
        back = {number: mode for number, mode, _ in client.nacked}
        assert len(back) == len(client.nacked), "each goes back once"
        decided = driver.ended
        if isinstance(end.outcome, Done):
            assert set(client.acked) == driver.done | decided
            assert set(back.values()) <= {NackMode.DEFER}
        else:
            assert set(client.acked) == driver.done
            assert {number for number in decided if back[number] is end.outcome.nack} == decided
            assert {back[each] for each in back.keys() - decided} <= {NackMode.DEFER}
        untouched = {message.id for message in client.queued}
        assert untouched | set(client.acked) | back.keys() == {1, 2, 3}
    assert driver.ended, "it was cancelled early and late"


class Slow:
    """Works for five steps of the loop; when cancelled, cleans up for three."""

    def __init__(self) -> None:
        self.running = 0

    async def handle(self, message: Delivery) -> Outcome:
        self.running += 1
        try:
            for _ in range(5):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            for _ in range(3):
                await asyncio.sleep(0)
            raise
        finally:
            self.running -= 1
        return Done()


async def test_a_stop_in_the_middle_of_a_cancel_by_the_operator_is_not_lost(tmp_path: Path):
    for steps in range(20):
        client: Any = LeasingClient()
        client.post(1)
        leases, slow = Leases(client), Slow()
        answerer = ReplySender(client, "alice", tmp_path, Random(1))
        worker = worker_of(client, MessageTurns(slow, answerer), leases)
        task = asyncio.create_task(worker.run())
        while not slow.running:
            await asyncio.sleep(0)
        worker.cancel("enough")
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
        assert slow.running == 0
        await leases.close("the agent was stopped")
        [(_, mode, reason)] = client.nacked
        assert (mode, reason) in {
            (NackMode.REJECT, "enough"),
            (NackMode.DEFER, "the agent was stopped"),
        }
    assert (mode, reason) == (NackMode.REJECT, "enough"), "by then the outcome was decided"


async def test_only_an_interrupt_is_a_cancel_by_the_operator(tmp_path: Path):
    client: Any = LeasingClient()
    client.post(1)
    leases = Leases(client)
    answerer = ReplySender(client, "alice", tmp_path, Random(1))
    turns = MessageTurns(Slow(), answerer)
    turn = Turn(leases)
    await turn.take(1, 0.0)
    task = asyncio.create_task(turns.turn(turn))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await turns.interrupt()
    assert (await task).outcome == Cancelled()
    await turns.interrupt()  # no turn is running
    other = asyncio.create_task(turns.turn(turn))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.wait([other])
    assert other.cancelled()
