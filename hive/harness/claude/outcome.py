"""What the end of a turn means: done, or which kind of trouble. From typed events only."""

from __future__ import annotations

from attrs import frozen

from hive.harness.claude.turn_events import Ended, UsageLimit

UNKNOWN_RESET = 300.0
"""Seconds until a used-up account is tried again when nobody says when it resets."""

OVERLOADED = frozenset({500, 502, 503, 504, 529})
"""HTTP statuses of a service that cannot answer just now."""

LOGIN = "authentication_failed"
ACCOUNT = frozenset({"rate_limit", "billing_error"})
SERVICE = frozenset({"overloaded", "server_error"})
TOO_MANY_REQUESTS = 429


@frozen
class Finished:
    """The model has ended its turn."""


@frozen
class Overflowed:
    """The conversation does not fit into the model's context."""


@frozen
class UsedUp:
    """The account may not be used before a time; None if nobody knows when."""

    until: float | None
    reason: str


@frozen
class Unavailable:
    """The model cannot be asked now, through no fault of the mail's."""

    reason: str


@frozen
class LoggedOut:
    """There is no login, or it is no longer valid."""

    reason: str


@frozen
class BudgetSpent:
    """The turn has cost what it may cost."""


@frozen
class Interrupted:
    """The turn was interrupted."""


@frozen
class Broken:
    """Anything else that is wrong."""

    reason: str


Verdict = (
    Finished | Overflowed | UsedUp | Unavailable | LoggedOut | BudgetSpent | Interrupted | Broken
)
"""The closed set of what the end of a turn can mean."""


def verdict(  # noqa: PLR0911 - a table
    ended: Ended, error: str | None = None, limit: UsageLimit | None = None
) -> Verdict:
    """Return what an end means.

    Args:
        ended: The end.
        error: Claude Code's word for what went wrong when the model was asked last.
        limit: The last that was heard of the account's usage.
    """
    match ended.reason:
        case "aborted_streaming" | "aborted_tools":
            return Interrupted()
        case "budget_exhausted":
            return BudgetSpent()
        case "prompt_too_long":
            return Overflowed()
        case _ if not ended.failed:
            return Finished()
    words = ended.text or error or "unknown"
    if ended.status == TOO_MANY_REQUESTS or error in ACCOUNT:
        return _used_up(limit, words)
    if error == LOGIN:
        return LoggedOut(words)
    if ended.status in OVERLOADED or error in SERVICE:
        return Unavailable(f"the service cannot answer now: {words}")
    if ended.status is None and error == "unknown":
        return Unavailable(f"the service cannot be reached: {words}")
    return Broken(words)


def _used_up(limit: UsageLimit | None, words: str) -> UsedUp:
    if limit is None or not limit.rejected:
        return UsedUp(None, words)
    return UsedUp(limit.resets_at, words)
