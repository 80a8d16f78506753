"""The verbs of a harness: what it does, what its turns cost, what it is told to do.

Only a connection that said hello as a harness may use them. Times are Unix times.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import WAIT_MAX
from hive.wire.base import Cursor, Id, Request, Text, UnixTime
from hive.wire.words import ActivityState, LiveKind, TurnOutcome

LIVE_MAX = 8192
"""Characters of one live event."""

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Report(Request, tag="report", kw_only=True, frozen=True):
    """Say what the agent does now; holds until the next report or the end of the connection.

    `about` is what it works on, whom it waits for, or why it is in that state. `account` is an
    opaque fingerprint: harnesses with the same one share its limits.
    """

    state: ActivityState
    since: UnixTime
    about: Text | None = None
    until: UnixTime | None = None
    model: Word | None = None
    session: Word | None = None
    account: Word | None = None


class Turn(Request, tag="turn", kw_only=True, frozen=True):
    """Record a finished turn. A repeat with the same `started_at` replaces it.

    `wake` says what began it: a message, a reminder, the operator, a resume.
    """

    started_at: UnixTime
    ended_at: UnixTime
    wake: Word
    outcome: TurnOutcome
    model: Word | None = None
    messages: Annotated[list[Id], msgspec.Meta(max_length=1000)] = msgspec.field(
        default_factory=list
    )
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


class Orders(Request, tag="orders", kw_only=True, frozen=True):
    """Fetch the orders behind `after`, waiting up to `wait_seconds` for the first.

    The first answer on a connection comes at once and says what holds: paused or not, limited or
    not, restarted. Orders up to `after` are taken as heard.
    """

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=WAIT_MAX)] = 0.0
    after: Cursor = 0
