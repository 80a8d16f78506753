"""The requests of a harness: activity, turns, usage limits, control orders.

Only a connection that announced the role `harness` may use them. Times are Unix times in seconds.
An activity and the record of a turn are requests themselves: client and server use the same types.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.quantities import counted
from hive.wire import WAIT_MAX
from hive.wire.base import Cursor, Id, Request, Text, UnixTime
from hive.wire.enums import ActivityState, LiveKind, OrderKind, TurnOutcome
from hive.wire.rows import Row

LIVE_MAX = 8192
"""Most characters of one live event."""

SHORT_TEXT_MAX = 200
"""Most characters of a name, such as that of a tool."""

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=SHORT_TEXT_MAX)]
"""A name or fingerprint, in characters."""

TOOLS_MAX = 200
"""Most tools in the record of one turn."""

TOOL_NAMES_MAX = 8192
"""Most characters of the names of all tools in the record of one turn."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count that JSON readers with 64-bit floats represent exactly."""


class Activity(Request, tag="report", frozen=True):
    """Report the current activity; it is valid until the next report or the end of the connection.

    Attributes:
        state: The activity.
        since: Unix time of its start.
        about: Its subject or its reason.
        until: Unix time of its expected end.
        model: Model in use.
        session: Session in use.
        account: Fingerprint of the credential; harnesses with the same one share its usage limits.
        context_fill: Fill of the model's context, from 0 to 1; None while unknown.
        context_at: Unix time at which that was measured.
        effort: Effort of the model in use; "default" for the model's own.
        chosen_model: Model that the operator has chosen; None for that of the configuration.
        chosen_effort: Effort that the operator has chosen; None for that of the configuration.
    """

    state: ActivityState
    since: UnixTime
    about: Text | None = None
    until: UnixTime | None = None
    model: ShortText | None = None
    session: ShortText | None = None
    account: ShortText | None = None
    context_fill: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    context_at: UnixTime | None = None
    effort: ShortText | None = None
    chosen_model: ShortText | None = None
    chosen_effort: ShortText | None = None


class TurnRecord(Request, tag="turn", frozen=True):
    """Report a finished turn; a repeat with the same `started_at` replaces the earlier record.

    Attributes:
        started_at: Unix time of its start.
        ended_at: Unix time of its end, not before `started_at`.
        wake: Cause of the turn, for instance "message", "reminder", "operator" or "resume".
        outcome: How it ended.
        model: Model in use.
        messages: Ids of its messages.
        input_tokens: Tokens of input that no cache served.
        output_tokens: Tokens of output.
        cache_read_tokens: Tokens of input read from a cache.
        cache_write_tokens: Tokens of input written to a cache.
        cost_usd: Cost in US dollars; None if unknown.
        tools: Number of calls by name of the tool, at most `TOOLS_MAX` tools, whose names have
            `TOOL_NAMES_MAX` characters together.
        note: Further information, for instance the reason of a failure.
    """

    started_at: UnixTime
    ended_at: UnixTime
    wake: ShortText
    outcome: TurnOutcome
    model: ShortText | None = None
    messages: Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)] = ()
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    tools: Annotated[dict[ShortText, Count], msgspec.Meta(max_length=TOOLS_MAX)] = msgspec.field(
        default_factory=dict
    )
    note: Text | None = None

    def __post_init__(self) -> None:
        """Refuse more names of tools than a short record has room for."""
        length = sum(map(len, self.tools))
        if length > TOOL_NAMES_MAX:
            raise ValueError(
                f"the names in 'tools' have {counted(length, 'character')}, at most "
                f"{TOOL_NAMES_MAX} fit"
            )


class Live(Request, tag="live", kw_only=True, frozen=True):
    """Publish a live event of the turn to the turn feed; it is not stored.

    Attributes:
        kind: Kind of the event.
        text: Its text.
    """

    kind: LiveKind
    text: Annotated[str, msgspec.Meta(max_length=LIVE_MAX)]


class Limited(Request, tag="limited", kw_only=True, frozen=True):
    """Report that the account of this harness is used up; all harnesses that share it get an order.

    Attributes:
        account: Fingerprint of the credential.
        until: Unix time of the end of the limit.
        reason: Reason, for people.
    """

    account: ShortText
    until: UnixTime
    reason: Text


class Unlimited(Request, tag="unlimited", kw_only=True, frozen=True):
    """Report that the account can be used again; all harnesses that share it get an order.

    Attributes:
        account: Fingerprint of the credential.
    """

    account: ShortText


class PollOrders(Request, tag="orders", kw_only=True, frozen=True):
    """Return the control orders after a cursor, as `orders`.

    The first response on a connection comes at once and has the current state: paused or not, the
    usage limit if there is one, the restart if there was one. One poll per connection at a time.

    Attributes:
        wait_seconds: Longest wait for the first order, in seconds; 0 answers at once.
        after: Number of the last order received; orders up to it count as processed.
    """

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX)] = 0.0
    after: Cursor = 0


class Order(Row, frozen=True, rename={"kind": "order"}):
    """A control order to a harness.

    Attributes:
        seq: Number of the order, the cursor of the next poll.
        kind: Kind of the order, `order` on the wire.
        until: Unix time of the end of a usage limit.
        at: Unix time from which this participant may begin a turn after a limit or a pause, or of
            its restart.
        reason: Reason, for people.
        model: Model to use.
        effort: Effort to use.
    """

    seq: int
    kind: OrderKind
    until: float | None = None
    at: float | None = None
    reason: str | None = None
    model: str | None = None
    effort: str | None = None
