"""What to tell someone whose ack came too late: which message, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hive.broker.sessions import Stale, queue_holder
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
    is_ack: bool = True,
) -> StaleLeaseError | None:
    """Return the error that names each stale message, None when there is nothing to report.

    To repeat an ack is no error: its answer may have been lost. To give back what was acked is one.
    """
    told = [
        f"message {found.id} {why}"
        for found in stale
        if (why := found.why or _fate(rows.get(found.id), participant, session, lease, is_ack))
    ]
    if not told:
        return None
    return StaleLeaseError("; ".join(told) + "; whatever else was asked for is done")


def _fate(
    message: Message | None, participant: str, session: str, lease: str | None, is_ack: bool
) -> str:
    if message is None:
        return "does not exist"
    if participant not in (message.inbox, queue_holder(message)):
        return "is not in this inbox"
    own = message.lease == lease if lease is not None else message.session == session
    if message.state is MessageState.ACKED and own and is_ack:
        return ""
    when = "" if message.ended_at is None else f" at {rfc3339(message.ended_at)}"
    why = f" ({message.reason})" if message.reason else ""
    return f"is {message.state}{when}{why}, after attempt {message.attempts}"
