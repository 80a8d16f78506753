"""The SDK's messages as events. Needs the package."""

from __future__ import annotations

import pytest

pytest.importorskip("claude_agent_sdk", reason="the extra hyperhive[claude] is not installed")

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    RateLimitEvent,
    RateLimitInfo,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from hive.harness.claude.sdk_client import SdkClient, events_of
from hive.harness.claude.turn_events import (
    ClaudeProcessError,
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
    UsageLimit,
)


def system(subtype: str, **data) -> SystemMessage:
    return SystemMessage(subtype, {"subtype": subtype, **data})


def result(terminal_reason: str | None = None, **fields) -> ResultMessage:
    """Return a result; one without a reason has no such attribute in an older SDK."""
    base = {
        "subtype": "success",
        "duration_ms": 1,
        "duration_api_ms": 1,
        "is_error": False,
        "num_turns": 1,
        "session_id": "s",
    }
    message = ResultMessage(**{**base, **fields})
    if terminal_reason is not None:
        message.terminal_reason = terminal_reason
    return message


USED = {"input_tokens": 5, "cache_read_input_tokens": 70, "cache_creation_input_tokens": None}


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            system("init", session_id="s", model="m", tools=["Read"]),
            [TurnStarted("s", "m", ("Read",))],
        ),
        (
            system(
                "api_retry", error_status=529, error="overloaded", attempt=2, retry_delay_ms=500
            ),
            [Retrying(529, "overloaded", 2, 0.5)],
        ),
        (system("permission_denied", tool_name="Bash"), [ToolDenied("Bash")]),
        (system("status", status="compacting"), [Compacting()]),
        (system("status", status=None, compact_result="success"), [Compacted()]),
        (
            system("status", compact_result="failed", compact_error="too few"),
            [Compacted("too few")],
        ),
        (system("something_new", status="x"), []),
        (
            AssistantMessage(
                [
                    ThinkingBlock("hm", "sig"),
                    TextBlock("hello"),
                    ToolUseBlock("t", "Read", {"a": 1}),
                ],
                "m",
                usage=USED,
            ),
            [TextWritten("hello"), ToolCalled("Read", '{"a": 1}'), ModelCalled(75)],
        ),
        (
            AssistantMessage([TextBlock("API Error: 429")], "<synthetic>", error="rate_limit"),
            [ModelCalled(0, "rate_limit")],
        ),
        (AssistantMessage([TextBlock("x")], "m", parent_tool_use_id="t"), []),
        (
            UserMessage([ToolResultBlock("t", [{"type": "text", "text": "a"}, {"type": "image"}])]),
            [ToolReturned("a\n[image]", failed=False)],
        ),
        (
            UserMessage([ToolResultBlock("t", "no", is_error=True)]),
            [ToolReturned("no", failed=True)],
        ),
        (UserMessage("summary"), []),
        (
            RateLimitEvent(RateLimitInfo("rejected", 5000, "five_hour"), "u", "s"),
            [UsageLimit(rejected=True, resets_at=5000.0, window="five_hour")],
        ),
        (
            RateLimitEvent(RateLimitInfo("allowed_warning"), "u", "s"),
            [UsageLimit(rejected=False, resets_at=None, window=None)],
        ),
        (
            result(
                is_error=True,
                terminal_reason="api_error",
                api_error_status=429,
                errors=["a", "b"],
                total_cost_usd=0.5,
                usage={"input_tokens": 3, "output_tokens": 2},
                model_usage={"m": {"contextWindow": 200}},
            ),
            [
                TurnResult(
                    failed=True,
                    reason="api_error",
                    status=429,
                    text="a; b",
                    total_cost=0.5,
                    input_tokens=3,
                    output_tokens=2,
                    windows={"m": 200},
                )
            ],
        ),
        (StreamEvent("u", "s", {}), []),
    ],
)
def test_events_of_a_message(message, events) -> None:
    assert list(events_of(message)) == events


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_error": True, "subtype": "error_max_budget_usd"}, "budget_exhausted"),
        ({"is_error": True, "result": "Prompt is too long"}, "prompt_too_long"),
        ({"is_error": True, "subtype": "error_during_execution"}, None),
        ({"result": "Prompt is too long"}, None),
    ],
)
def test_what_an_older_sdk_does_not_pass_on_is_concluded(fields, reason):
    [event] = events_of(result(**fields))
    assert isinstance(event, TurnResult)
    assert event.reason == reason


class OddProgram:
    """A client of the SDK whose program answers nothing in time, or in another form."""

    async def connect(self) -> None:
        raise Exception("Control request timeout: initialize")  # noqa: TRY002 - as the SDK

    async def interrupt(self) -> None:
        raise Exception("Control request timeout: interrupt")  # noqa: TRY002 - as the SDK

    async def query(self, prompt) -> None:
        """Take a prompt."""

    async def receive_response(self):
        yield system("init", session_id="s", tools=["Read"])


async def test_what_the_sdk_raises_for_an_odd_program_is_an_error_of_the_process(monkeypatch):
    monkeypatch.setattr("hive.harness.claude.sdk_client.ClaudeSDKClient", lambda _: OddProgram())
    client = SdkClient(ClaudeAgentOptions())
    with pytest.raises(ClaudeProcessError, match=r"cannot be started: .*timeout: initialize"):
        await client.open()
    with pytest.raises(ClaudeProcessError, match=r"cannot be interrupted: .*timeout: interrupt"):
        await client.interrupt()
    with pytest.raises(ClaudeProcessError, match="KeyError: 'model'"):
        _ = [event async for event in client.query("hi")]
