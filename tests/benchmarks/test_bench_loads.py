"""Loads run closed loops, measure the right intervals, and detect lost messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from attrs import define, field

from benchmarks.delivery.loads import Flow, Meter, askers, pairs, ping_pong, senders
from benchmarks.delivery.measuring import Timing, Workload, run
from benchmarks.delivery.systems.base import Delivered, Lane, Stored


@define(eq=False)
class ScriptedLane:
    """A lane that confirms and delivers on a call of the test."""

    unconfirmed: list[Stored] = field(factory=list)
    sent: int = 0
    delivered: Delivered | None = None
    closed: bool = False

    def send(self, stored: Stored) -> None:
        self.sent += 1
        self.unconfirmed.append(stored)

    def listen(self, delivered: Delivered) -> None:
        self.delivered = delivered

    async def close(self) -> None:
        self.closed = True

    def confirm(self) -> None:
        self.unconfirmed.pop(0)()

    def deliver(self, count: int = 1) -> None:
        assert self.delivered is not None
        self.delivered(count)


def started(
    make: Callable[[Sequence[Lane], Meter], list[Flow]], count: int
) -> tuple[list[ScriptedLane], list[Flow], Meter]:
    lanes = [ScriptedLane() for _ in range(count)]
    meter = Meter(is_open=True)
    flows = make(lanes, meter)
    for flow in flows:
        flow.start()
    return lanes, flows, meter


def test_a_pair_sends_the_next_when_the_last_is_stored_and_counts_what_arrives() -> None:
    (lane,), _, meter = started(pairs, 1)
    assert lane.sent == 1
    lane.confirm()
    assert (lane.sent, len(meter.samples)) == (2, 0)
    lane.confirm()
    lane.deliver(2)
    assert (lane.sent, len(meter.samples)) == (3, 2)


def test_senders_count_what_is_stored_and_receive_only_at_the_end() -> None:
    (lane,), _, meter = started(senders, 1)
    lane.confirm()
    lane.confirm()
    assert (lane.sent, len(meter.samples), lane.delivered) == (3, 2, None)


def test_ping_pong_has_one_message_in_flight() -> None:
    (there, back), _, meter = started(ping_pong, 2)
    assert (there.sent, back.sent) == (1, 0)
    there.deliver()
    assert (there.sent, back.sent) == (1, 1)
    there.confirm()
    back.deliver()
    assert (there.sent, back.sent, len(meter.samples)) == (2, 1, 2)


def test_an_asker_sends_the_next_question_after_each_answer() -> None:
    (lane,), _, meter = started(askers, 1)
    lane.confirm()
    lane.confirm()
    assert (lane.sent, len(meter.samples), lane.delivered) == (3, 2, None)


@pytest.mark.loops("uvloop")
async def test_draining_an_asker_waits_for_the_last_answer() -> None:
    (lane,), (flow,), _ = started(askers, 1)
    drained = asyncio.ensure_future(flow.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    lane.confirm()
    await drained
    assert lane.sent == 1


def test_a_closed_meter_records_nothing() -> None:
    (lane,), _, meter = started(pairs, 1)
    meter.is_open = False
    lane.confirm()
    lane.deliver()
    assert meter.samples == []


@pytest.mark.loops("uvloop")
async def test_draining_waits_for_the_last_message() -> None:
    (lane,), (flow,), _ = started(pairs, 1)
    drained = asyncio.ensure_future(flow.drain())
    await asyncio.sleep(0)
    lane.confirm()
    await asyncio.sleep(0)
    assert lane.sent == 1
    assert not drained.done()
    lane.deliver()
    await drained


class ScriptedBroker:
    """A server whose lanes confirm and deliver at once, unless it loses messages."""

    name = "scripted"
    missing = None

    def __init__(self, *, loses: bool = False) -> None:
        self.loses = loses
        self.lanes: list[EagerLane] = []

    async def connect(self, count: int) -> list[Lane]:
        self.lanes = [EagerLane(loses=self.loses) for _ in range(count)]
        return list(self.lanes)

    def cpu_seconds(self) -> float:
        return 0.0

    async def start(self, directory: object, lanes: int) -> None: ...

    def stop(self) -> None: ...


@define(eq=False)
class EagerLane(ScriptedLane):
    """Delivers and confirms at once, or confirms and loses messages."""

    loses: bool = field(default=False, kw_only=True)

    def send(self, stored: Stored) -> None:
        loop = asyncio.get_running_loop()
        if not self.loses and self.delivered is not None:
            loop.call_soon(self.delivered, 1)
        loop.call_soon(stored)


INSTANT = Timing(0.0, 0.0)
ONE_PAIR = Workload("1 pair", 1, pairs)


@pytest.mark.loops("uvloop")
async def test_a_run_measures_and_closes_its_lanes() -> None:
    broker = ScriptedBroker()
    result = await run(broker, ONE_PAIR, INSTANT)
    assert result.rate > 0
    assert broker.lanes[0].closed


@pytest.mark.loops("uvloop")
async def test_a_run_in_which_nothing_arrives_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="scripted: no message came through"):
        await run(ScriptedBroker(loses=True), ONE_PAIR, INSTANT)
