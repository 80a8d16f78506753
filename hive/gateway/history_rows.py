"""Rows of the wire about what an agent ran."""

from __future__ import annotations

from collections.abc import Sequence

from hive.clock import rfc3339
from hive.names import OPERATOR
from hive.store.deploys import DeploySource
from hive.store.past_deploys import PastDeploy
from hive.wire.change_rows import HistoryRow


def history_rows(past: Sequence[PastDeploy], current: int | None) -> list[HistoryRow]:
    """Return the rows of deploys, which are given oldest first.

    Args:
        past: The deploys.
        current: The number of the deploy that the agent runs; None if that is none.
    """
    return [_row(each, runs=each.id == current) for each in past]


def _row(deploy: PastDeploy, *, runs: bool) -> HistoryRow:
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
        subject=deploy.subject,
        decided_by=OPERATOR if by_operator else deploy.decided_by,
        error=deploy.error,
        runs=runs or None,
    )
