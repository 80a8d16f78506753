"""Approvals: their kinds and states, and writes and reads of their table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from attrs import fields, frozen

from hive.store.conditions import where
from hive.store.transaction import Op, Query
from hive.wire.enums import OnExpiry


class ApprovalKind(StrEnum):
    """What the operator is asked to approve."""

    SPAWN = "spawn"
    """A new agent, with the configuration of a commit."""
    APPLY_COMMIT = "apply_commit"
    """A commit as the configuration of an agent."""
    INIT_CONFIG = "init_config"
    """A first configuration for a new agent, which the manager may then edit."""
    ADOPT = "adopt"
    """A peer becomes an agent."""
    RELEASE = "release"
    """An agent becomes a peer."""
    UPDATE_INPUTS = "update_inputs"
    """Newer inputs of the flakes that containers are built from."""
    SCHEDULE = "schedule"
    """A message that an agent gets again and again."""


class ApprovalState(StrEnum):
    """State of an approval. The last five are final."""

    PENDING = "pending"
    HELD = "held"
    """Its deadline has passed, and it waits on."""
    APPROVED = "approved"
    """It is being carried out."""
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@frozen
class Approval:
    """One request for the operator's decision. Times are wall seconds.

    Attributes:
        id: Its number; 0 before it is stored.
        name: The participant that it is about; `*` for all agents.
        sha: The commit that was submitted, in full, or the digest of the lock; None for a kind
            without both.
        base: The commit that ran when it was submitted; None without one.
        detail: What its kind needs besides, as JSON.
        description: The words of who asks, for the operator.
        requested_by: The participant that asks, or `operator`.
        expires_at: When its deadline is over; None without one.
        on_expiry: What happens then.
        decided_at: When it was approved or denied.
        decided_by: Who decided, in words.
        note: The reason of the decision.
        ended_at: When it was carried out, failed, or ended otherwise.
        error: Why it failed.
    """

    kind: ApprovalKind
    name: str
    requested_by: str
    requested_at: float
    id: int = 0
    sha: str | None = None
    base: str | None = None
    detail: str = "{}"
    description: str | None = None
    expires_at: float | None = None
    on_expiry: OnExpiry = OnExpiry.HOLD
    state: ApprovalState = ApprovalState.PENDING
    decided_at: float | None = None
    decided_by: str | None = None
    note: str | None = None
    ended_at: float | None = None
    error: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        """What its kind needs besides, decoded."""
        found: dict[str, Any] = json.loads(self.detail)
        return found

    @property
    def has_commit(self) -> bool:
        """Whether it is about a commit of a participant, by which its repository is tagged."""
        return self.sha is not None and self.kind is not ApprovalKind.UPDATE_INPUTS


_COLUMNS = tuple(attribute.name for attribute in fields(Approval))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM approvals"  # noqa: S608 - own column names
_INSERT = (
    f"INSERT INTO approvals ({', '.join(_COLUMNS)}) "  # noqa: S608 - own column names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_UPDATE = (
    f"UPDATE approvals SET {', '.join(f'{name} = ?' for name in _COLUMNS)} "  # noqa: S608
    "WHERE id = ?"
)


def insert(connection: sqlite3.Connection, approval: Approval) -> int:
    """Insert a new approval; return its number, which was never used before."""
    values = [None if name == "id" else getattr(approval, name) for name in _COLUMNS]
    number = connection.execute(_INSERT, values).lastrowid
    assert number is not None
    return number


def update(connection: sqlite3.Connection, approval: Approval) -> None:
    """Replace the row of an approval."""
    values = [getattr(approval, name) for name in _COLUMNS]
    connection.execute(_UPDATE, (*values, approval.id))


def open_approvals(connection: sqlite3.Connection) -> list[Approval]:
    """Read every approval that has not ended, oldest first."""
    return _records(connection.execute(f"{_SELECT} WHERE ended_at IS NULL ORDER BY id"))


def open_numbers(connection: sqlite3.Connection) -> list[int]:
    """Read the number of every approval that has not ended."""
    rows = connection.execute("SELECT id FROM approvals WHERE ended_at IS NULL")
    return [number for (number,) in rows]


def newest(count: int, before: int | None = None) -> Query[list[Approval]]:
    """Read the newest approvals, in any state, before a number, oldest first."""
    clause, values = where(("id < ?", before))

    def query(connection: sqlite3.Connection) -> list[Approval]:
        rows = connection.execute(f"{_SELECT}{clause} ORDER BY id DESC LIMIT ?", (*values, count))
        return _records(rows)[::-1]

    return query


def one(number: int) -> Query[Approval | None]:
    """Read one approval in any state; None if there is none."""

    def query(connection: sqlite3.Connection) -> Approval | None:
        found = _records(connection.execute(f"{_SELECT} WHERE id = ?", (number,)))
        return found[0] if found else None

    return query


def rename(old: str, new: str) -> Op[None]:
    """Change the name in all approvals about a participant."""

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE approvals SET name = ? WHERE name = ?", (new, old))

    return op


def _records(rows: Iterable[tuple[Any, ...]]) -> list[Approval]:
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Approval:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["kind"] = ApprovalKind(values["kind"])
    values["state"] = ApprovalState(values["state"])
    values["on_expiry"] = OnExpiry(values["on_expiry"])
    return Approval(**values)
