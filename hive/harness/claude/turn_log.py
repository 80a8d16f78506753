"""The rules of a turn: what is heard becomes a record, its end becomes what happens next. Pure."""

from __future__ import annotations

from collections import Counter
from random import Random

from attrs import define, field, frozen

from actors import Backoff
from hive.harness.claude.compaction import Fill, window_of
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
    Verdict,
    verdict,
)
from hive.harness.claude.turn_events import (
    Compacted,
    Compacting,
    Ended,
    Event,
    Retrying,
    Said,
    Started,
    Thought,
    ToolAnswered,
    ToolCalled,
    ToolRefused,
    UsageLimit,
)
from hive.harness.drivers import Deferred, Done, Failed, Outcome, Rejected
from hive.harness.gate import HoldOff
from hive.harness.turn_drivers import TurnEnd, Usage
from hive.wire.enums import ActivityState, LiveKind, TurnOutcome

BACK_OFF = Backoff(base=5.0, factor=2.0, cap=600.0, jitter=0.2)
"""Delays until a model that could not be asked is asked again."""

SHOWN_MAX = 500
"""Characters of a tool's arguments or answer that are shown."""

Shown = tuple[LiveKind, str]


@define
class TurnLog:
    """What was heard in one turn, which may ask the model more than once.

    Attributes:
        started: The beginning.
        context: Tokens that the model read when it was asked last.
        windows: Size of the context in tokens, by model.
        compacted: How the last compaction ended.
        total_cost: US dollars of the whole session.
    """

    started: Started | None = None
    context: int = 0
    windows: dict[str, int] = field(factory=dict)
    compacted: Compacted | None = None
    total_cost: float | None = None
    _tools: Counter[str] = field(factory=Counter)
    _used: Counter[str] = field(factory=Counter)
    _error: str | None = None
    _limit: UsageLimit | None = None
    _ended: Ended | None = None

    def hear(self, event: Event) -> Shown | None:  # noqa: PLR0911 - a table
        """Take note of an event; return what is shown to whoever watches."""
        match event:
            case Started():
                self.started, self._error, self._ended = event, None, None
            case Thought(context, error):
                self.context = context or self.context
                self._error = error
            case Said(text):
                return LiveKind.TEXT, text
            case ToolCalled(name, arguments):
                self._tools[name] += 1
                return LiveKind.TOOL, f"{name} {arguments[:SHOWN_MAX]}"
            case ToolAnswered(text, failed):
                return LiveKind.TOOL_RESULT, f"{'failed: ' if failed else ''}{text[:SHOWN_MAX]}"
            case ToolRefused(name):
                return LiveKind.NOTE, f"{name} is not allowed"
            case Retrying(status, error, attempt, delay):
                cause = error if status is None else f"{error} ({status})"
                return LiveKind.NOTE, f"{cause}; attempt {attempt}, again in {delay:.1f} s"
            case UsageLimit():
                self._limit = event
            case Compacting():
                return LiveKind.NOTE, "compacting the conversation"
            case Compacted(error):
                self.compacted = event
                return LiveKind.NOTE, f"compacting failed: {error}" if error else "compacted"
            case Ended():
                self._end(event)
        return None

    def verdict(self) -> Verdict:
        """Return what the end that was heard last means."""
        if self._ended is None:
            return Broken("Claude Code has ended without a result")
        return verdict(self._ended, self._error, self._limit)

    def fill(self, before: Fill) -> Fill:
        """Return how full the conversation is now, and before if that was not told."""
        window = window_of(self.started.model if self.started else None, self.windows)
        return Fill(self.context or before.context, window or before.window)

    def usage(self, cost: float | None) -> Usage:
        """Return what the turn used."""
        return Usage(
            model=self.started.model if self.started else None,
            input_tokens=self._used["input"],
            output_tokens=self._used["output"],
            cache_read_tokens=self._used["cache read"],
            cache_write_tokens=self._used["cache write"],
            cost_usd=cost,
            tools=dict(self._tools),
        )

    def _end(self, ended: Ended) -> None:
        self._ended = ended
        self.windows.update(ended.windows)
        self._used["input"] += ended.input_tokens
        self._used["output"] += ended.output_tokens
        self._used["cache read"] += ended.cache_read_tokens
        self._used["cache write"] += ended.cache_write_tokens
        if ended.total_cost is not None:
            self.total_cost = ended.total_cost


@frozen
class Standing:
    """What the end of a turn is judged by, beside the turn.

    Attributes:
        now: Unix time.
        failures: Turns in a row before this one for which the model could not be asked.
        day_ends: Unix time at which the day's budget begins anew, if it is spent.
    """

    now: float
    failures: int = 0
    day_ends: float | None = None


def turn_end(found: Verdict, usage: Usage, standing: Standing, random: Random) -> TurnEnd:
    """Return what becomes of a turn's mail, and why no further turn begins for now."""
    match found:
        case Finished():
            return TurnEnd(Done(), TurnOutcome.DONE, usage)
        case Interrupted():
            reason = "cancelled by the operator"
            return TurnEnd(Rejected(reason), TurnOutcome.CANCELLED, usage, note=reason)
        case Overflowed():
            reason = "the conversation does not fit into the model's context, even compacted"
            return TurnEnd(Failed(reason), TurnOutcome.FAILED, usage)
        case Broken(reason):
            return TurnEnd(Failed(reason), TurnOutcome.FAILED, usage)
        case BudgetSpent() if standing.day_ends is None:
            reason = "the turn has cost what a turn may cost (turn_budget)"
            return TurnEnd(Failed(reason), TurnOutcome.FAILED, usage)
        case BudgetSpent() | UsedUp() | Unavailable() | LoggedOut():
            return _held_off(found, usage, standing, random)


def _held_off(
    found: BudgetSpent | UsedUp | Unavailable | LoggedOut,
    usage: Usage,
    standing: Standing,
    random: Random,
) -> TurnEnd:
    """Return the end of a turn that is no fault of its mail: it goes back, no attempt burned."""
    match found:
        case UsedUp(until, words):
            until = standing.now + UNKNOWN_RESET if until is None else until
            reason = HoldOff(ActivityState.LIMITED, words, until)
        case BudgetSpent():
            words = "the day has cost what a day may cost (day_budget)"
            reason = HoldOff(ActivityState.LIMITED, words, standing.day_ends)
        case Unavailable(words):
            delay = BACK_OFF.delay(standing.failures, random)
            reason = HoldOff(ActivityState.WAITING, words, standing.now + delay)
        case LoggedOut(words):
            reason = HoldOff(ActivityState.NEEDS_LOGIN, words)
    limited = reason.state is ActivityState.LIMITED
    word = TurnOutcome.LIMITED if limited else TurnOutcome.DEFERRED
    outcome: Outcome = Deferred(reason.reason)
    return TurnEnd(outcome, word, usage, reason, shared=isinstance(found, UsedUp))
