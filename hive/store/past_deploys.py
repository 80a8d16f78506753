"""The history of an agent: its deploys, each with the approval that it carries out."""

from __future__ import annotations

import sqlite3

from attrs import frozen

from hive.store.conditions import where
from hive.store.deploys import DeploySource, DeployStep
from hive.store.transaction import Query

_SUBJECT = """
SELECT json_extract(detail, '$.subject') FROM deploys AS first
    JOIN approvals ON approvals.id = first.approval
WHERE first.name = deploys.name AND first.sha = deploys.sha ORDER BY first.id DESC LIMIT 1
"""
"""Subject of the commit of a deploy: a rollback has no approval, but its commit once had one."""

_SELECT = f"""
SELECT deploys.id, source, deploys.sha, step, queued_at, deploys.ended_at, approval,
    requested_by, description, decided_by, deploys.error, ({_SUBJECT})
FROM deploys LEFT JOIN approvals ON approvals.id = approval
"""  # noqa: S608 - own words

_RUNS = "SELECT max(id) FROM deploys WHERE name = ? AND sha = ? AND step = ?"


@frozen
class PastDeploy:
    """A deploy, with who asked for it and who decided. Times are wall seconds.

    Attributes:
        approval: The approval; None without one.
        requested_by: Who asked for it; None without one, and after its retention.
        description: The words of who asked.
        decided_by: Who decided.
        subject: The first line of the commit's message; None if it never had an approval.
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


def newest(name: str, count: int, before: int | None = None) -> Query[list[PastDeploy]]:
    """Read the newest deploys of an agent before a number, oldest first."""
    clause, values = where(("deploys.name = ?", name), ("deploys.id < ?", before))
    statement = f"{_SELECT}{clause} ORDER BY deploys.id DESC LIMIT ?"

    def query(connection: sqlite3.Connection) -> list[PastDeploy]:
        rows = connection.execute(statement, (*values, count)).fetchall()[::-1]
        return [
            PastDeploy(number, DeploySource(source), sha, DeployStep(step), *rest)
            for number, source, sha, step, *rest in rows
        ]

    return query


def running(name: str, applied: str | None) -> Query[int | None]:
    """Read the number of the deploy that an agent runs; None if that is none.

    Args:
        name: The agent.
        applied: The commit that it runs; None if it runs none.
    """
    values = (name, applied, DeployStep.DEPLOYED.value)
    return lambda connection: connection.execute(_RUNS, values).fetchone()[0]
