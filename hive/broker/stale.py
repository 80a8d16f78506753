"""What to tell someone whose ack came too late: which message, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hive.broker.sessions import Stale
from hive.clock import rfc3339
from hive.errors import StaleLeaseError
from hive.store import Message, MessageState


def missing(stale: Sequence[Stale]) -> list[int]:
    """Return the ids of which only the disk knows what happened."""
    return [found.id for found in stale if found.why is None]


def refusal(
    stale: Sequence[Stale],
    rows: Mapping[int, Message],
    *,
    participant: str,
    session: str,
    lease: str | None,
) -> StaleLeaseError | None:
    """Return the error that names each stale message, None when there is nothing to report.

    To repeat an ack is no error: its answer may have been lost.
    """
    told = [
        f"message {found.id} {why}"
        for found in stale
        if (why := found.why or _fate(rows.get(found.id), participant, session, lease))
    ]
    if not told:
        return None
    return StaleLeaseError("; ".join(told) + "; whatever else was asked for is done")


def _fate(message: Message | None, participant: str, session: str, lease: str | None) -> str:
    if message is None:
        return "does not exist"
    if message.inbox != participant:
        return "is not in this inbox"
    own = message.lease == lease if lease is not None else message.session == session
    if message.state is MessageState.ACKED and own:
        return ""
    when = "" if message.ended_at is None else f" at {rfc3339(message.ended_at)}"
    why = f" ({message.reason})" if message.reason else ""
    return f"is {message.state}{when}{why}, after attempt {message.attempts}"
