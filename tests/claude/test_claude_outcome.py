"""What the end of a turn means, and what happens next: tables, tested row by row."""

from random import Random

import pytest

from hive.harness.claude.compaction import Fill
from hive.harness.claude.outcome import (
    UNKNOWN_RESET,
    Broken,
    BudgetSpent,
    Finished,
    Interrupted,
    LoggedOut,
    Overflowed,
    Unavailable,
    UsedUp,
    verdict,
)
from hive.harness.claude.turn_events import (
    Compacted,
    Compacting,
    Ended,
    Retrying,
    Said,
    Started,
    Thought,
    ToolAnswered,
    ToolCalled,
    ToolRefused,
    UsageLimit,
)
from hive.harness.claude.turn_log import BACK_OFF, Standing, TurnLog, turn_end
from hive.harness.drivers import Deferred, Done, Failed, Rejected
from hive.harness.gate import HoldOff
from hive.harness.turn_drivers import Usage
from hive.wire.enums import ActivityState, LiveKind, TurnOutcome

FIVE_HOURS = UsageLimit(rejected=True, resets_at=5000.0, window="five_hour")
NOT_NOW = Unavailable("the service cannot answer now: words")
WARNING = UsageLimit(rejected=False, resets_at=5000.0, window="five_hour")


def failed(reason: str | None = "api_error", status: int | None = None, text: str = "words"):
    return Ended(failed=True, reason=reason, status=status, text=text)


@pytest.mark.parametrize(
    ("ended", "error", "limit", "means"),
    [
        (Ended(failed=False, reason="completed"), None, None, Finished()),
        (Ended(failed=False, reason="completed"), None, FIVE_HOURS, Finished()),
        (Ended(failed=False, text="429 rate_limit"), None, None, Finished()),
        (failed("aborted_tools"), None, None, Interrupted()),
        (failed("aborted_streaming"), "rate_limit", None, Interrupted()),
        (failed("budget_exhausted"), None, None, BudgetSpent()),
        (failed("prompt_too_long", 400), "invalid_request", None, Overflowed()),
        (failed(status=429), "rate_limit", FIVE_HOURS, UsedUp(5000.0, "words")),
        (failed(status=429), "rate_limit", WARNING, UsedUp(None, "words")),
        (failed(status=429), None, None, UsedUp(None, "words")),
        (failed(status=400), "billing_error", None, UsedUp(None, "words")),
        (failed(status=401), "authentication_failed", None, LoggedOut("words")),
        (failed(), "authentication_failed", None, LoggedOut("words")),
        (failed(status=529), "overloaded", None, NOT_NOW),
        (failed(status=500), "server_error", None, NOT_NOW),
        (failed(), "unknown", None, Unavailable("the service cannot be reached: words")),
        (failed(status=400), "unknown", None, Broken("words")),
        (failed(text=""), "max_output_tokens", None, Broken("max_output_tokens")),
        (failed("image_error", 413), "invalid_request", None, Broken("words")),
    ],
)
def test_an_end_means_one_thing(ended, error, limit, means) -> None:
    assert verdict(ended, error, limit) == means


USAGE = Usage(model="m")


def end_of(found, **standing):
    return turn_end(found, USAGE, Standing(now=1000.0, **standing), Random(1))


@pytest.mark.parametrize(
    ("found", "outcome", "word"),
    [
        (Finished(), Done, TurnOutcome.DONE),
        (Interrupted(), Rejected, TurnOutcome.CANCELLED),
        (Overflowed(), Failed, TurnOutcome.FAILED),
        (Broken("x"), Failed, TurnOutcome.FAILED),
        (BudgetSpent(), Failed, TurnOutcome.FAILED),
        (UsedUp(5000.0, "x"), Deferred, TurnOutcome.LIMITED),
        (Unavailable("x"), Deferred, TurnOutcome.DEFERRED),
        (LoggedOut("x"), Deferred, TurnOutcome.DEFERRED),
    ],
)
def test_only_what_is_the_mails_own_fault_burns_an_attempt(found, outcome, word) -> None:
    end = end_of(found)
    assert (type(end.outcome), end.word, end.usage) == (outcome, word, USAGE)
    assert (end.hold_off is not None) == (outcome is Deferred)


def test_a_used_up_account_concerns_all_who_share_it() -> None:
    end = end_of(UsedUp(5000.0, "5-hour limit"))
    assert end.hold_off == HoldOff(ActivityState.LIMITED, "5-hour limit", 5000.0)
    assert end.shared
    unknown = end_of(UsedUp(None, "?"))
    assert unknown.hold_off is not None
    assert unknown.hold_off.until == 1000.0 + UNKNOWN_RESET


def test_a_spent_day_is_the_agents_own_limit() -> None:
    end = end_of(BudgetSpent(), day_ends=86400.0)
    assert end.word is TurnOutcome.LIMITED
    assert end.hold_off is not None
    assert end.hold_off.until == 86400.0
    assert not end.shared


def test_a_model_that_cannot_be_asked_is_asked_less_and_less_often() -> None:
    waits = [
        end.hold_off.until - 1000.0
        for number in range(9)
        if (end := end_of(Unavailable("x"), failures=number)).hold_off
    ]
    plain = BACK_OFF.schedule(9)
    assert all(abs(wait - mean) <= 0.2 * mean for wait, mean in zip(waits, plain, strict=True))
    assert waits != list(plain), "there is jitter"
    assert end_of(Unavailable("x")).hold_off.state is ActivityState.WAITING


def test_a_missing_login_has_no_end_in_sight() -> None:
    assert end_of(LoggedOut("log in")).hold_off == HoldOff(ActivityState.NEEDS_LOGIN, "log in")


def test_a_turn_is_summed_up_over_all_its_questions() -> None:
    log = TurnLog()
    ended = Ended(
        failed=True,
        reason="prompt_too_long",
        total_cost=1.0,
        input_tokens=10,
        output_tokens=1,
        windows={"big": 1000, "small": 200},
    )
    for event in (
        Started("s", "big", ()),
        ToolCalled("Read", "{}"),
        Thought(900),
        ended,
        Compacting(),
        Compacted(),
        Started("s", "big", ()),
        ToolCalled("Read", "{}"),
        ToolCalled("Bash", "{}"),
        Thought(100),
        Ended(failed=False, total_cost=1.5, input_tokens=5, output_tokens=2),
    ):
        log.hear(event)
    assert log.verdict() == Finished()
    assert log.usage(0.5) == Usage(
        "big", input_tokens=15, output_tokens=3, cost_usd=0.5, tools={"Read": 2, "Bash": 1}
    )
    assert log.total_cost == 1.5
    assert log.fill(Fill()) == Fill(100, 1000)
    assert log.compacted == Compacted()


def test_an_error_of_an_earlier_question_does_not_spoil_the_next() -> None:
    log = TurnLog()
    for event in (Started("s", "m", ()), Thought(0, "rate_limit"), failed(status=429)):
        log.hear(event)
    assert isinstance(log.verdict(), UsedUp)
    for event in (Started("s", "m", ()), Thought(50), Ended(failed=False)):
        log.hear(event)
    assert log.verdict() == Finished()


def test_a_turn_without_an_end_is_broken() -> None:
    assert isinstance(TurnLog().verdict(), Broken)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Said("hello"), (LiveKind.TEXT, "hello")),
        (ToolCalled("Read", '{"a": 1}'), (LiveKind.TOOL, 'Read {"a": 1}')),
        (ToolAnswered("x" * 900, failed=False), (LiveKind.TOOL_RESULT, "x" * 500)),
        (ToolAnswered("no", failed=True), (LiveKind.TOOL_RESULT, "failed: no")),
        (ToolRefused("Write"), (LiveKind.NOTE, "Write is not allowed")),
        (
            Retrying(529, "overloaded", 2, 1.5),
            (LiveKind.NOTE, "overloaded (529); attempt 2, again in 1.5 s"),
        ),
        (Compacted("no"), (LiveKind.NOTE, "compacting failed: no")),
        (Thought(1), None),
    ],
)
def test_what_is_shown_to_whoever_watches(event, shown) -> None:
    assert TurnLog().hear(event) == shown


@pytest.mark.parametrize(
    ("fill", "watermark", "due"),
    [
        (Fill(750, 1000), 0.75, True),
        (Fill(749, 1000), 0.75, False),
        (Fill(999, 1000), 0.0, False),
        (Fill(999, None), 0.5, False),
        (Fill(), 0.5, False),
    ],
)
def test_compaction_is_due_at_the_watermark_of_the_reported_window(fill, watermark, due) -> None:
    assert fill.is_due(watermark) is due


def test_the_window_is_that_of_the_model_in_use() -> None:
    log = TurnLog()
    log.hear(Started("s", "unlisted", ()))
    log.hear(Thought(10))
    log.hear(Ended(failed=False, windows={"haiku": 200, "opus": 1000}))
    assert log.fill(Fill(5, 100)) == Fill(10, 1000)
    assert TurnLog().fill(Fill(5, 100)) == Fill(5, 100), "what is not told is as before"
    assert "50 % of 1000 tokens" in Fill(500, 1000).notes_prompt()
