"""The driver on virtual time, with scripted conversations: sessions, budgets, trouble."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import define, field

from hive.client.api import Delivery, Identity, Sent
from hive.clock import LoopClock
from hive.harness.claude.driver import INTERRUPT_GRACE, ClaudeDriver
from hive.harness.claude.errors import ConversationLostError
from hive.harness.claude.turn_events import Compacted, Ended, Started
from hive.harness.desk import Desk
from hive.harness.drivers import Deferred, Done, DriverSetup, Failed, Rejected
from hive.harness.reporting import Reporter
from hive.harness.turn import Turn
from hive.harness.turn_drivers import Surroundings, TurnEnd
from hive.wire.claude import ClaudeConfig
from hive.wire.enums import ActivityState, LiveKind, OrderKind, TurnOutcome
from hive.wire.harness import Activity, Order, TurnRecord
from tests.claude.scripted_launcher import COMPACTED, ScriptedTalks, answered, refused

pytestmark = pytest.mark.sim

MAIL = Delivery(7, "bob", "hi", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent")
TOO_LONG = refused("prompt_too_long", status=400)


@define(eq=False)
class Listening:
    """The part of the client that a driver uses."""

    sent: list[tuple[str, str, str | None]] = field(factory=list)
    reported: list[Activity] = field(factory=list)
    records: list[TurnRecord] = field(factory=list)
    shown: list[tuple[LiveKind, str]] = field(factory=list)

    async def send(self, to: str, body: str, *, dedupe_key: str | None = None) -> Sent:
        self.sent.append((to, body, dedupe_key))
        return Sent(1)

    async def report(self, activity: Activity) -> None:
        self.reported.append(activity)

    async def turn(self, record: TurnRecord) -> None:
        self.records.append(record)

    async def live(self, kind: LiveKind, text: str) -> None:
        self.shown.append((kind, text))


@define(eq=False)
class Stage:
    """A driver, what it talks to, and what it told."""

    state: Path
    settings: ClaudeConfig
    talks: ScriptedTalks = field(factory=ScriptedTalks)
    client: Any = field(factory=Listening)
    driver: ClaudeDriver = field(init=False)
    reporter: Reporter = field(init=False)

    async def open(self) -> None:
        clock = LoopClock(asyncio.get_running_loop(), epoch=86400.0 * 20000)
        self.driver = ClaudeDriver(
            DriverSetup((), 600.0, self.state),
            self.settings,
            environ={"ANTHROPIC_API_KEY": "k"},
            home=self.state,
            clock=clock,
            random=Random(1),
            talks=lambda *_: self.talks,
        )
        self.reporter = Reporter(self.client, clock)
        await self.driver.open(Surroundings(self.client, Identity("alice", "agent"), self.reporter))

    async def turn(self, *script) -> TurnEnd:
        """Have a turn whose questions lead to these answers."""
        self.talks.script.extend(script)
        turn = Turn(self.client, Desk())
        turn.join([MAIL])
        end = await self.driver.turn(turn)
        assert not self.talks.script, "everything was asked"
        return end

    async def told(self) -> Listening:
        """Return what was told."""
        await self.reporter.flush()
        told: Listening = self.client
        return told


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path, ClaudeConfig(tools=("Read",)))
    await made.open()
    yield made
    await made.driver.close()
    assert made.talks.alive == 0, "no process is left"


async def restarted(stage: Stage, **settings: Any) -> None:
    """Have a new harness take over, with other settings if given."""
    await stage.driver.close()
    stage.settings = ClaudeConfig(tools=("Read",), **settings)
    await stage.open()


async def test_turns_share_a_process_and_a_conversation(stage):
    first, second = await stage.turn(answered()), await stage.turn(answered())
    assert first.outcome == second.outcome == Done()
    assert stage.talks.started == [(None, None)]
    activity = (await stage.told()).reported[-1]
    assert (activity.model, activity.session) == ("m", "s-1")
    assert activity.account is not None


async def test_each_turn_has_a_mark_of_its_own(stage):
    await stage.turn(answered())
    await stage.turn(answered())
    one, two = (re.findall(r"^-----\w+-----$", text, re.MULTILINE) for text in stage.talks.asked)
    assert len(set(one)) == len(set(two)) == 1
    assert set(one) != set(two), "a sender may have been told the last one"


async def test_a_new_harness_resumes_the_conversation_and_says_so_once(stage):
    await stage.turn(answered())
    stage.talks.on_disk.add("s-1")
    await restarted(stage)
    order = Order(1, OrderKind.RESTARTED, at=0.0, reason="out of memory; nobody has written since")
    stage.driver.restarted(order)
    failed = await stage.turn(refused(status=529))
    assert isinstance(failed.outcome, Deferred)
    await stage.turn(answered())
    await stage.turn(answered())
    assert stage.talks.started[1:] == [("s-1", None)]
    notice = "You were restarted (it ended at 1970-01-01T00:00:00.000Z): out of memory; nobody"
    assert [notice in text for text in stage.talks.asked] == [False, True, True, False]


async def test_a_conversation_that_is_gone_is_begun_anew_and_the_model_is_told(stage):
    await stage.turn(answered())
    await restarted(stage)
    await stage.turn(answered())
    assert stage.talks.started[-1] == (None, None)
    assert "This is a new conversation" in stage.talks.asked[-1]
    assert any("not on disk" in text for _, text in (await stage.told()).shown)


async def test_a_new_session_is_one_that_was_asked_for(stage):
    await stage.turn(answered())
    stage.talks.on_disk.add("s-1")
    stage.driver.begin_anew()
    await stage.turn(answered())
    await stage.turn(answered())
    assert stage.talks.started == [(None, None), (None, None)]
    assert ["new conversation" in text for text in stage.talks.asked] == [False, True, False]


async def test_tools_beyond_the_manifest_end_the_turn_and_the_program(stage):
    end = await stage.turn((Started("s-1", "m", ("Read", "Bash")),))
    assert end.outcome == Failed("Claude Code offers Bash, which the manifest does not allow")
    assert stage.talks.alive == 0


async def test_what_does_not_fit_is_compacted_once(stage):
    end = await stage.turn(TOO_LONG, COMPACTED, answered())
    assert end.outcome == Done()
    assert [text[:8] for text in stage.talks.asked][1] == "/compact"
    assert stage.talks.asked[0] == stage.talks.asked[2]
    end = await stage.turn(TOO_LONG, COMPACTED, TOO_LONG)
    assert isinstance(end.outcome, Failed)


async def test_what_cannot_be_compacted_is_not_asked_again(stage):
    end = await stage.turn(TOO_LONG, (Compacted("too few messages"), Ended(failed=False)))
    assert isinstance(end.outcome, Failed)
    assert len(stage.talks.asked) == 2


async def test_a_program_that_died_while_idle_costs_the_mail_nothing(stage):
    await stage.turn(answered())
    stage.talks.on_disk.add("s-1")
    end = await stage.turn((ConversationLostError("broken pipe"),), answered())
    assert end.outcome == Done()
    assert stage.talks.started == [(None, None), ("s-1", None)]
    assert stage.talks.asked[1] == stage.talks.asked[2]


async def test_a_new_session_before_the_first_turn_changes_nothing(stage):
    stage.driver.begin_anew()
    await stage.turn(answered())
    await stage.turn(answered())
    assert stage.talks.started == [(None, None)]


async def test_a_program_that_was_lost_is_started_anew(stage):
    end = await stage.turn((Started("s-1", "m", ()), ConversationLostError("killed")))
    assert end.outcome == Failed("killed")
    stage.talks.on_disk.add("s-1")
    await stage.turn(answered())
    assert stage.talks.started == [(None, None), ("s-1", None)]


async def test_a_program_that_cannot_be_started_is_no_fault_of_the_mail(stage):
    stage.talks.broken = "Claude Code cannot be started: not found"
    end = await stage.turn()
    assert end.outcome == Deferred("Claude Code cannot be started: not found")
    assert end.hold_off is not None
    assert end.hold_off.state is ActivityState.WAITING
    stage.talks.broken = None
    assert (await stage.turn(answered())).outcome == Done()


async def test_a_turn_ends_at_its_time_limit(stage):
    loop = asyncio.get_running_loop()
    end = await stage.turn((asyncio.Event(),))
    assert end.outcome == Failed("ended after the time limit of 600 s")
    assert loop.time() == pytest.approx(600)
    assert stage.talks.alive == 0


async def test_an_interrupted_turn_ends_as_cancelled(stage):
    stop = asyncio.Event()
    turn = asyncio.create_task(stage.turn((stop, *refused("aborted_streaming"))))
    while not stage.talks.asked:
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(1, stop.set)
    await stage.driver.interrupt()
    end = await turn
    assert (end.outcome, end.word) == (
        Rejected("cancelled by the operator"),
        TurnOutcome.CANCELLED,
    )
    assert stage.talks.interrupts == 1
    assert stage.talks.alive == 1, "the program goes on"


async def test_a_program_that_cannot_be_interrupted_is_ended(stage):
    turn = asyncio.create_task(stage.turn((asyncio.Event(),)))
    while not stage.talks.asked:
        await asyncio.sleep(0)
    await stage.driver.interrupt()
    assert (await turn).word is TurnOutcome.CANCELLED
    assert asyncio.get_running_loop().time() == pytest.approx(INTERRUPT_GRACE)
    assert stage.talks.alive == 0


async def test_a_nearly_full_conversation_is_compacted_at_rest(stage):
    await stage.turn(answered(context=749))
    await stage.driver.rest()
    await stage.turn(answered(context=750))
    stage.reporter.state(ActivityState.WAITING, "bob: when?")
    stage.talks.script.extend([answered("noted", context=760), COMPACTED])
    await stage.driver.rest()
    told = await stage.told()
    assert "75 % of 1000 tokens" in stage.talks.asked[-2]
    assert stage.talks.asked[-1] == "/compact"
    assert [record.wake for record in told.records] == ["compaction"]
    assert told.reported[-1].state is ActivityState.WAITING, "as before"
    await stage.driver.rest()
    assert not stage.talks.script, "once is enough"


async def test_trouble_at_rest_is_no_trouble_for_the_mail(stage):
    await stage.turn(answered(context=900))
    stage.talks.script.append((Started("s-1", "m", ()), ConversationLostError("killed")))
    await stage.driver.rest()
    [record] = (await stage.told()).records
    assert (record.outcome, record.note) == (TurnOutcome.FAILED, "killed")
    assert (await stage.turn(answered())).outcome == Done()


async def test_a_budget_is_that_of_a_process(stage):
    await restarted(stage, turn_budget=2.0, day_budget=5.0)
    stage.talks.on_disk.add("s-1")
    for total in (1.5, 3.5, 4.75):
        end = await stage.turn(answered(cost=total))
    assert end.usage.cost_usd == pytest.approx(1.25)
    assert stage.talks.started == [(None, 2.0), ("s-1", 2.0), ("s-1", 1.5)]
    spent = await stage.turn(refused("budget_exhausted"))
    assert isinstance(spent.outcome, Failed), "of the turn, not of the day"


async def test_a_spent_day_asks_nothing_more_until_the_next(stage):
    await restarted(stage, day_budget=1.0)
    stage.talks.on_disk.add("s-1")
    await stage.turn(answered(cost=1.5))
    processes = len(stage.talks.started)
    end = await stage.turn()
    assert end.word is TurnOutcome.LIMITED
    assert len(stage.talks.started) == processes
    assert end.hold_off is not None
    assert end.hold_off.until == 86400.0 * 20001
    await restarted(stage, day_budget=1.0)
    assert (await stage.turn()).word is TurnOutcome.LIMITED, "a new harness knows it"
    await asyncio.sleep(86400)
    assert (await stage.turn(answered(cost=1.6))).outcome == Done()


async def test_overloads_are_counted_in_a_row(stage):
    waits = []
    for _ in range(3):
        end = await stage.turn(refused(status=529))
        assert end.hold_off is not None
        assert end.hold_off.until is not None
        waits.append(end.hold_off.until - 86400.0 * 20000)
    assert waits == sorted(waits)
    await stage.turn(answered())
    again = await stage.turn(refused(status=529))
    assert again.hold_off is not None
    assert again.hold_off.until is not None
    assert again.hold_off.until - 86400.0 * 20000 < waits[1]


async def test_the_operator_is_told_once_a_day_that_a_login_is_missing(stage):
    end = await stage.turn(refused(status=401, error="authentication_failed"))
    assert end.hold_off is not None
    assert end.hold_off.until is None
    [(to, body, key)] = stage.client.sent
    assert to == "operator"
    assert "alice cannot work: words" in body
    assert key == "needs-login-2024-10-04"
    assert stage.talks.alive == 0, "the next program reads the login anew"
