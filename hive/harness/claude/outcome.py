"""Rules for the end of a turn: result -> verdict -> `TurnEnd`. Pure; from typed events only."""

from __future__ import annotations

from random import Random

from attrs import frozen

from actors import Backoff
from hive.harness.claude.turn_events import TurnResult, UsageLimit
from hive.harness.driver import Cancelled, Deferred, Done, Failed, HoldOff, TurnEnd, Usage
from hive.wire.enums import ActivityState

DEFAULT_RESET = 300.0
"""Seconds that a limited account waits when its reset time is unknown."""

BACK_OFF = Backoff(base=5.0, factor=2.0, cap=600.0, jitter=0.2)
"""Delays between turns while the model is unavailable."""

OVERLOAD_STATUSES = frozenset({500, 502, 503, 504, 529})
"""HTTP statuses of a service that is temporarily unable to answer."""

TOO_MANY_REQUESTS = 429

LOGIN_ERROR = "authentication_failed"
ACCOUNT_ERRORS = frozenset({"rate_limit", "billing_error"})
SERVICE_ERRORS = frozenset({"overloaded", "server_error"})


@frozen
class Finished:
    """The model has ended its turn."""


@frozen
class Overflowed:
    """The conversation does not fit into the model's context."""


@frozen
class UsedUp:
    """The account's usage limit is reached.

    Attributes:
        until: Unix time at which it resets; None if unknown.
        reason: Description of the error.
    """

    until: float | None
    reason: str


@frozen
class Unavailable:
    """The model cannot be asked now, for a reason unrelated to the mail."""

    reason: str


@frozen
class LoggedOut:
    """There is no login, or it is not valid any more."""

    reason: str


@frozen
class BudgetSpent:
    """The turn's budget is spent."""


@frozen
class Interrupted:
    """The turn was interrupted."""


@frozen
class Broken:
    """Any other failure."""

    reason: str


Verdict = (
    Finished | Overflowed | UsedUp | Unavailable | LoggedOut | BudgetSpent | Interrupted | Broken
)
"""The closed set of ways in which a turn ends."""


def verdict(  # noqa: PLR0911 - a table
    result: TurnResult, error: str | None = None, limit: UsageLimit | None = None
) -> Verdict:
    """Classify the end of a turn.

    Args:
        result: The end.
        error: Claude Code's error code of the last request to the model.
        limit: The last known state of the account's usage limit.
    """
    match result.reason:
        case "aborted_streaming" | "aborted_tools":
            return Interrupted()
        case "budget_exhausted":
            return BudgetSpent()
        case "prompt_too_long":
            return Overflowed()
        case _ if not result.failed:
            return Finished()
    text = result.text or error or "unknown"
    if result.status == TOO_MANY_REQUESTS or error in ACCOUNT_ERRORS:
        return _used_up(limit, text)
    if error == LOGIN_ERROR:
        return LoggedOut(text)
    if result.status in OVERLOAD_STATUSES or error in SERVICE_ERRORS:
        return Unavailable(f"the service cannot answer now: {text}")
    if result.status is None and error == "unknown":
        return Unavailable(f"the service cannot be reached: {text}")
    return Broken(text)


def _used_up(limit: UsageLimit | None, text: str) -> UsedUp:
    if limit is None or not limit.rejected:
        return UsedUp(None, text)
    return UsedUp(limit.resets_at, text)


@frozen
class HoldOffState:
    """State of the agent that determines how long it holds off after a turn.

    Attributes:
        now: Unix time.
        failures: Consecutive turns before this one in which the model was unavailable.
        budget_resets_at: Unix time at which the day's budget is renewed; None if some is left.
    """

    now: float
    failures: int = 0
    budget_resets_at: float | None = None


def turn_end(found: Verdict, usage: Usage, state: HoldOffState, random: Random) -> TurnEnd:
    """Return the outcome for the turn's mail, and the hold-off before the next turn, if any."""
    match found:
        case Finished():
            return TurnEnd(Done(), usage)
        case Interrupted():
            return TurnEnd(Cancelled(), usage)
        case Overflowed():
            reason = "the conversation does not fit into the model's context, even compacted"
            return TurnEnd(Failed(reason), usage)
        case Broken(reason):
            return TurnEnd(Failed(reason), usage)
        case BudgetSpent() if state.budget_resets_at is None:
            reason = "the turn's budget is spent (turn_budget)"
            return TurnEnd(Failed(reason), usage)
        case BudgetSpent() | UsedUp() | Unavailable() | LoggedOut():
            return _deferred(found, usage, state, random)


def _deferred(
    found: BudgetSpent | UsedUp | Unavailable | LoggedOut,
    usage: Usage,
    state: HoldOffState,
    random: Random,
) -> TurnEnd:
    """Return the end of a turn whose mail is deferred, at no cost of an attempt."""
    match found:
        case UsedUp(until, text):
            until = state.now + DEFAULT_RESET if until is None else until
            hold_off = HoldOff(ActivityState.LIMITED, text, until)
        case BudgetSpent():
            text = "the day's budget is spent (day_budget)"
            hold_off = HoldOff(ActivityState.LIMITED, text, state.budget_resets_at)
        case Unavailable(text):
            delay = BACK_OFF.delay(state.failures, random)
            hold_off = HoldOff(ActivityState.WAITING, text, state.now + delay)
        case LoggedOut(text):
            hold_off = HoldOff(ActivityState.NEEDS_LOGIN, text)
    return TurnEnd(Deferred(hold_off.reason), usage, hold_off, shared=isinstance(found, UsedUp))
