"""The driver on virtual time, with scripted conversations: sessions, budgets, failures."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import define, field

from actors.testing import settle
from hive.client.agent import Delivery, Identity, Sent
from hive.clock import LoopClock
from hive.errors import ConfigError
from hive.extras import how_to_install
from hive.harness import claude
from hive.harness.claude.driver import INTERRUPT_GRACE, ClaudeDriver
from hive.harness.claude.session_file import SessionFile, session_path
from hive.harness.claude.turn_events import ClaudeProcessError, Compacted, TurnResult, TurnStarted
from hive.harness.driver import (
    Cancelled,
    Deferred,
    Done,
    DriverSetup,
    Failed,
    Surroundings,
    TurnEnd,
)
from hive.harness.leases import Leases
from hive.harness.reporting import Reporter
from hive.harness.serve import load_driver
from hive.harness.turn import Turn
from hive.wire.claude import ClaudeConfig
from hive.wire.enums import ActivityState, LiveKind, OrderKind, TurnOutcome
from hive.wire.harness import Activity, Order, TurnRecord
from tests.claude.scripted_launcher import COMPACTED, ScriptedLauncher, answered, refused

pytestmark = pytest.mark.sim

MAIL = Delivery(7, "bob", "hi", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent")
TOO_LONG = refused("prompt_too_long", status=400)


@define(eq=False)
class RecordingClient:
    """The part of the client that a driver uses; records every call."""

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
class ScriptedDriver:
    """A driver with a scripted launcher and a recording client."""

    state: Path
    settings: ClaudeConfig
    launcher: ScriptedLauncher = field(factory=ScriptedLauncher)
    client: Any = field(factory=RecordingClient)
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
            launcher=lambda *_: self.launcher,
        )
        self.reporter = Reporter(self.client, clock)
        await self.driver.open(Surroundings(self.client, Identity("alice", "agent"), self.reporter))

    async def turn(self, *script) -> TurnEnd:
        """Run a turn whose queries lead to these scripts."""
        self.launcher.script.extend(script)
        turn = Turn(Leases(self.client))
        turn.join([MAIL])
        end = await self.driver.turn(turn)
        assert not self.launcher.script, "every query was sent"
        return end

    async def flushed(self) -> RecordingClient:
        """Send what the reporter holds; return the client."""
        await self.reporter.flush()
        client: RecordingClient = self.client
        return client


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[ScriptedDriver]:
    made = ScriptedDriver(tmp_path, ClaudeConfig(tools=("Read",)))
    await made.open()
    yield made
    await made.driver.close()
    assert made.launcher.alive == 0, "no process is left"


async def restarted(scripted: ScriptedDriver, **settings: Any) -> None:
    """Replace the harness by a new one, with other settings if given."""
    await scripted.driver.close()
    scripted.settings = ClaudeConfig(tools=("Read",), **settings)
    await scripted.open()


def choice_reported(client: RecordingClient) -> tuple[str | None, str | None]:
    """Return the model and the effort that were chosen, as reported last."""
    last = client.reported[-1]
    return last.chosen_model, last.chosen_effort


async def test_turns_share_a_process_and_a_conversation(scripted):
    first, second = await scripted.turn(answered()), await scripted.turn(answered())
    assert first.outcome == second.outcome == Done()
    assert scripted.launcher.launched == [(None, None)]
    activity = (await scripted.flushed()).reported[-1]
    assert (activity.model, activity.session) == ("m", "s-1")
    assert activity.account is not None


async def test_each_turn_has_its_own_boundary(scripted):
    await scripted.turn(answered())
    await scripted.turn(answered())
    one, two = (
        re.findall(r"^-----\w+-----$", text, re.MULTILINE) for text in scripted.launcher.prompts
    )
    assert len(set(one)) == len(set(two)) == 1
    assert set(one) != set(two), "a sender may know the last one"


async def test_a_new_harness_resumes_the_conversation_and_the_restart_is_noticed_once(scripted):
    await scripted.turn(answered())
    scripted.launcher.on_disk.add("s-1")
    await restarted(scripted)
    order = Order(1, OrderKind.RESTARTED, at=0.0, reason="out of memory; no message since")
    scripted.driver.restarted(order)
    failed = await scripted.turn(refused(status=529))
    assert isinstance(failed.outcome, Deferred)
    await scripted.turn(answered())
    await scripted.turn(answered())
    assert scripted.launcher.launched[1:] == [("s-1", None)]
    notice = "You were restarted (it ended at 1970-01-01T00:00:00.000Z): out of memory; no"
    assert [notice in text for text in scripted.launcher.prompts] == [False, True, True, False]


async def test_a_conversation_that_is_not_on_disk_is_replaced_and_the_model_is_notified(scripted):
    await scripted.turn(answered())
    await restarted(scripted)
    await scripted.turn(answered())
    assert scripted.launcher.launched[-1] == (None, None)
    assert "This is a new conversation" in scripted.launcher.prompts[-1]
    assert any("not on disk" in text for _, text in (await scripted.flushed()).shown)


async def test_a_new_session_begins_when_it_is_requested(scripted):
    await scripted.turn(answered())
    scripted.launcher.on_disk.add("s-1")
    scripted.driver.new_session()
    await scripted.turn(answered())
    await scripted.turn(answered())
    assert scripted.launcher.launched == [(None, None), (None, None)]
    assert ["new conversation" in text for text in scripted.launcher.prompts] == [
        False,
        True,
        False,
    ]


async def test_a_chosen_model_is_used_from_the_next_turn_on_and_after_a_restart(scripted):
    await scripted.turn(answered())
    scripted.launcher.on_disk.add("s-1")
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, model="opus", effort="high"))
    await scripted.turn(answered())
    await scripted.turn(answered())
    assert scripted.launcher.launched == [(None, None), ("s-1", None)]
    assert scripted.launcher.models == [(None, None), ("opus", "high")]
    assert (await scripted.flushed()).reported[-1].effort == "high"
    await scripted.driver.close()
    await scripted.turn(answered())
    assert scripted.launcher.models[-1] == ("opus", "high")


async def test_a_choice_outlives_a_harness_that_ends_before_its_next_turn(scripted):
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, model="opus", effort="high"))
    assert choice_reported(await scripted.flushed()) == ("opus", "high")
    await restarted(scripted)
    assert choice_reported(await scripted.flushed()) == ("opus", "high")
    await scripted.turn(answered())
    assert scripted.launcher.models == [("opus", "high")]


async def test_a_choice_in_the_middle_of_a_turn_keeps_its_session_and_its_cost(scripted):
    go_on = asyncio.Event()
    started, *rest = answered(cost=1.5)
    turn = asyncio.create_task(scripted.turn((started, go_on, *rest)))
    await settle()
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, model="opus"))
    go_on.set()
    await turn
    file = SessionFile(session_path(scripted.state))
    await asyncio.to_thread(file.read)
    saved = file.record
    assert (saved.session, saved.total_cost, saved.model) == ("s-1", 1.5, "opus")
    assert scripted.launcher.models == [(None, None)], "it holds from the next turn on"


def fill_the_disk(made: ScriptedDriver) -> None:
    """Let nothing be written below the state directory: a file is where its directory would be."""
    (made.state / "claude").write_text("")


async def test_a_turn_succeeds_on_a_full_disk_and_its_session_is_saved_later(scripted, caplog):
    fill_the_disk(scripted)
    end = await scripted.turn(answered(cost=0.5))
    assert end.outcome == Done(), "the mail is not worked on twice"
    assert scripted.launcher.alive == 1
    assert "cannot be saved" in caplog.text
    (scripted.state / "claude").unlink()
    assert (await scripted.turn(answered(cost=0.5))).outcome == Done()
    assert '"session":"s-1"' in (scripted.state / "claude" / "session.json").read_text()


async def test_a_compaction_on_a_full_disk_does_not_end_the_harness(scripted):
    await scripted.turn(answered(context=900, cost=0.5))
    (scripted.state / "claude" / "session.json").unlink()
    (scripted.state / "claude").rmdir()
    fill_the_disk(scripted)
    scripted.launcher.script.extend((answered(cost=0.7), refused()))
    await scripted.driver.rest()


async def test_no_turn_goes_on_in_a_process_that_a_fault_has_left_in_another_turn(scripted):
    with pytest.raises(KeyError):
        await scripted.turn((*answered()[:1], KeyError("model")))
    assert scripted.launcher.alive == 0, "its result would be taken for that of the next turn"


async def test_a_choice_that_cannot_be_saved_holds_until_the_harness_ends(scripted, caplog):
    fill_the_disk(scripted)
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, model="opus"))
    assert "not saved" in caplog.text
    assert choice_reported(await scripted.flushed()) == ("opus", None)


async def test_a_choice_of_nothing_goes_back_to_the_configuration(scripted):
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, model="opus", effort="high"))
    await scripted.turn(answered())
    await scripted.driver.choose_model(Order(2, OrderKind.MODEL))
    await scripted.turn(answered())
    assert scripted.launcher.models == [("opus", "high"), (None, None)]
    assert (await scripted.flushed()).reported[-1].effort == "default"


async def test_an_effort_that_this_harness_does_not_know_is_that_of_the_configuration(scripted):
    await scripted.driver.choose_model(Order(1, OrderKind.MODEL, effort="enormous"))
    await scripted.turn(answered())
    assert scripted.launcher.models == [(None, None)]


async def test_tools_beyond_the_manifest_end_the_turn_and_the_process(scripted):
    end = await scripted.turn((TurnStarted("s-1", "m", ("Read", "Bash")),))
    assert end.outcome == Failed("Claude Code offers Bash, which the manifest does not allow")
    assert scripted.launcher.alive == 0


async def test_a_conversation_that_does_not_fit_is_compacted_once(scripted):
    end = await scripted.turn(TOO_LONG, COMPACTED, answered())
    assert end.outcome == Done()
    assert [text[:8] for text in scripted.launcher.prompts][1] == "/compact"
    assert scripted.launcher.prompts[0] == scripted.launcher.prompts[2]
    end = await scripted.turn(TOO_LONG, COMPACTED, TOO_LONG)
    assert isinstance(end.outcome, Failed)


async def test_a_prompt_is_not_repeated_when_compaction_fails(scripted):
    end = await scripted.turn(TOO_LONG, (Compacted("too few messages"), TurnResult(failed=False)))
    assert isinstance(end.outcome, Failed)
    assert len(scripted.launcher.prompts) == 2


async def test_a_process_that_died_while_idle_is_replaced_within_the_turn(scripted):
    await scripted.turn(answered())
    scripted.launcher.on_disk.add("s-1")
    end = await scripted.turn((ClaudeProcessError("broken pipe"),), answered())
    assert end.outcome == Done()
    assert scripted.launcher.launched == [(None, None), ("s-1", None)]
    assert scripted.launcher.prompts[1] == scripted.launcher.prompts[2]


async def test_a_new_session_before_the_first_turn_changes_nothing(scripted):
    scripted.driver.new_session()
    await scripted.turn(answered())
    await scripted.turn(answered())
    assert scripted.launcher.launched == [(None, None)]


async def test_a_process_that_ends_in_a_turn_fails_it_and_the_next_turn_resumes(scripted):
    end = await scripted.turn((TurnStarted("s-1", "m", ()), ClaudeProcessError("killed")))
    assert end.outcome == Failed("killed")
    scripted.launcher.on_disk.add("s-1")
    await scripted.turn(answered())
    assert scripted.launcher.launched == [(None, None), ("s-1", None)]


async def test_mail_is_deferred_when_the_process_cannot_be_started(scripted):
    scripted.launcher.broken = "Claude Code cannot be started: not found"
    end = await scripted.turn()
    assert end.outcome == Deferred("Claude Code cannot be started: not found")
    assert end.hold_off is not None
    assert end.hold_off.state is ActivityState.WAITING
    scripted.launcher.broken = None
    assert (await scripted.turn(answered())).outcome == Done()


async def test_a_turn_ends_at_its_time_limit(scripted):
    loop = asyncio.get_running_loop()
    end = await scripted.turn((asyncio.Event(),))
    assert end.outcome == Failed("ended after the time limit of 600 s")
    assert loop.time() == pytest.approx(600)
    assert scripted.launcher.alive == 0


async def test_an_interrupted_turn_ends_as_cancelled(scripted):
    stop = asyncio.Event()
    turn = asyncio.create_task(scripted.turn((stop, *refused("aborted_streaming"))))
    while not scripted.launcher.prompts:
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(1, stop.set)
    await scripted.driver.interrupt()
    end = await turn
    assert (end.outcome, end.word) == (
        Cancelled("cancelled by the operator"),
        TurnOutcome.CANCELLED,
    )
    assert scripted.launcher.interrupts == 1
    assert scripted.launcher.alive == 1, "the process goes on"


async def test_a_process_that_cannot_be_interrupted_is_ended(scripted):
    turn = asyncio.create_task(scripted.turn((asyncio.Event(),)))
    while not scripted.launcher.prompts:
        await asyncio.sleep(0)
    await scripted.driver.interrupt()
    assert (await turn).word is TurnOutcome.CANCELLED
    assert asyncio.get_running_loop().time() == pytest.approx(INTERRUPT_GRACE)
    assert scripted.launcher.alive == 0


async def test_a_nearly_full_conversation_is_compacted_at_rest(scripted):
    await scripted.turn(answered(context=749))
    await scripted.driver.rest()
    await scripted.turn(answered(context=750))
    scripted.reporter.state(ActivityState.WAITING, "bob: when?")
    scripted.launcher.script.extend([answered("noted", context=760), COMPACTED])
    await scripted.driver.rest()
    client = await scripted.flushed()
    assert "75 % of 1000 tokens" in scripted.launcher.prompts[-2]
    assert scripted.launcher.prompts[-1] == "/compact"
    assert [record.wake for record in client.records] == ["compaction"]
    assert client.reported[-1].state is ActivityState.WAITING, "as before"
    await scripted.driver.rest()
    assert not scripted.launcher.script, "once is enough"


async def test_the_fill_of_the_context_is_reported_and_is_unknown_after_a_new_session(scripted):
    async def fill() -> tuple[float | None, bool]:
        activity = (await scripted.flushed()).reported[-1]
        return activity.context_fill, activity.context_at is not None

    assert await fill() == (None, False)
    await scripted.turn(answered(context=250))
    assert await fill() == (0.25, True)
    scripted.driver.new_session()
    assert await fill() == (None, False)
    await scripted.turn(answered(context=100))
    assert await fill() == (0.1, True)
    await scripted.turn(answered(context=800))
    scripted.launcher.script.extend([answered("noted", context=810), COMPACTED])
    await scripted.driver.rest()
    assert await fill() == (None, False), "nothing has said how much is left"


async def test_a_new_session_that_was_ordered_in_a_turn_has_no_fill_of_the_old_one(scripted):
    held = asyncio.Event()
    started, called, text, result = answered(context=250)
    turn = asyncio.ensure_future(scripted.turn((started, called, held, text, result)))
    await asyncio.sleep(1)
    scripted.driver.new_session()
    held.set()
    await turn
    assert (await scripted.flushed()).reported[-1].context_fill is None


async def test_a_failed_compaction_at_rest_does_not_affect_the_mail(scripted):
    await scripted.turn(answered(context=900))
    scripted.launcher.script.append((TurnStarted("s-1", "m", ()), ClaudeProcessError("killed")))
    await scripted.driver.rest()
    [record] = (await scripted.flushed()).records
    assert (record.outcome, record.note) == (TurnOutcome.FAILED, "killed")
    assert (await scripted.turn(answered())).outcome == Done()


async def test_with_a_budget_each_turn_has_its_own_process(scripted):
    await restarted(scripted, turn_budget=2.0, day_budget=5.0)
    scripted.launcher.on_disk.add("s-1")
    for total in (1.5, 3.5, 4.75):
        end = await scripted.turn(answered(cost=total))
    assert end.usage.cost_usd == pytest.approx(1.25)
    assert scripted.launcher.launched == [(None, 2.0), ("s-1", 2.0), ("s-1", 1.5)]
    spent = await scripted.turn(refused("budget_exhausted"))
    assert isinstance(spent.outcome, Failed), "of the turn, not of the day"


async def test_no_query_is_sent_once_the_days_budget_is_spent(scripted):
    await restarted(scripted, day_budget=1.0)
    scripted.launcher.on_disk.add("s-1")
    await scripted.turn(answered(cost=1.5))
    processes = len(scripted.launcher.launched)
    end = await scripted.turn()
    assert end.word is TurnOutcome.LIMITED
    assert len(scripted.launcher.launched) == processes
    assert end.hold_off is not None
    assert end.hold_off.until == 86400.0 * 20001
    await restarted(scripted, day_budget=1.0)
    assert (await scripted.turn()).word is TurnOutcome.LIMITED, "a new harness knows it"
    await asyncio.sleep(86400)
    assert (await scripted.turn(answered(cost=1.6))).outcome == Done()


async def test_overloads_are_counted_in_a_row(scripted):
    waits = []
    for _ in range(3):
        end = await scripted.turn(refused(status=529))
        assert end.hold_off is not None
        assert end.hold_off.until is not None
        waits.append(end.hold_off.until - 86400.0 * 20000)
    assert waits == sorted(waits)
    await scripted.turn(answered())
    again = await scripted.turn(refused(status=529))
    assert again.hold_off is not None
    assert again.hold_off.until is not None
    assert again.hold_off.until - 86400.0 * 20000 < waits[1]


async def test_a_missing_login_is_reported_with_the_command_that_logs_in(scripted):
    end = await scripted.turn(refused(status=401, error="authentication_failed"))
    assert end.hold_off is not None
    assert end.hold_off.until is None
    advice = end.hold_off.reason
    assert advice.startswith("words; log in where alice runs: HOME=")
    assert advice.endswith("/claude auth login")
    assert scripted.client.sent == [], "the hive sends the one message, from the report"
    assert scripted.launcher.alive == 0, "the next process reads the login again"


def test_without_the_package_the_driver_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(claude, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(how_to_install("claude"))):
        claude.create(DriverSetup((), 1.0, tmp_path))


def test_the_sdk_is_loaded_by_the_launch_and_not_with_the_driver() -> None:
    code = "import sys, hive.harness.claude.driver; print('claude_agent_sdk' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n", "it takes a second to load, and the driver loads it late"


def test_the_driver_is_found_by_its_name() -> None:
    assert load_driver("claude") is claude.create
