"""The steps of a deploy: a pure table.

    queued → building → applying → restarting → checking → committing → deployed
                │           └───────────┴───────────┴───────────┴────→ rolling back → failed
                └→ failed

A step is on disk before it begins, and each may be repeated: a daemon that is killed in the middle
of one does it again. Up to `building` nothing has changed, so the deploy can still be cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from hive.errors import ConflictError, NotAllowedError
from hive.participants.freeze_rules import frozen_reason
from hive.store import ParticipantOrigin, ParticipantRecord
from hive.store.deploys import Deploy, DeployStep

ORDER = {
    DeployStep.QUEUED: DeployStep.BUILDING,
    DeployStep.BUILDING: DeployStep.APPLYING,
    DeployStep.APPLYING: DeployStep.RESTARTING,
    DeployStep.RESTARTING: DeployStep.CHECKING,
    DeployStep.CHECKING: DeployStep.COMMITTING,
    DeployStep.COMMITTING: DeployStep.DEPLOYED,
    DeployStep.ROLLING_BACK: DeployStep.FAILED,
}
"""The step after each that succeeded."""

HARMLESS = frozenset({DeployStep.QUEUED, DeployStep.BUILDING})
"""Steps that change nothing about the agent."""

DEADLINES = {
    DeployStep.BUILDING: 4000.0,
    DeployStep.APPLYING: 120.0,
    DeployStep.RESTARTING: 120.0,
    DeployStep.CHECKING: 120.0,
    DeployStep.ROLLING_BACK: 240.0,
}
"""Seconds after which a step has failed, for each agent; the parts of a step have shorter deadlines
of their own. The times that a manifest allows for a stop and a probe are added.

To commit has none: its parts have, and a success that is recorded is not given up."""

OF_THAWED = frozenset({DeployStep.RESTARTING, DeployStep.CHECKING, DeployStep.ROLLING_BACK})
"""Steps that wait while an agent is frozen."""

FINAL = frozenset({DeployStep.DEPLOYED, DeployStep.FAILED, DeployStep.CANCELLED})


def awaited_thaw(deploy: Deploy, records: Iterable[ParticipantRecord]) -> str | None:
    """Return what a deploy waits for, as a sentence: the thaw of an agent; None if it goes on.

    Args:
        deploy: The deploy.
        records: The agents of the hive.
    """
    if deploy.step not in OF_THAWED:
        return None
    names = deploy.agents or (deploy.name,)
    for record in records:
        if record.name in names and (reason := frozen_reason(record)) is not None:
            return f"waits: {record.name!r} is {reason}"
    return None


def advance(deploy: Deploy, error: str | None, now: float) -> Deploy:
    """Return a deploy after its present step, which succeeded or failed with an error."""
    if deploy.step in FINAL:
        return deploy
    if error is None:
        step = ORDER[deploy.step]
    elif deploy.step in HARMLESS or deploy.step is DeployStep.ROLLING_BACK:
        step = DeployStep.FAILED
    else:
        step = DeployStep.ROLLING_BACK
    return attrs.evolve(
        deploy,
        step=step,
        error=_joined(deploy.error, error),
        started_at=now if deploy.started_at is None else deploy.started_at,
        ended_at=now if step in FINAL else None,
    )


def resume(deploy: Deploy) -> Deploy:
    """Return a deploy as the next daemon goes on with it.

    The agent may have been started or stopped meanwhile, so a check begins with a restart.
    """
    if deploy.step is DeployStep.CHECKING:
        return attrs.evolve(deploy, step=DeployStep.RESTARTING)
    return deploy


def cancel(deploy: Deploy, reason: str, now: float) -> Deploy:
    """Return a deploy that was cancelled.

    Raises:
        ConflictError: It has changed the agent already, or has ended.
    """
    if deploy.step not in HARMLESS:
        way = (
            ""
            if deploy.agents or deploy.step in (DeployStep.FAILED, DeployStep.CANCELLED)
            else f"; 'hive-c0re rollback {deploy.name}' returns to the one before"
        )
        raise ConflictError(
            f"deploy {deploy.id} of {deploy.name!r} is {deploy.step.value.replace('_', ' ')} and "
            f"cannot be cancelled{way}"
        )
    return attrs.evolve(deploy, step=DeployStep.CANCELLED, ended_at=now, error=reason)


def require_from_commits(record: ParticipantRecord) -> None:
    """Require that a rollback can decide what an agent is.

    Raises:
        NotAllowedError: hive.toml describes it.
    """
    if record.origin is ParticipantOrigin.CONFIG:
        raise NotAllowedError(
            f"{record.name!r} is described in hive.toml, and a rollback returns only to commits "
            "that were deployed: change its table back, then 'hive-c0re reload' and 'hive-c0re "
            f"restart {record.name}'; its state and its mail are never rolled back"
        )


def _joined(before: str | None, error: str | None) -> str | None:
    """Return the first error, and that of the return to what was before, if it failed, too."""
    if before is None or error is None:
        return error if before is None else before
    return f"{before}; and the return to what ran before failed: {error}"
