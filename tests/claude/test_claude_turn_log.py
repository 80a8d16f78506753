"""The events of a turn, accumulated: usage, verdict, live feed, fill of the context."""

from __future__ import annotations

import pytest

from hive.harness.claude.outcome import Broken, Finished, UsedUp
from hive.harness.claude.turn_events import (
    Compacted,
    Compacting,
    ModelCalled,
    Retrying,
    TextWritten,
    ToolCalled,
    ToolDenied,
    ToolReturned,
    TurnResult,
    TurnStarted,
)
from hive.harness.claude.turn_log import ContextFill, TurnLog
from hive.harness.driver import Usage
from hive.wire.enums import LiveKind


def test_a_log_sums_up_all_queries_of_a_turn() -> None:
    log = TurnLog()
    overflow = TurnResult(
        failed=True,
        reason="prompt_too_long",
        total_cost=1.0,
        input_tokens=10,
        output_tokens=1,
        windows={"big": 1000, "small": 200},
    )
    for event in (
        TurnStarted("s", "big", ()),
        ToolCalled("Read", "{}"),
        ModelCalled(900),
        overflow,
        Compacting(),
        Compacted(),
        TurnStarted("s", "big", ()),
        ToolCalled("Read", "{}"),
        ToolCalled("Bash", "{}"),
        ModelCalled(100),
        TurnResult(failed=False, total_cost=1.5, input_tokens=5, output_tokens=2),
    ):
        log.record(event)
    assert log.verdict() == Finished()
    assert log.usage(0.5) == Usage(
        "big", input_tokens=15, output_tokens=3, cost_usd=0.5, tools={"Read": 2, "Bash": 1}
    )
    assert log.total_cost == 1.5
    assert log.fill(ContextFill()) == ContextFill(100, 1000)
    assert log.compacted == Compacted()


def test_an_error_of_an_earlier_query_does_not_affect_the_next() -> None:
    log = TurnLog()
    for event in (
        TurnStarted("s", "m", ()),
        ModelCalled(0, "rate_limit"),
        TurnResult(failed=True, status=429),
    ):
        log.record(event)
    assert isinstance(log.verdict(), UsedUp)
    for event in (TurnStarted("s", "m", ()), ModelCalled(50), TurnResult(failed=False)):
        log.record(event)
    assert log.verdict() == Finished()


def test_a_turn_without_an_end_is_broken() -> None:
    assert isinstance(TurnLog().verdict(), Broken)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (TextWritten("hello"), (LiveKind.TEXT, "hello")),
        (ToolCalled("Read", '{"a": 1}'), (LiveKind.TOOL, 'Read {"a": 1}')),
        (ToolReturned("x" * 900, failed=False), (LiveKind.TOOL_RESULT, "x" * 500)),
        (ToolReturned("no", failed=True), (LiveKind.TOOL_RESULT, "failed: no")),
        (ToolDenied("Write"), (LiveKind.NOTE, "Write is not allowed")),
        (
            Retrying(529, "overloaded", 2, 1.5),
            (LiveKind.NOTE, "overloaded (529); attempt 2, again in 1.5 s"),
        ),
        (Compacted("no"), (LiveKind.NOTE, "compacting failed: no")),
        (ModelCalled(1), None),
    ],
)
def test_the_live_feed_shows_an_event(event, shown) -> None:
    assert TurnLog().record(event) == shown


@pytest.mark.parametrize(
    ("fill", "watermark", "due"),
    [
        (ContextFill(750, 1000), 0.75, True),
        (ContextFill(749, 1000), 0.75, False),
        (ContextFill(999, 1000), 0.0, False),
        (ContextFill(999, None), 0.5, False),
        (ContextFill(), 0.5, False),
    ],
)
def test_compaction_is_due_at_the_watermark_of_the_reported_window(fill, watermark, due) -> None:
    assert fill.is_due(watermark) is due


def test_the_window_is_that_of_the_model_in_use() -> None:
    log = TurnLog()
    log.record(TurnStarted("s", "unlisted", ()))
    log.record(ModelCalled(10))
    log.record(TurnResult(failed=False, windows={"haiku": 200, "opus": 1000}))
    assert log.fill(ContextFill(5, 100)) == ContextFill(10, 1000)
    assert TurnLog().fill(ContextFill(5, 100)) == ContextFill(5, 100), (
        "values that are not reported stay"
    )
    assert str(ContextFill(500, 1000)) == "50 % of 1000 tokens"
