"""Typed events of a turn of Claude Code, and the errors that end one early."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from hive.errors import HiveError


class ClaudeProcessError(HiveError):
    """Claude Code ended, or cannot be started; the next turn starts a new process."""


class UnexpectedToolsError(HiveError):
    """Claude Code offers the model tools that the manifest does not allow; the turn is ended."""

    def __init__(self, tools: tuple[str, ...]) -> None:
        super().__init__(
            f"Claude Code offers {', '.join(tools)}, which the manifest does not allow"
        )


@frozen
class TurnStarted:
    """A turn has begun.

    Attributes:
        session: Claude Code's id of the conversation.
        model: The model in use.
        tools: Names of all tools that the model is offered.
    """

    session: str
    model: str
    tools: tuple[str, ...]


@frozen
class TextWritten:
    """The model wrote text."""

    text: str


@frozen
class ModelCalled:
    """One request to the model.

    Attributes:
        context: Tokens that the model read: the present size of the conversation.
        error: Claude Code's error code; None if the request succeeded.
    """

    context: int
    error: str | None = None


@frozen
class ToolCalled:
    """The model calls a tool.

    Attributes:
        name: The tool.
        arguments: Its arguments, as JSON.
    """

    name: str
    arguments: str


@frozen
class ToolReturned:
    """A tool call returned, with a result or an error."""

    text: str
    failed: bool


@frozen
class ToolDenied:
    """Claude Code refused a tool call because no rule allows it."""

    name: str


@frozen
class Retrying:
    """Claude Code repeats a request to the model because the service failed.

    Attributes:
        status: HTTP status; None if there was no response.
        error: Claude Code's error code.
        attempt: Number of the next attempt.
        delay: Seconds until then.
    """

    status: int | None
    error: str
    attempt: int
    delay: float


@frozen
class UsageLimit:
    """The state of the account's usage limit changed.

    Attributes:
        rejected: Whether further requests are refused.
        resets_at: Unix time at which the window ends.
        window: Claude Code's name of the limit.
    """

    rejected: bool
    resets_at: float | None
    window: str | None


@frozen
class Compacting:
    """Compaction of the conversation has begun."""


@frozen
class Compacted:
    """Compaction of the conversation has ended.

    Attributes:
        error: Why it failed; None if it succeeded.
    """

    error: str | None = None


@frozen
class TurnResult:
    """The turn has ended.

    Attributes:
        failed: Whether it ended by an error.
        reason: Claude Code's code for why it ended, if there is one.
        status: HTTP status of the request that failed, if one did.
        text: The last text, or a description of the error; for display only.
        total_cost: US dollars of the whole session.
        windows: Size of the context in tokens, by model.
    """

    failed: bool
    reason: str | None = None
    status: int | None = None
    text: str = ""
    total_cost: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    windows: Mapping[str, int] = field(factory=dict)


Event = (
    TurnStarted
    | TextWritten
    | ModelCalled
    | ToolCalled
    | ToolReturned
    | ToolDenied
    | Retrying
    | UsageLimit
    | Compacting
    | Compacted
    | TurnResult
)
"""The closed set of events in a turn."""
