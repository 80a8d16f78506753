"""Verdicts on the turns of a participant: stalled, without an outcome, in a loop of logins. Pure.

A verdict is a conclusion, not an observation, and says from what it was drawn. Where the facts do
not suffice there is none: a driver that reports neither events nor tools is never judged by them.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from hive.wire.enums import ActivityState, TurnOutcome
from hive.wire.harness import Activity, TurnRecord

LOGINS = 3
"""Times in a row that a login is needed, without a turn that is done, before it is a loop."""

EXPECTING = frozenset({"message", "question", "operator"})
"""Causes of turns that expect an outcome; a broadcast or an event may need none."""

LOOKING = frozenset(
    {
        *("Read", "Glob", "Grep", "LS", "NotebookRead", "ToolSearch", "TodoWrite", "TodoRead"),
        *("WebFetch", "WebSearch", "ListMcpResourcesTool", "ReadMcpResourceTool"),
        *(f"mcp__hive__{name}" for name in ("recv", "ack", "verify", "loose_ends")),
        *(f"mcp__hive__{name}" for name in ("whoami", "who", "get_logs")),
    }
)
"""Tools that change nothing outside the conversation; any other, such as Bash, may have."""


class VerdictKind(StrEnum):
    """What is wrong with the turns of a participant; the first is the most urgent."""

    LOGIN_LOOP = "login_loop"
    """It needs a login again and again."""
    STALLED = "stalled"
    """It is in a turn, and its harness has reported no event for long."""
    NO_OUTCOME = "no_outcome"
    """Its last turn acked messages, and has sent and changed nothing."""


@frozen
class AgentVerdict:
    """A verdict.

    Attributes:
        kind: What is wrong.
        since: Wall time since which it is.
        source: What it is concluded from, in words.
    """

    kind: VerdictKind
    since: float
    source: str


def reports_events(activity: Activity, position: int) -> bool:
    """Return whether a harness reports the events of its turns.

    Args:
        activity: Its last report. A driver that has a session or an account has events, too.
        position: Number of events that it has reported so far.
    """
    return position > 0 or activity.session is not None or activity.account is not None


def quiet_since(activity: Activity | None, events: tuple[int, float], counted_from: float) -> float:
    """Return the wall time since which a turn has shown no event; infinity without such a turn.

    Args:
        activity: The last report of the harness.
        events: Number of its events so far, and the time of the newest.
        counted_from: Time before which silence does not count: the agent was frozen until then.
    """
    if activity is None or activity.state is not ActivityState.WORKING:
        return float("inf")
    number, newest = events
    if not reports_events(activity, number):
        return float("inf")
    return max(activity.since, newest, counted_from)


def has_no_outcome(turn: TurnRecord, sent: int | None) -> bool:
    """Return whether a turn has acked its messages, and neither sent nor changed anything.

    Args:
        turn: The turn. Without a model its driver reports no tools, and nothing can be concluded.
        sent: Messages that its participant has sent meanwhile; None if that is unknown.
    """
    return (
        turn.outcome is TurnOutcome.DONE
        and turn.model is not None
        and turn.wake in EXPECTING
        and bool(turn.messages)
        and sent == 0
        and turn.tools.keys() <= LOOKING
    )
