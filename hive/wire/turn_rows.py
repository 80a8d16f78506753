"""The choice of a model, and the contents of responses about turns."""

from __future__ import annotations

from hive.wire.base import Name, Request
from hive.wire.claude import Effort
from hive.wire.harness import ShortText
from hive.wire.rows import Row


class ChooseModel(Request, tag="choose_model", kw_only=True, frozen=True):
    """Order the harness of an agent with the driver `claude` to use another model or effort.

    It holds from its next turn on, and once that has begun, after a restart, too; the conversation
    goes on.

    Attributes:
        name: The agent.
        model: The model; None for that of its configuration.
        effort: The effort; None for that of its configuration.
    """

    name: Name
    model: ShortText | None = None
    effort: Effort | None = None


class TurnRow(Row, frozen=True, kw_only=True):
    """A finished turn of an agent, as its harness recorded it.

    Attributes:
        id: Number of the turn.
        name: Name of the agent.
        started_at: Begin of the turn.
        ended_at: End of the turn.
        seconds: Its duration in seconds, without the time for which its agent was frozen.
        frozen_seconds: That time; None for none.
        wake: Cause of the turn, for instance "message", "reminder", "operator" or "resume".
        outcome: A `TurnOutcome`.
        model: Model in use.
        messages: Ids of its messages.
        input_tokens: Tokens of input that no cache served.
        output_tokens: Tokens of output.
        cache_read_tokens: Tokens of input read from a cache.
        cache_write_tokens: Tokens of input written to a cache.
        cost_usd: Cost in US dollars; None if unknown.
        tools: Number of calls by name of the tool.
        note: Further information, for instance the reason of a failure.
    """

    id: int
    name: str
    started_at: str
    ended_at: str
    seconds: float
    frozen_seconds: float | None = None
    wake: str
    outcome: str
    model: str | None = None
    messages: list[int]
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float | None = None
    tools: dict[str, int]
    note: str | None = None


SKIPPED = "skipped"
"""Kind of the `LiveRow` in place of events that the client has missed."""


class LiveRow(Row, frozen=True, kw_only=True):
    """A live event of a turn.

    Attributes:
        at: Time of the event.
        kind: A `LiveKind`, or `SKIPPED` in place of events that were missed.
        text: Its text.
    """

    at: str
    kind: str
    text: str


class LimitRow(Row, frozen=True, kw_only=True):
    """A usage limit.

    Attributes:
        account: Fingerprint of the credential.
        until: Time at which it can be used again.
        since: Time of the report.
        reason: Reason, for people.
        reported_by: Participant whose harness reported it.
        names: Participants whose harness uses the credential.
    """

    account: str
    until: str
    since: str
    reason: str
    reported_by: str
    names: list[str]
