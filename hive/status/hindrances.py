"""Why a participant works on no mail at present, for those who wait for its answer.

The operator gets the whole sentence with the remedy. Other participants get what they may know of
each other: the state, but neither the output of an agent nor verbs that they do not have.
"""

from __future__ import annotations

from attrs import frozen

from hive.participants.registry import Registry
from hive.status.snapshot import Snapshot, State
from hive.store import Message, MessageState
from hive.wire.enums import ActivityState
from hive.wire.rows import StatusRow

LAST_LINE_MAX = 200
"""Characters of an agent's last line in the reason of its end."""

WAITING = frozenset({MessageState.STORED, MessageState.LEASED})
"""States of a message that its recipient has still to work on."""


@frozen
class Obstacle:
    """Why a participant works on no mail at present.

    Attributes:
        what: Its state, as a sentence.
        detail: What only the operator sees, which continues the sentence.
        remedy: What the operator can do.
    """

    what: str
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}{self.detail}" + (f"; {self.remedy}" if self.remedy else "")


def hindrance_of(row: StatusRow) -> str | None:
    """Return why a participant works on no mail, with a remedy, for the operator; else None."""
    found = obstacle_of(row)
    return None if found is None else str(found)


async def hindrance_for_sender(
    message: Message, registry: Registry, snapshot: Snapshot
) -> str | None:
    """Return why the recipient of a message does not work on it, for its sender; else None."""
    if message.state not in WAITING or message.inbox not in registry:
        return None
    found = obstacle_of(await snapshot.row(registry.get(message.inbox)))
    return None if found is None else found.what


def obstacle_of(row: StatusRow) -> Obstacle | None:
    """Return why a participant works on no mail at present; None if it may."""
    return _frozen(row) or _down(row) or _held_mail(row) or _held_turns(row)


def _frozen(row: StatusRow) -> Obstacle | None:
    name = row.name
    if row.frozen_since is None:
        return None
    remedy = f"'hive-c0re thaw {name}' lets it go on"
    return Obstacle(f"{name!r} is frozen by 'estop'", remedy=remedy)


def _down(row: StatusRow) -> Obstacle | None:
    """Return why nothing of a participant runs; None if something does, or is just starting."""
    name = row.name
    start = f"'hive-c0re start {name}' starts it"
    match row.state:
        case State.FAILED | State.ENDED:
            return Obstacle(f"{name!r} has {row.state}", f": {_end_of_run(row)}", start)
        case State.STOPPED | State.STOPPING:
            return Obstacle(f"{name!r} is {row.state}", remedy=start)
        case State.BACKOFF:
            what = f"{name!r} has ended and is started again after a delay"
            return Obstacle(what, f": {_end_of_run(row)}", f"{start} now")
        case State.QUEUED:
            what = f"{name!r} is queued: its start waits for the machine"
            return Obstacle(what, remedy=_shows_why(name))
        case State.AWAY:
            return Obstacle(f"{name!r} is away: nothing is connected that receives its mail")
    return None


def _held_mail(row: StatusRow) -> Obstacle | None:
    """Return why the mail of a participant is held back; None if it is not."""
    if not row.paused:
        return None
    remedy = f"'hive-c0re resume {row.name}' resumes its mail"
    return Obstacle(f"{row.name!r} is paused", remedy=remedy)


def _held_turns(row: StatusRow) -> Obstacle | None:
    """Return why the harness of a participant begins no turn; None if it does."""
    name = row.name
    if row.needs_login:
        why = row.activity_about or "no reason is known"
        return Obstacle(f"{name!r} needs a login", f": {why}")
    if row.activity == ActivityState.LIMITED:
        what = f"{name!r} is limited: its account is used up"
        return Obstacle(what, remedy="'hive-c0re limits' shows until when")
    if row.activity == ActivityState.PAUSED:
        return Obstacle(f"{name!r} begins no turn at present", remedy=_shows_why(name))
    return None


def _end_of_run(row: StatusRow) -> str:
    """Return why an agent has ended, with the last line that it printed."""
    reason = row.reason or "no reason is known"
    last = row.last_lines[-1].strip()[:LAST_LINE_MAX] if row.last_lines else ""
    return f"{reason}: {last}" if last else reason


def _shows_why(name: str) -> str:
    return f"'hive-c0re status {name}' shows why"
