"""The verbs of a harness: what it does, what its turns cost, what it is told to do.

Only a connection that said hello as a harness may use them. Times are Unix times. What both sides
keep, an activity and the record of a turn, is its own request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import WAIT_MAX
from hive.wire.base import Cursor, Id, Request, Text, UnixTime
from hive.wire.enums import ActivityState, LiveKind, OrderKind, TurnOutcome
from hive.wire.rows import Row

LIVE_MAX = 8192
"""Characters of one live event."""

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Activity(Request, tag="report", frozen=True):
    """What an agent does now; it holds until the next report or the end of the connection.

    Attributes:
        since: When it began.
        about: What it works on, whom it waits for, or why it is in that state.
        until: When the state is expected to end.
        model: The model in use.
        session: The session in use.
        account: Fingerprint of the credential; harnesses with the same one share its limits.
    """

    state: ActivityState
    since: UnixTime
    about: Text | None = None
    until: UnixTime | None = None
    model: Word | None = None
    session: Word | None = None
    account: Word | None = None


class TurnRecord(Request, tag="turn", frozen=True):
    """A finished turn; a repeat of the same participant and `started_at` replaces it.

    Attributes:
        wake: What began it, for instance "message", "reminder", "operator" or "resume".
        messages: Ids of the messages that it was about.
        cost_usd: Cost in US dollars, as far as it is known.
        tools: How often each tool was called.
        note: What else there is to say, for instance why it failed.
    """

    started_at: UnixTime
    ended_at: UnixTime
    wake: Word
    outcome: TurnOutcome
    model: Word | None = None
    messages: Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)] = ()
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    tools: Annotated[dict[str, Count], msgspec.Meta(max_length=200)] = msgspec.field(
        default_factory=dict
    )
    note: Text | None = None


class Live(Request, tag="live", kw_only=True, frozen=True):
    """Show whoever watches what happens in the turn. It is not stored."""

    kind: LiveKind
    text: Annotated[str, msgspec.Meta(max_length=LIVE_MAX)]


class Limited(Request, tag="limited", kw_only=True, frozen=True):
    """The account of this harness is used up until a time; all who share it are told."""

    account: Word
    until: UnixTime
    reason: Text


class Unlimited(Request, tag="unlimited", kw_only=True, frozen=True):
    """The account of this harness can be used again; all who share it are told."""

    account: Word


class PollOrders(Request, tag="orders", kw_only=True, frozen=True):
    """Fetch the orders behind `after`, waiting up to `wait_seconds` for the first.

    The first answer on a connection comes at once and says what holds: paused or not, limited or
    not, restarted. Orders up to `after` are taken as heard.
    """

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX)] = 0.0
    after: Cursor = 0


class Order(Row, frozen=True, rename={"kind": "order"}):
    """What the hive tells a harness to do or to know. Times are Unix times.

    Attributes:
        seq: Its number; the next poll says the highest one that was heard.
        until: When a limit ends.
        at: When this participant may begin a turn after a limit, or when it was restarted.
        reason: Why, in words.
    """

    seq: int
    kind: OrderKind
    until: float | None = None
    at: float | None = None
    reason: str | None = None
