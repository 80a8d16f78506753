"""Retention of approvals, deploys and the audit: bounded, and nothing that is open is deleted."""

import sqlite3

import attrs
import pytest

from hive.config import Retention
from hive.store import Store, audit, retention
from hive.store import approvals as approvals_table
from hive.store import deploys as deploys_table
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.store.audit import AuditEntry
from hive.store.deploys import Deploy, DeploySource, DeployStep
from hive.store.retention import apply_retention

pytestmark = pytest.mark.sim

DAY = 86_400.0
NOW = 1000 * DAY


async def add_approval(store: Store, ended_at: float | None, by: str = "hm1nd") -> int:
    draft = Approval(ApprovalKind.SPAWN, "alice", by, 0.0)

    def op(connection: sqlite3.Connection) -> int:
        number = approvals_table.insert(connection, draft)
        state = ApprovalState.PENDING if ended_at is None else ApprovalState.DENIED
        stored = attrs.evolve(draft, id=number, ended_at=ended_at, state=state)
        approvals_table.update(connection, stored)
        return number

    return await store.write(op)


async def add_deploy(store: Store, ended_at: float | None, name: str = "alice") -> int:
    step = DeployStep.QUEUED if ended_at is None else DeployStep.DEPLOYED
    deploy = Deploy(name, DeploySource.ROLLBACK, "a" * 40, 0.0, step=step, ended_at=ended_at)
    return await store.write(deploys_table.insert(deploy))


async def add_entry(store: Store, at: float, actor: str = "operator") -> None:
    entry = AuditEntry(at, "approve", True, "alice", actor)
    await store.write(lambda connection: audit.append(connection, entry))


async def count(store: Store, table: str) -> int:
    return await store.read(
        lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    )


async def test_ended_approvals_are_deleted_by_age_and_open_ones_never(store: Store) -> None:
    await add_approval(store, NOW - 366 * DAY)
    kept = [await add_approval(store, NOW - 364 * DAY), await add_approval(store, None)]
    await apply_retention(store, Retention(), NOW)
    found = await store.read(approvals_table.newest(10))
    assert [each.id for each in found] == kept


async def test_of_ended_approvals_the_newest_of_each_participant_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "APPROVALS_KEPT", 3)
    numbers = [await add_approval(store, NOW) for _ in range(6)]
    other = await add_approval(store, NOW, by="operator")
    waiting = await add_approval(store, None)
    await apply_retention(store, Retention(), NOW)
    found = await store.read(approvals_table.newest(10))
    assert [each.id for each in found] == [*numbers[3:], other, waiting]


async def test_the_newest_deploys_of_an_agent_stay_whatever_their_age(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DEPLOYS_KEPT", 2)
    old = [await add_deploy(store, NOW - 400 * DAY) for _ in range(4)]
    bob = await add_deploy(store, NOW - 400 * DAY, name="bob")
    waiting = await add_deploy(store, None)
    recent = await add_deploy(store, NOW)
    await apply_retention(store, Retention(), NOW)
    assert sorted(await store.read(deploys_table.numbers)) == [bob, waiting, recent]
    assert not {*old} & {*await store.read(deploys_table.numbers)}


async def test_the_audit_stays_for_a_year_and_a_flood_pushes_out_only_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AUDIT_KEPT", 5)
    await add_entry(store, NOW - 366 * DAY)
    await add_entry(store, NOW - 364 * DAY)
    for _ in range(20):
        await add_entry(store, NOW, actor="hm1nd")
    await apply_retention(store, Retention(), NOW)
    found = await store.read(audit.newest(100))
    assert [each.actor for each in found] == ["operator", *["hm1nd"] * 5]
