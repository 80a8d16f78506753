"""Deploys: writes and reads of their table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from attrs import fields, frozen

from hive.store.conditions import where
from hive.store.transaction import Op, Query


class DeployStep(StrEnum):
    """Step of a deploy. The last three are final."""

    QUEUED = "queued"
    BUILDING = "building"
    """What the agent runs on is built; the agent runs on."""
    APPLYING = "applying"
    """Its manifest becomes the new one."""
    RESTARTING = "restarting"
    CHECKING = "checking"
    """It must become healthy."""
    COMMITTING = "committing"
    """The success is recorded: in the log of the meta flake, by a tag, and as `main`."""
    ROLLING_BACK = "rolling_back"
    """Its manifest becomes the one before again, and it is restarted."""
    DEPLOYED = "deployed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeploySource(StrEnum):
    """Why an agent is deployed."""

    APPROVAL = "approval"
    ROLLBACK = "rollback"
    REBUILD = "rebuild"
    INPUTS = "inputs"
    """Newer inputs of the meta flake, for all agents that they affect."""


@frozen
class Deploy:
    """One deploy: of a commit of an agent, or of a lock for several. Times are wall seconds.

    Attributes:
        name: The agent; `*` if there are several.
        source: Why.
        sha: The commit, or the digest of the lock.
        queued_at: When it was requested.
        id: Its number; 0 before it is stored.
        approval: The approval that it carries out.
        previous: The commit that ran before; None if none did.
        agents: The agents, if there are several.
        before: What the agent was before, for a return to it, as JSON; None before `applying`, and
            of a new agent. Of several, the names of those that were switched.
        started_at: When its first step began.
        ended_at: When it ended.
        error: Why it failed.
    """

    name: str
    source: DeploySource
    sha: str
    queued_at: float
    id: int = 0
    approval: int | None = None
    previous: str | None = None
    agents: tuple[str, ...] = ()
    before: str | None = None
    step: DeployStep = DeployStep.QUEUED
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """Every agent that it deploys."""
        return self.agents or (self.name,)


_COLUMNS = tuple(attribute.name for attribute in fields(Deploy))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM deploys"  # noqa: S608 - own column names
_INSERT = (
    f"INSERT INTO deploys ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_UPDATE = (
    f"UPDATE deploys SET {', '.join(f'{name} = ?' for name in _COLUMNS)} "  # noqa: S608
    "WHERE id = ?"
)


def insert(deploy: Deploy) -> Op[int]:
    """Insert a new deploy; the value is its number.

    A second deploy of the same approval is not inserted; the value is the number of the first.
    """

    def op(connection: sqlite3.Connection) -> int:
        if deploy.approval is not None:
            statement = "SELECT id FROM deploys WHERE approval = ?"
            found = connection.execute(statement, (deploy.approval,)).fetchone()
            if found is not None:
                return int(found[0])
        values = [None if name == "id" else value for name, value in _columns(deploy)]
        number = connection.execute(_INSERT, values).lastrowid
        assert number is not None
        return number

    return op


def update(deploy: Deploy) -> Op[None]:
    """Replace the row of a deploy."""
    values = [value for _, value in _columns(deploy)]

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(_UPDATE, (*values, deploy.id))

    return op


def open_deploys(connection: sqlite3.Connection) -> list[Deploy]:
    """Read every deploy that has not ended, oldest first."""
    return _records(connection.execute(f"{_SELECT} WHERE ended_at IS NULL ORDER BY id"))


def numbers(connection: sqlite3.Connection) -> list[int]:
    """Read the numbers of all deploys."""
    return [number for (number,) in connection.execute("SELECT id FROM deploys")]


def newest(count: int, name: str | None = None, before: int | None = None) -> Query[list[Deploy]]:
    """Read the newest deploys, of one agent or of all, before a number, oldest first."""
    clause, values = where(("name = ?", name), ("id < ?", before))

    def query(connection: sqlite3.Connection) -> list[Deploy]:
        rows = connection.execute(f"{_SELECT}{clause} ORDER BY id DESC LIMIT ?", (*values, count))
        return _records(rows)[::-1]

    return query


def one(number: int) -> Query[Deploy | None]:
    """Read one deploy; None if there is none."""

    def query(connection: sqlite3.Connection) -> Deploy | None:
        found = _records(connection.execute(f"{_SELECT} WHERE id = ?", (number,)))
        return found[0] if found else None

    return query


def carried_out(approval: int) -> Query[Deploy | None]:
    """Read the deploy that has carried out an approval; None if none has, or not yet."""

    def query(connection: sqlite3.Connection) -> Deploy | None:
        where = "WHERE approval = ? AND step = ? ORDER BY id DESC LIMIT 1"
        rows = connection.execute(f"{_SELECT} {where}", (approval, DeployStep.DEPLOYED.value))
        found = _records(rows)
        return found[0] if found else None

    return query


def _columns(deploy: Deploy) -> Iterator[tuple[str, Any]]:
    for name in _COLUMNS:
        value = getattr(deploy, name)
        yield name, json.dumps(value) if name == "agents" else value


def _records(rows: Iterable[tuple[Any, ...]]) -> list[Deploy]:
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Deploy:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["source"] = DeploySource(values["source"])
    values["step"] = DeployStep(values["step"])
    values["agents"] = tuple(json.loads(values["agents"]))
    return Deploy(**values)
