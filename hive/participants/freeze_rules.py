"""Rules of the emergency stop: what a frozen agent may not do, and when a whole hive is frozen.

Pure. A frozen agent has all its processes stopped, is granted no mail, and is not started. Its
record says so, also to the next daemon.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from hive.clock import rfc3339
from hive.errors import ConflictError
from hive.participants.participant import Agent
from hive.store import Kind, ParticipantRecord


def frozen_reason(record: ParticipantRecord) -> str | None:
    """Return why an agent neither works nor starts, with the remedy; None unless it is frozen."""
    if record.frozen_at is None:
        return None
    return (
        f"frozen by 'hive-c0re estop' at {rfc3339(record.frozen_at)}; "
        f"'hive-c0re thaw {record.name}' lets it go on"
    )


def require_listening(agent: Agent) -> None:
    """Check that an agent can be given an order: a frozen one would not take it before its thaw.

    An order is in memory only. One that waits for a thaw would be lost with the daemon, unnoticed.

    Raises:
        ConflictError: It is frozen.
    """
    reason = frozen_reason(agent.record)
    if reason is not None:
        raise ConflictError(
            f"{agent.name!r} is {reason}, 'hive-c0re kill {agent.name}' ends it as it is; "
            "nothing was done"
        )


def require_thawed(name: str, agents: Iterable[Agent]) -> None:
    """Check that an agent may be started or changed, one that does not exist yet, too.

    Raises:
        ConflictError: It is frozen, or all agents are and there is none of that name.
    """
    records = {agent.name: agent.record for agent in agents}
    known = records.get(name)
    if known is not None:
        reason = frozen_reason(known)
        if reason is not None:
            raise ConflictError(f"{name!r} is {reason}; nothing was done")
    elif is_hive_frozen(records.values()):
        raise ConflictError(
            "all agents of this hive are frozen by 'hive-c0re estop', so no other one is started; "
            "'hive-c0re thaw' lets them go on; nothing was done"
        )


def is_hive_frozen(records: Iterable[ParticipantRecord]) -> bool:
    """Return whether the agents among these participants, at least one, are all frozen."""
    agents = [each for each in records if each.kind is not Kind.PEER]
    return bool(agents) and all(each.frozen_at is not None for each in agents)


def joining(
    record: ParticipantRecord, others: Iterable[ParticipantRecord], now: float
) -> ParticipantRecord:
    """Return the record of a participant that joins: a new agent of a frozen hive is frozen, too.

    Args:
        record: The participant.
        others: Those that the hive has already.
        now: Wall time in seconds.
    """
    if record.kind is Kind.PEER or not is_hive_frozen(others):
        return record
    return evolve(record, frozen_at=now)
