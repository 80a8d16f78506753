"""Accumulated events of a turn: its usage, its verdict, the fill of the context. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field, frozen

from hive.harness.claude.outcome import Broken, Verdict, verdict
from hive.harness.claude.turn_events import (
    Compacted,
    Compacting,
    Event,
    ModelCalled,
    Retrying,
    TextWritten,
    ToolCalled,
    ToolDenied,
    ToolReturned,
    TurnResult,
    TurnStarted,
    UsageLimit,
)
from hive.harness.driver import Usage
from hive.quantities import counted
from hive.wire.enums import LiveKind
from hive.wire.harness import SHORT_TEXT_MAX, TOOL_NAMES_MAX, TOOLS_MAX

LIVE_TEXT_MAX = 500
"""Characters of a tool's arguments or result in the live feed."""

TurnEvent = tuple[LiveKind, str]


@frozen
class ContextFill:
    """The fill of the model's context.

    Attributes:
        tokens: Tokens that the model read in its last request.
        window: Tokens that it can read; None while unknown.
    """

    tokens: int = 0
    window: int | None = None

    def is_due(self, watermark: float) -> bool:
        """Whether to compact: the fill has reached the watermark (0 to 1); 0 is never."""
        return bool(self.window) and 0 < watermark <= self._fraction

    @property
    def known(self) -> float | None:
        """The fill from 0 to 1; None while the tokens or the window are unknown."""
        return min(1.0, self._fraction) if self.window and self.tokens else None

    @property
    def percent(self) -> int:
        """The fill in per cent of the window."""
        return round(100 * self._fraction)

    def __str__(self) -> str:
        return f"{self.percent} % of {counted(self.window or 0, 'token')}"

    @property
    def _fraction(self) -> float:
        return self.tokens / (self.window or 1)


def window_of(model: str | None, windows: Mapping[str, int]) -> int | None:
    """Return the context size of the model in use, as Claude Code reports it.

    A turn may have used smaller models for small tasks.
    """
    if model is not None and model in windows:
        return windows[model]
    return max(windows.values(), default=None)


@define
class TurnLog:
    """Events of one turn, which may consist of several queries.

    Attributes:
        started: The start of the last query.
        context: Tokens that the model read in its last request.
        windows: Size of the context in tokens, by model.
        compacted: Result of the last compaction.
        total_cost: US dollars of the whole session.
    """

    started: TurnStarted | None = None
    context: int = 0
    windows: dict[str, int] = field(factory=dict)
    compacted: Compacted | None = None
    total_cost: float | None = None
    _tools: Counter[str] = field(factory=Counter)
    _used: Counter[str] = field(factory=Counter)
    _error: str | None = None
    _limit: UsageLimit | None = None
    _result: TurnResult | None = None

    def record(self, event: Event) -> TurnEvent | None:  # noqa: PLR0911 - a table
        """Add an event; return its entry in the live feed, if it has one."""
        match event:
            case TurnStarted():
                self.started, self._error, self._result = event, None, None
            case ModelCalled(context, error):
                self.context = context or self.context
                self._error = error
            case TextWritten(text):
                return LiveKind.TEXT, text
            case ToolCalled(name, arguments):
                self._tools[name[:SHORT_TEXT_MAX]] += 1
                return LiveKind.TOOL, f"{name} {arguments[:LIVE_TEXT_MAX]}"
            case ToolReturned(text, failed):
                prefix = "failed: " if failed else ""
                return LiveKind.TOOL_RESULT, f"{prefix}{text[:LIVE_TEXT_MAX]}"
            case ToolDenied(name):
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
            case TurnResult():
                self._add_result(event)
        return None

    def verdict(self) -> Verdict:
        """Return the verdict on the last result."""
        if self._result is None:
            return Broken("Claude Code has ended without a result")
        return verdict(self._result, self._error, self._limit)

    def fill(self, before: ContextFill) -> ContextFill:
        """Return the present fill; values that were not reported are those of `before`."""
        window = window_of(self.started.model if self.started else None, self.windows)
        return ContextFill(self.context or before.tokens, window or before.window)

    def usage(self, cost: float | None) -> Usage:
        """Return the usage of the turn, with its cost in US dollars."""
        return Usage(
            model=self.started.model if self.started else None,
            input_tokens=self._used["input"],
            output_tokens=self._used["output"],
            cache_read_tokens=self._used["cache read"],
            cache_write_tokens=self._used["cache write"],
            cost_usd=cost,
            tools=recorded_tools(self._tools),
        )

    def _add_result(self, result: TurnResult) -> None:
        self._result = result
        self.windows.update(result.windows)
        self._used["input"] += result.input_tokens
        self._used["output"] += result.output_tokens
        self._used["cache read"] += result.cache_read_tokens
        self._used["cache write"] += result.cache_write_tokens
        if result.total_cost is not None:
            self.total_cost = result.total_cost


def recorded_tools(calls: Counter[str]) -> dict[str, int]:
    """Return as many tools, with the numbers of their calls, as a record of a turn has room for.

    Those that were called most come first.
    """
    recorded: dict[str, int] = {}
    room = TOOL_NAMES_MAX
    for name, count in calls.most_common(TOOLS_MAX):
        room -= len(name)
        if room < 0:
            break
        recorded[name] = count
    return recorded
