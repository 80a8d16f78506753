"""The settings of a participant as they are in force, each with where it comes from. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from hive.config import ClaudeConfig, Containers, HiveConfig, RestartPolicy
from hive.config.agent_schema import AGENT, RESTART
from hive.config.claude_schema import CLAUDE
from hive.config.hive_schema import CONTAINERS
from hive.config.table_schema import Key, Table
from hive.names import CLAUDE_DRIVER
from hive.participants.manifest_changes import shown
from hive.participants.participant import settings_of_json
from hive.store import Kind, ParticipantOrigin, ParticipantRecord

DEFAULT = "default"

_SHORT = 12


@frozen
class Setting:
    """One setting.

    Attributes:
        key: The key, with the tables around it.
        value: Its value as JSON; None for none.
        source: Where it comes from.
    """

    key: str
    value: str | None
    source: str


def settings_of(record: ParticipantRecord, config: HiveConfig) -> list[Setting]:
    """Return the settings of a participant.

    Args:
        record: The participant.
        config: The configuration of the hive, which a manifest inherits from.
    """
    if record.kind is Kind.PEER:
        return list(_of_peer(record))
    return list(_of_agent(record, config))


def source_of(record: ParticipantRecord) -> str:
    """Return where the settings of a participant come from, in words."""
    match record.origin:
        case ParticipantOrigin.CONFIG:
            return "hive.toml"
        case ParticipantOrigin.REPOSITORY:
            return f"agent.toml of {(record.applied or '')[:_SHORT]}"
        case _:
            return "the command that created it"


def _of_agent(record: ParticipantRecord, config: HiveConfig) -> Iterator[Setting]:
    """Yield every key of a manifest; what it leaves to the hive has the value of the hive."""
    manifest, source = settings_of_json(record.manifest), source_of(record)
    for key in AGENT.keys:
        value = getattr(manifest, key.attribute)
        if key.name == "restart":
            yield from _policy(manifest.restart or config.restart, config, source)
        elif key.name == "claude":
            if value is not None or manifest.driver == CLAUDE_DRIVER:
                yield from _of_table(CLAUDE, value or ClaudeConfig(), "claude.", source)
        elif value is None and getattr(config.containers, key.attribute, None) is not None:
            yield _of_containers(key, config)
        else:
            yield from _of_key(AGENT, key, manifest, "", source)
    if config.containers != Containers():
        for key in CONTAINERS.keys:
            if key.name in {"programs", "bind"}:
                yield from _of_key(
                    CONTAINERS, key, config.containers, "containers.", "[containers]"
                )


def _of_table(table: Table[Any], model: Any, path: str, source: str) -> Iterator[Setting]:
    for key in table.keys:
        yield from _of_key(table, key, model, path, source)


def _of_key(table: Table[Any], key: Key, model: Any, path: str, source: str) -> Iterator[Setting]:
    value = getattr(model, key.attribute)
    written = None if value is None else key.kind.write(value)
    found = DEFAULT if value == table.default(key) else source
    for inner, item in _flat({f"{path}{key.name}": written}):
        yield Setting(inner, shown(inner, item), found)


def _policy(policy: RestartPolicy, config: HiveConfig, source: str) -> Iterator[Setting]:
    """Yield the restart policy: a key that is as in [restart] comes from there."""
    for key in RESTART.keys:
        is_own = getattr(policy, key.attribute) != getattr(config.restart, key.attribute)
        yield from _of_key(RESTART, key, policy, "restart.", source if is_own else "[restart]")


def _of_containers(key: Key, config: HiveConfig) -> Setting:
    """Return a setting that all containers of the hive share."""
    value = getattr(config.containers, key.attribute)
    is_default = value == getattr(Containers(), key.attribute)
    written = shown(key.name, key.kind.write(value))
    return Setting(key.name, written, DEFAULT if is_default else "[containers]")


def _of_peer(record: ParticipantRecord) -> Iterator[Setting]:
    values = {
        "broadcast": record.broadcast,
        "description": record.description,
        **json.loads(record.manifest or "{}"),
    }
    for key, value in values.items():
        is_default = value in {None, False}
        yield Setting(key, shown(key, value), DEFAULT if is_default else source_of(record))


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value:
            yield from _flat(value, inner)
        else:
            yield inner, value
