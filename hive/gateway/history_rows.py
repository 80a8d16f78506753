"""Rows of the wire about what an agent ran."""

from __future__ import annotations

from collections.abc import Sequence

from hive.clock import rfc3339
from hive.names import OPERATOR
from hive.store.deploys import DeploySource, DeployStep
from hive.store.past_deploys import PastDeploy
from hive.wire.change_rows import HistoryRow


def history_rows(past: Sequence[PastDeploy], applied: str | None) -> list[HistoryRow]:
    """Return the rows of deploys, which are given oldest first.

    Args:
        past: The deploys.
        applied: The commit that the agent runs; None if it runs none.
    """
    good = [each.id for each in past if each.step is DeployStep.DEPLOYED and each.sha == applied]
    current = good[-1] if good else None
    # A rollback has no approval of its own: its commit was that of another deploy.
    subjects = {each.sha: each.subject for each in past if each.subject is not None}
    return [_row(each, subject=subjects.get(each.sha), runs=each.id == current) for each in past]


def _row(deploy: PastDeploy, *, subject: str | None, runs: bool) -> HistoryRow:
    # Nobody but the operator can ask for what needs no approval.
    by_operator = deploy.source is not DeploySource.APPROVAL
    return HistoryRow(
        deploy=deploy.id,
        source=deploy.source.value,
        sha=deploy.sha,
        outcome=deploy.step.value,
        queued_at=rfc3339(deploy.queued_at),
        ended_at=None if deploy.ended_at is None else rfc3339(deploy.ended_at),
        approval=deploy.approval,
        requested_by=deploy.requested_by,
        description=deploy.description,
        subject=subject,
        decided_by=OPERATOR if by_operator else deploy.decided_by,
        error=deploy.error,
        runs=runs or None,
    )
