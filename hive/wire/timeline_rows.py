"""The request of host.sock for what happened to a participant, and its rows."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hive.wire.base import Name, Request, UnixTime
from hive.wire.rows import Row, encoded_default


class Timeline(Request, tag="timeline", kw_only=True, frozen=True):
    """Return what happened to a participant, oldest first, as `entries` (`TimelineRow`s).

    They are its events (approvals and deploys are among them), the mail that it sent and received,
    its turns, what was done or refused about it, and the lines that it printed, if its runtime
    knows their times. If lines may be missing, `missing` says why.

    The first of a page is the first of its millisecond, so that there may be fewer than `max`: its
    time as `until` gives just the page before. Only of more than `max` within one millisecond, the
    newest are given.

    Attributes:
        name: The participant; one that has left the hive, too.
        since: Unix time of the earliest.
        until: Unix time before which all happened: that of the first entry gives the page before.
        max: Most entries; the newest.
        output: Whether the lines that it printed are among them.
    """

    name: Name
    since: UnixTime | None = None
    until: UnixTime | None = None
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    output: bool = True


class TimelineRow(Row, frozen=True, kw_only=True):
    """Something that happened to a participant.

    Attributes:
        at: Time at which it happened, or began.
        source: "event", "message", "turn", "audit" or "output".
        number: Its number there; a line of output has none.
        what: The kind of an event, "sent" or "received", the outcome of a turn, a verb, "printed".
        detail: Further facts: those of the event, keys of the message, the turn or the entry of the
            audit, or the `line` of output. A body and a line are cut.
    """

    at: str
    source: str
    number: int | None = None
    what: str
    detail: dict[str, Any] = encoded_default(dict)
