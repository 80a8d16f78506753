"""What Claude Code says in a turn, as a closed set of typed events."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Started:
    """A turn has begun.

    Attributes:
        tools: Everything that the model is offered.
    """

    session: str
    model: str
    tools: tuple[str, ...]


@frozen
class Said:
    """The model wrote something."""

    text: str


@frozen
class Thought:
    """The model was asked once.

    Attributes:
        context: Tokens that it read: how full the context is.
        error: Claude Code's word for what went wrong, if it did.
    """

    context: int
    error: str | None = None


@frozen
class ToolCalled:
    """The model calls a tool."""

    name: str
    arguments: str


@frozen
class ToolAnswered:
    """A tool has answered."""

    text: str
    failed: bool


@frozen
class ToolRefused:
    """Claude Code refused a call, by the allow-list."""

    name: str


@frozen
class Retrying:
    """Claude Code asks the model again because the service failed."""

    status: int | None
    error: str
    attempt: int
    delay: float


@frozen
class UsageLimit:
    """The account's usage changed its state.

    Attributes:
        rejected: Whether nothing more is answered.
        resets_at: Unix time at which the window ends.
        window: Which limit, in Claude Code's words.
    """

    rejected: bool
    resets_at: float | None
    window: str | None


@frozen
class Compacting:
    """The conversation is being compacted."""


@frozen
class Compacted:
    """Compacting has ended.

    Attributes:
        error: Why it failed; None if it did not.
    """

    error: str | None = None


@frozen
class Ended:
    """The turn has ended.

    Attributes:
        failed: Whether by an error.
        reason: Claude Code's word for why it ended, if it has one.
        status: HTTP status of the request that failed, if one did.
        text: The last text, or the error in words; only for people.
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
    Started
    | Said
    | Thought
    | ToolCalled
    | ToolAnswered
    | ToolRefused
    | Retrying
    | UsageLimit
    | Compacting
    | Compacted
    | Ended
)
"""Everything that a turn tells."""
