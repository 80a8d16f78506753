"""The plan of a reload: what differs between hive.toml and the hive, and when it takes effect.

Pure: the daemon shows the plan, or carries it out as a whole. A table that is missing in the file
removes nothing by itself; its participant is left over until the operator prunes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs
from attrs import frozen

from hive.config import HiveConfig, manifest_to_json
from hive.config.hive_schema import HIVE
from hive.config.table_schema import Key, KeyPath, Table
from hive.names import MANAGER
from hive.participants.manifest_changes import (
    KeyChange,
    compare,
    compare_manifests,
)
from hive.participants.participant import peer_settings
from hive.participants.reconcile import conflicts_of
from hive.store import Kind, ParticipantOrigin, ParticipantRecord

Records = Mapping[str, ParticipantRecord]

SECTIONS = (
    *("name", "runtime", "containers", "limits", "machine", "retention", "restart", "otel"),
    *("notices", "web"),
)
"""Settings of the whole hive, by the key of hive.toml."""


class Effect(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    AT_RESTART = "at restart"
    """At the next start of the agent; `needs_update` is true until then."""
    DAEMON_RESTART = "at the daemon's restart"
    WEB_RESTART = "at the dashboard's restart"
    """The daemon itself uses it at once."""
    PRUNE = "with --prune"
    """Never by itself; with a reload that prunes it is `now`."""


class Difference(StrEnum):
    """How the file differs from the hive."""

    NEW = "new"
    CHANGED = "changed"
    LEFT_OVER = "left over"


EFFECTS = {
    "name": Effect.NOW,
    "runtime": Effect.DAEMON_RESTART,
    "containers": Effect.DAEMON_RESTART,
    "limits": Effect.NOW,
    "limits.lease": Effect.DAEMON_RESTART,
    "machine": Effect.DAEMON_RESTART,
    "machine.memory_pressure": Effect.NOW,
    "machine.cpu_pressure": Effect.NOW,
    "machine.io_pressure": Effect.NOW,
    "machine.pressure_wait": Effect.NOW,
    "machine.disk_free": Effect.NOW,
    "machine.starts": Effect.NOW,
    "retention": Effect.NOW,
    "restart": Effect.AT_RESTART,
    "otel": Effect.DAEMON_RESTART,
    "notices": Effect.NOW,
    "web": Effect.WEB_RESTART,
    "web.quiet_hours": Effect.NOW,
}
"""When a change of a section takes effect, or of a key that differs from its section.

Harnesses get the length of a lease when they connect, and agents that run may have a
`time_limit` that fits only the old one; what systemd and the logs of processes use is read once.
"""


def effect_of(path: str) -> Effect:
    """Return when a change of a setting of the whole hive takes effect; `path` is `limits.rate`."""
    return EFFECTS.get(path) or EFFECTS[path.partition(".")[0]]


def in_force(before: HiveConfig, after: HiveConfig) -> HiveConfig:
    """Return the configuration after a reload: what waits for the daemon's restart is as before."""
    sections = {}
    for name in SECTIONS:
        old, new = getattr(before, name), getattr(after, name)
        kept = {
            key.attribute: getattr(old, key.attribute)
            for key in _keys(name)
            if effect_of(f"{name}.{key.name}") is Effect.DAEMON_RESTART
        }
        if attrs.has(type(new)):
            sections[name] = attrs.evolve(new, **kept)
        else:
            sections[name] = old if effect_of(name) is Effect.DAEMON_RESTART else new
    return attrs.evolve(after, **sections)


def _keys(section: str) -> Sequence[Key]:
    """Return the keys of a section; none if it is no table."""
    (key,) = (each for each in HIVE.keys if each.name == section)
    return key.kind.read.keys if isinstance(key.kind.read, Table) else ()


@frozen
class Change:
    """One thing that differs.

    Attributes:
        table: The table of hive.toml: `agents`, `manager`, `peers`, or a section.
        name: The participant; None for a section.
        difference: How it differs.
        effect: When it takes effect.
        keys: The keys that differ.
    """

    table: str
    name: str | None
    difference: Difference
    effect: Effect
    keys: tuple[KeyChange, ...] = ()

    @property
    def path(self) -> KeyPath:
        """The table that it is about, as a path."""
        if self.name is None or self.name == MANAGER:
            return (self.table,)
        return (self.table, self.name)

    @property
    def concerns_start(self) -> bool:
        """Whether the next start of an agent depends on it."""
        return self.difference is Difference.NEW or self.effect is Effect.AT_RESTART


@frozen
class ReloadPlan:
    """What a reload does.

    Attributes:
        changes: In the order of the file.
        conflicts: Why the file cannot be applied, one sentence each; then nothing is.
    """

    changes: tuple[Change, ...] = ()
    conflicts: tuple[str, ...] = ()


def plan_reload(
    before: HiveConfig, after: HiveConfig, records: Records, *, prune: bool = False
) -> ReloadPlan:
    """Return what differs.

    Args:
        before: The configuration that the daemon runs with.
        after: That of the file.
        records: All participants.
        prune: Whether the reload removes what is left over.
    """
    return ReloadPlan(
        (
            *_sections(before, after),
            *_agents(after, records),
            *_peers(after, records),
            *_left_over(after, records, Effect.NOW if prune else Effect.PRUNE),
        ),
        tuple(conflicts_of(after, records)),
    )


def _sections(before: HiveConfig, after: HiveConfig) -> Iterator[Change]:
    """Yield the changes of each section, one for each time at which keys of it take effect."""
    for name in SECTIONS:
        found = compare(_plain(name, before), _plain(name, after), name)
        for effect in Effect:
            keys = tuple(key for key in found if effect_of(_key_of(key.path)) is effect)
            if keys:
                yield Change(name, None, Difference.CHANGED, effect, keys)


def _key_of(path: str) -> str:
    """Return the key of a section, without what is inside its value."""
    return ".".join(path.split(".")[:2])


def _agents(config: HiveConfig, records: Records) -> Iterator[Change]:
    for name, manifest in config.all_agents().items():
        table = "manager" if name == MANAGER else "agents"
        known = records.get(name)
        if known is None:
            yield Change(table, name, Difference.NEW, Effect.NOW)
        elif known.kind is not Kind.PEER:
            found = compare_manifests(known.manifest, manifest_to_json(manifest))
            for effect in (Effect.NOW, Effect.AT_RESTART):
                keys = tuple(key for key in found if _effect_of_key(key) is effect)
                if keys:
                    yield Change(table, name, Difference.CHANGED, effect, keys)


def _effect_of_key(key: KeyChange) -> Effect:
    return Effect.AT_RESTART if key.needs_restart else Effect.NOW


def _peers(config: HiveConfig, records: Records) -> Iterator[Change]:
    for name, peer in config.peers.items():
        known = records.get(name)
        if known is None:
            yield Change("peers", name, Difference.NEW, Effect.NOW)
        elif known.kind is Kind.PEER:
            keys = compare(
                {
                    "broadcast": known.broadcast,
                    "description": known.description,
                    **json.loads(known.manifest or "{}"),
                },
                {
                    "broadcast": peer.broadcast,
                    "description": peer.description,
                    **json.loads(peer_settings(peer.observe) or "{}"),
                },
            )
            if keys:
                yield Change("peers", name, Difference.CHANGED, Effect.NOW, keys)


def _left_over(config: HiveConfig, records: Records, effect: Effect) -> Iterator[Change]:
    present = {*config.all_agents(), *config.peers}
    for record in records.values():
        if record.origin is ParticipantOrigin.CONFIG and record.name not in present:
            yield Change(table_of(record), record.name, Difference.LEFT_OVER, effect)


def table_of(record: ParticipantRecord) -> str:
    """Return the table of hive.toml that describes a participant."""
    if record.kind is Kind.PEER:
        return "peers"
    return "manager" if record.kind is Kind.MANAGER else "agents"


def _plain(section: str, config: HiveConfig) -> Any:
    """Return a section as JSON values, as hive.toml writes them."""
    value = getattr(config, section)
    keys = _keys(section)
    if not keys:
        return None if value is None else str(value)
    return {
        key.name: None
        if (found := getattr(value, key.attribute)) is None
        else key.kind.write(found)
        for key in keys
    }
