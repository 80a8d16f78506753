"""Reload: hive.toml is read anew, and what differs is applied as a whole, or not at all.

The file is read and planned first; a problem in it, or a conflict, changes nothing. All records are
then written in one transaction. Only afterwards are new agents started and left-over participants
removed, each by itself: the failure of one leaves the others as the file says.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

from attrs import frozen

from hive.broker.service import BrokerService
from hive.clock import Clock
from hive.config import HiveConfig
from hive.daemon.live_settings import LiveSettings
from hive.errors import ConfigError, ConflictError, FailedError, HiveError
from hive.event_log import EventKind, EventLog
from hive.participants.freeze_rules import joining
from hive.participants.group_membership import join_groups
from hive.participants.lifecycle import Lifecycle
from hive.participants.participant import Agent, Peer
from hive.participants.reconcile import reconcile
from hive.participants.registry import Registry
from hive.participants.reload_plan import Difference, ReloadPlan, in_force, plan_reload
from hive.participants.start_checks import StartChecks
from hive.participants.supervision import Supervision
from hive.store import ParticipantRecord, Store, participants
from hive.store.transaction import Op

ReadConfig = Callable[[], HiveConfig]
"""Reads hive.toml; blocks. Raises ConfigError for a file that cannot be used."""


@frozen
class ReloadServices:
    """The objects of the hive that a reload uses."""

    store: Store
    registry: Registry
    lifecycle: Lifecycle
    supervision: Supervision
    broker: BrokerService
    events: EventLog
    clock: Clock
    settings: LiveSettings
    checks: StartChecks


class Reloader:
    """Applies hive.toml to a running hive.

    Args:
        config: The configuration that the daemon was started with.
        read: Reads the file; None for a daemon without one.
        services: The objects of the hive.

    Attributes:
        config: The configuration in force.
        latest: hive.toml as it was read last; a move or a reload that was refused reads it, too.
    """

    def __init__(
        self, config: HiveConfig, read: ReadConfig | None, services: ReloadServices
    ) -> None:
        self.config = self.latest = config
        self._read = read
        self._services = services
        self._lock = asyncio.Lock()

    async def reload(self, *, dry_run: bool = False, prune: bool = False) -> ReloadPlan:
        """Apply the file; return what differed.

        Args:
            dry_run: Change nothing.
            prune: Remove the participants that the file no longer has; their state and mail stay.

        Raises:
            ConfigError: The file cannot be used, something that a new or changed agent names is
                missing, or the daemon has no file; nothing was changed.
            ConflictError: It contradicts the hive; nothing was changed.
            FailedError: It is in force, but not all of it could be carried out.
        """
        if self._read is None:
            raise ConfigError(
                "this daemon runs without a hive.toml; start it with 'serve --config FILE'"
            )
        async with self._lock:
            config = self.latest = await asyncio.to_thread(self._read)
            records = {each.name: each.record for each in self._services.registry}
            plan = plan_reload(self.config, config, records, prune=prune)
            if plan.conflicts:
                raise ConflictError(f"nothing is changed: {'; '.join(plan.conflicts)}")
            await asyncio.to_thread(self._check_programs, config, plan)
            if not dry_run:
                failed = [*await self._apply(config), *(await self._prune(plan) if prune else ())]
                self._services.events.record(
                    EventKind.RELOADED, None, changes=len(plan.changes), prune=prune or None
                )
                if failed:
                    raise FailedError("; ".join(failed))
        return plan

    def _check_programs(self, config: HiveConfig, plan: ReloadPlan) -> None:
        """Check what the agents that are new, or wait for a restart, name on this machine. Blocks.

        Raises:
            ConfigError: Something is missing.
        """
        agents = config.all_agents()
        problems = [
            problem
            for change in plan.changes
            if change.name in agents and change.concerns_start
            for problem in self._services.checks.problems(agents[change.name], change.path)
        ]
        if problems:
            raise ConfigError(f"nothing is changed: {'; '.join(problems)}")

    async def present(self) -> HiveConfig:
        """Return hive.toml as it is now; the configuration in force if it cannot be used."""
        if self._read is None:
            return self.config
        try:
            self.latest = await asyncio.to_thread(self._read)
        except ConfigError:
            return self.config
        return self.latest

    async def not_in_force(self, name: str) -> tuple[str, ...]:
        """Return the keys of an agent that hive.toml has otherwise, until the next reload."""
        record = self._services.registry.get(name).record
        plan = plan_reload(self.config, await self.present(), {record.name: record})
        changes = [change for change in plan.changes if change.name == record.name]
        return tuple(sorted(key.path for change in changes for key in change.keys))

    async def _apply(self, config: HiveConfig) -> list[str]:
        """Write the records, then carry the changes out; return why some could not be."""
        now = self._services.clock.now()
        # Not those of the plan: requests may have changed or removed participants since.
        records = {each.name: each.record for each in self._services.registry}
        wanted, _ = reconcile(config, records, now)
        changed = [record for record in wanted if records.get(record.name) != record]
        await self._services.store.write(_upsert_all(changed))
        # What waits for the daemon's restart stays, and shows as changed until then.
        self.config = in_force(self.config, config)
        self._services.settings.apply(self.config)
        failed: list[str] = []
        for record in changed:
            carry_out = self._change if record.name in records else self._add
            failed += await _failure(record.name, carry_out(record))
        return failed

    async def _change(self, record: ParticipantRecord) -> None:
        """Change a participant in memory to what was written."""
        registry = self._services.registry
        if record.name not in registry:
            return  # it was removed meanwhile
        participant = registry.get(record.name)
        former = participant.settings.groups if isinstance(participant, Agent) else ()
        participant.change(
            manifest=record.manifest,
            origin=record.origin,
            description=record.description,
            broadcast=record.broadcast,
        )
        registry.changed(participant)
        self._services.broker.add_participant(participant.record)
        if isinstance(participant, Agent):
            wanted = participant.settings.groups
            await join_groups(self._services.broker, participant.name, wanted, former)

    async def _add(self, record: ParticipantRecord) -> None:
        """Add a new participant and start it, unless it is an agent without autostart."""
        services = self._services
        if record.name in services.registry:
            return  # another request has added it meanwhile
        others = [each.record for each in services.registry]
        participant = services.registry.join(joining(record, others, services.clock.now()))
        if participant.record.frozen_at is not None:
            services.registry.save_soon(participant)
        services.broker.add_participant(participant.record)
        if isinstance(participant, Peer):
            await services.supervision.start_peer(participant)
        elif isinstance(participant, Agent) and participant.is_to_run:
            await services.supervision.start_agent(participant)

    async def _prune(self, plan: ReloadPlan) -> list[str]:
        """Remove what is left over; return why some could not be removed."""
        lifecycle, failed = self._services.lifecycle, list[str]()
        for change in plan.changes:
            if change.difference is not Difference.LEFT_OVER or change.name is None:
                continue
            if change.table == "peers":
                removing = lifecycle.unregister_peer(change.name, force=True)
            else:
                removing = lifecycle.forget(change.name)
            failed += await _failure(change.name, removing)
        return failed


async def _failure(name: str, work: Awaitable[None]) -> list[str]:
    """Wait for what is done about one participant; return why it failed, if it did."""
    try:
        await work
    except HiveError as error:
        return [f"{name}: {error}"]
    return []


def _upsert_all(records: list[ParticipantRecord]) -> Op[None]:
    def op(connection: sqlite3.Connection) -> None:
        for record in records:
            participants.upsert(record)(connection)

    return op
