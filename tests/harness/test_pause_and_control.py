"""Pauses, control orders and reports, on virtual time."""

import asyncio

import pytest
from attrs import define, field

from hive.clock import LoopClock
from hive.errors import BadRequestError, UnavailableError
from hive.harness.control import follow, obey
from hive.harness.pause import HoldOff, Pause
from hive.harness.reporting import LIVE_MAX, Reporter
from hive.wire.enums import ActivityState, LiveKind, OrderKind, TurnOutcome
from hive.wire.harness import Activity, Order, TurnRecord

pytestmark = pytest.mark.sim

LIMIT = HoldOff(ActivityState.LIMITED, "used up", 100.0)


def clock() -> LoopClock:
    return LoopClock(asyncio.get_running_loop(), epoch=0.0)


@define(eq=False)
class FakeHive:
    """Records reports and gives orders."""

    received: list[object] = field(factory=list)
    orders_given: asyncio.Queue = field(factory=asyncio.Queue)
    asked_after: list[int] = field(factory=list)

    async def report(self, activity: Activity) -> None:
        self._record(activity)

    async def turn(self, record: TurnRecord) -> None:
        self._record(record)

    async def live(self, kind: LiveKind, text: str) -> None:
        self._record(text)

    async def limited(self, account: str, until: float, reason: str) -> None:
        self._record((account, until, reason))

    async def orders(self, *, wait: float, after: int) -> tuple[Order, ...]:
        self.asked_after.append(after)
        given = await self.orders_given.get()
        if isinstance(given, Exception):
            raise given
        return given

    def _record(self, report: object) -> None:
        self.received.append(report)


@define(eq=False)
class Worker:
    calls: list[str] = field(factory=list)

    def cancel(self, reason: str) -> None:
        self.calls.append(f"cancel: {reason}")

    def new_session(self) -> None:
        self.calls.append("new session")

    async def choose_model(self, order: Order) -> None:
        self.calls.append(f"model: {order.model}, {order.effort}")

    def restarted(self, order: Order) -> None:
        self.calls.append(f"restarted: {order.reason}")


async def test_a_source_does_not_end_the_pause_of_another():
    pause = Pause(clock())
    pause.begin("a", LIMIT)
    pause.begin("b", HoldOff(ActivityState.PAUSED, "paused"))
    pause.end("a")
    assert pause.current() == HoldOff(ActivityState.PAUSED, "paused")
    pause.end("b")
    assert pause.current() is None


async def test_the_reason_that_ends_last_is_the_current_one():
    pause = Pause(clock())
    pause.begin("a", LIMIT)
    longer = HoldOff(ActivityState.LIMITED, "longer", 200.0)
    pause.begin("b", longer)
    assert pause.current() == longer
    pause.begin("b", HoldOff(ActivityState.LIMITED, "replaced", 50.0))
    assert pause.current() == LIMIT


async def test_a_pause_ends_at_its_time_and_its_reason_is_reported_meanwhile():
    pause = Pause(clock())
    reporter = Reporter(FakeHive(), clock())
    pause.begin("a", LIMIT)
    passing = asyncio.create_task(pause.until_over(reporter))
    await asyncio.sleep(1)
    assert reporter.activity == Activity(ActivityState.LIMITED, 0.0, "used up", 100.0)
    await passing
    assert asyncio.get_running_loop().time() == pytest.approx(100)
    assert reporter.activity.state is ActivityState.IDLE
    await pause.until_over(reporter)
    assert asyncio.get_running_loop().time() == pytest.approx(100)


async def test_a_pause_cancels_a_wait():
    pause = Pause(clock())
    ended = asyncio.Event()

    async def wait() -> str:
        try:
            await asyncio.sleep(10)
        finally:
            ended.set()
        return "came"

    assert await pause.unless_paused(wait()) == "came"
    asyncio.get_running_loop().call_later(5, pause.begin, "a", LIMIT)
    ended.clear()
    assert await pause.unless_paused(wait()) is None
    assert ended.is_set()
    assert asyncio.get_running_loop().time() == pytest.approx(15)


@pytest.mark.parametrize(
    ("orders", "standing"),
    [
        ([Order(1, OrderKind.PAUSE)], ActivityState.PAUSED),
        ([Order(1, OrderKind.PAUSE), Order(2, OrderKind.RESUME)], None),
        ([Order(1, OrderKind.PAUSE), Order(2, OrderKind.RESUME, at=30.0)], ActivityState.PAUSED),
        ([Order(1, OrderKind.PAUSE), Order(2, OrderKind.RESUME, at=0.0)], None),
        ([Order(1, OrderKind.LIMITED, until=50.0, at=60.0)], ActivityState.LIMITED),
        ([Order(1, OrderKind.LIMITED, at=60.0), Order(2, OrderKind.UNLIMITED)], None),
        ([Order(1, OrderKind.UNLIMITED, at=30.0)], ActivityState.LIMITED),
        ([Order(1, OrderKind.UNLIMITED, at=0.0)], None),
    ],
)
async def test_control_orders_begin_and_end_a_pause(orders, standing):
    pause = Pause(clock())
    for order in orders:
        await obey(order, pause, Worker())
    found = pause.current()
    assert (found.state if found else None) is standing


async def test_a_limit_lasts_until_the_time_for_this_agent():
    pause = Pause(clock())
    await obey(Order(1, OrderKind.LIMITED, until=50.0, at=60.0, reason="weekly"), pause, Worker())
    assert pause.current() == HoldOff(ActivityState.LIMITED, "weekly", 60.0)


async def test_a_pause_has_the_reason_of_its_order_and_ends_at_the_time_of_the_resume():
    pause = Pause(clock())
    await obey(Order(1, OrderKind.PAUSE), pause, Worker())
    assert pause.current() == HoldOff(ActivityState.PAUSED, "paused by the operator")
    await obey(Order(2, OrderKind.PAUSE, reason="under pressure"), pause, Worker())
    assert pause.current() == HoldOff(ActivityState.PAUSED, "under pressure")
    await obey(Order(3, OrderKind.RESUME, at=30.0, reason="in turn"), pause, Worker())
    assert pause.current() == HoldOff(ActivityState.PAUSED, "in turn", 30.0)


async def test_orders_are_carried_out_and_acknowledged():
    hive, worker, ordered = FakeHive(), Worker(), asyncio.Event()
    following = asyncio.create_task(follow(hive, Pause(clock()), worker, ordered))
    hive.orders_given.put_nowait(UnavailableError("away"))
    hive.orders_given.put_nowait(())
    await ordered.wait()
    hive.orders_given.put_nowait(
        (
            Order(4, OrderKind.RESTARTED, reason="it was killed"),
            Order(5, OrderKind.CANCEL, reason="enough"),
            Order(6, OrderKind.NEW_SESSION),
            Order(7, OrderKind.MODEL, model="opus", effort="high"),
        )
    )
    hive.orders_given.put_nowait(BadRequestError("no such verb"))
    await following
    assert worker.calls == [
        "restarted: it was killed",
        "cancel: enough",
        "new session",
        "model: opus, high",
    ]
    assert hive.asked_after == [0, 0, 0, 7]


async def test_turns_begin_if_the_daemon_does_not_support_orders():
    hive, ordered = FakeHive(), asyncio.Event()
    hive.orders_given.put_nowait(BadRequestError("no such verb"))
    await follow(hive, Pause(clock()), Worker(), ordered)
    assert ordered.is_set()


async def test_only_the_latest_activity_and_every_record_are_reported():
    hive = FakeHive()
    reporter = Reporter(hive, clock())
    reporter.state(ActivityState.WORKING, "a")
    reporter.uses(model="m", account="acc")
    reporter.state(ActivityState.WORKING, "b")
    records = [TurnRecord(float(n), 1.0, "message", TurnOutcome.DONE) for n in range(2)]
    for record in records:
        reporter.turn(record)
    reporter.limited(5.0, "x")
    await reporter.flush()
    activity = Activity(ActivityState.WORKING, 0.0, "b", model="m", account="acc")
    assert hive.received == [activity, *records, ("acc", 5.0, "x")]
    await reporter.flush()
    assert len(hive.received) == 4, "nothing is reported twice"


async def test_since_is_the_time_at_which_the_state_began():
    reporter = Reporter(FakeHive(), clock())
    reporter.state(ActivityState.WORKING, "a")
    await asyncio.sleep(7)
    reporter.state(ActivityState.WORKING, "a", until=9.0)
    assert reporter.activity.since == 0.0
    reporter.state(ActivityState.IDLE)
    assert reporter.activity.since == 7.0


async def test_the_oldest_live_events_are_dropped_above_the_limit():
    hive = FakeHive()
    reporter = Reporter(hive, clock())
    for number in range(LIVE_MAX + 5):
        reporter.live(LiveKind.TEXT, str(number))
    await reporter.flush()
    shown = [each for each in hive.received if isinstance(each, str)]
    assert shown == [str(number) for number in range(5, LIVE_MAX + 5)]
