"""The verdict on a result, and the end of the turn: tables, tested row by row."""

from __future__ import annotations

from random import Random

import pytest

from hive.harness.claude.outcome import (
    BACK_OFF,
    DEFAULT_RESET,
    Broken,
    BudgetSpent,
    Finished,
    HoldOffState,
    Interrupted,
    LoggedOut,
    Overflowed,
    Unavailable,
    UsedUp,
    turn_end,
    verdict,
)
from hive.harness.claude.turn_events import TurnResult, UsageLimit
from hive.harness.driver import Cancelled, Deferred, Done, Failed, HoldOff, Usage
from hive.wire.enums import ActivityState, TurnOutcome

FIVE_HOURS = UsageLimit(rejected=True, resets_at=5000.0, window="five_hour")
NOT_NOW = Unavailable("the service cannot answer now: words")
WARNING = UsageLimit(rejected=False, resets_at=5000.0, window="five_hour")


def failed(reason: str | None = "api_error", status: int | None = None, text: str = "words"):
    return TurnResult(failed=True, reason=reason, status=status, text=text)


@pytest.mark.parametrize(
    ("result", "error", "limit", "expected"),
    [
        (TurnResult(failed=False, reason="completed"), None, None, Finished()),
        (TurnResult(failed=False, reason="completed"), None, FIVE_HOURS, Finished()),
        (TurnResult(failed=False, text="429 rate_limit"), None, None, Finished()),
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
def test_a_result_has_one_verdict(result, error, limit, expected) -> None:
    assert verdict(result, error, limit) == expected


USAGE = Usage(model="m")


def end_of(found, **state):
    return turn_end(found, USAGE, HoldOffState(now=1000.0, **state), Random(1))


@pytest.mark.parametrize(
    ("found", "outcome", "word"),
    [
        (Finished(), Done, TurnOutcome.DONE),
        (Interrupted(), Cancelled, TurnOutcome.CANCELLED),
        (Overflowed(), Failed, TurnOutcome.FAILED),
        (Broken("x"), Failed, TurnOutcome.FAILED),
        (BudgetSpent(), Failed, TurnOutcome.FAILED),
        (UsedUp(5000.0, "x"), Deferred, TurnOutcome.LIMITED),
        (Unavailable("x"), Deferred, TurnOutcome.DEFERRED),
        (LoggedOut("x"), Deferred, TurnOutcome.DEFERRED),
    ],
)
def test_a_failure_unrelated_to_the_mail_counts_no_attempt(found, outcome, word) -> None:
    end = end_of(found)
    assert (type(end.outcome), end.word, end.usage) == (outcome, word, USAGE)
    assert (end.hold_off is not None) == (outcome is Deferred)


def test_a_usage_limit_is_shared_by_all_agents_of_the_account() -> None:
    end = end_of(UsedUp(5000.0, "5-hour limit"))
    assert end.hold_off == HoldOff(ActivityState.LIMITED, "5-hour limit", 5000.0)
    assert end.shared
    unknown = end_of(UsedUp(None, "?"))
    assert unknown.hold_off is not None
    assert unknown.hold_off.until == 1000.0 + DEFAULT_RESET


def test_a_spent_day_is_the_agents_own_limit() -> None:
    end = end_of(BudgetSpent(), budget_resets_at=86400.0)
    assert end.word is TurnOutcome.LIMITED
    assert end.hold_off is not None
    assert end.hold_off.until == 86400.0
    assert not end.shared


def test_an_unavailable_model_is_retried_with_back_off() -> None:
    waits = [
        end.hold_off.until - 1000.0
        for number in range(9)
        if (end := end_of(Unavailable("x"), failures=number)).hold_off
    ]
    plain = BACK_OFF.schedule(9)
    assert all(abs(wait - mean) <= 0.2 * mean for wait, mean in zip(waits, plain, strict=True))
    assert waits != list(plain), "there is jitter"
    assert end_of(Unavailable("x")).hold_off.state is ActivityState.WAITING


def test_a_missing_login_holds_off_without_an_end() -> None:
    assert end_of(LoggedOut("log in")).hold_off == HoldOff(ActivityState.NEEDS_LOGIN, "log in")
