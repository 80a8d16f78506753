"""The history of an agent: its deploys, each with the approval that it carries out."""

from __future__ import annotations

import json
import sqlite3

from attrs import evolve, frozen

from hive.store.deploys import DeploySource, DeployStep
from hive.store.transaction import Query

_SELECT = """
SELECT deploys.id, source, deploys.sha, step, queued_at, deploys.ended_at, approval,
    requested_by, description, decided_by, deploys.error, detail
FROM deploys LEFT JOIN approvals ON approvals.id = approval
WHERE deploys.name = ? ORDER BY deploys.id DESC LIMIT ?
"""


@frozen
class PastDeploy:
    """A deploy, with who asked for it and who decided. Times are wall seconds.

    Attributes:
        approval: The approval; None without one.
        requested_by: Who asked for it; None without one, and after its retention.
        description: The words of who asked.
        decided_by: Who decided.
        subject: The first line of the commit's message; None without an approval.
    """

    id: int
    source: DeploySource
    sha: str
    step: DeployStep
    queued_at: float
    ended_at: float | None
    approval: int | None
    requested_by: str | None
    description: str | None
    decided_by: str | None
    error: str | None
    subject: str | None = None


def newest(name: str, count: int) -> Query[list[PastDeploy]]:
    """Read the newest deploys of an agent, oldest first."""

    def query(connection: sqlite3.Connection) -> list[PastDeploy]:
        rows = connection.execute(_SELECT, (name, count)).fetchall()[::-1]
        return [
            evolve(
                PastDeploy(number, DeploySource(source), sha, DeployStep(step), *rest),
                subject=_subject(detail),
            )
            for number, source, sha, step, *rest, detail in rows
        ]

    return query


def _subject(detail: str | None) -> str | None:
    """Return the subject in the detail of an approval."""
    subject = json.loads(detail or "{}").get("subject")
    return subject if isinstance(subject, str) else None
