"""What differs between two manifests, key by key, without their secrets. Pure.

Manifests are compared as JSON. A key that is missing in one, as in one of an earlier version, has
its default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from attrs import frozen

from hive.config import AgentManifest, manifest_to_json
from hive.config.agent_schema import AGENT, RESTART
from hive.config.table_schema import Table

SECRET = "(secret)"  # noqa: S105 - what is shown in place of one
"""Shown in place of a value that may be a secret."""

AT_ONCE = frozenset({"description", "autostart", "project", "broadcast", "groups"})
"""Keys of a manifest that need no restart of the agent."""

_SECRETS = frozenset({"env"})
"""Keys, at any depth, whose values may be secrets."""

_SECRETS_OF_SERVERS = frozenset({"run", "url"})
"""Keys of an MCP server whose values may be secrets."""

_SHOWN_MAX = 200


def _writers(table: Table[Any], path: str = "") -> Iterator[tuple[str, Callable[[Any], str]]]:
    """Yield the keys of a manifest whose values are durations or sizes, and what writes each."""
    for key in table.keys:
        write = key.kind.write
        if key.kind.word == "duration":
            yield f"{path}{key.attribute}", partial(_with_unit, write, "s")
        elif key.kind.word == "size":
            yield f"{path}{key.attribute}", partial(_with_unit, write, "B")


def _with_unit(write: Callable[[Any], Any], unit: str, value: float) -> str:
    written = write(value)
    return written if isinstance(written, str) else f"{written:g}{unit}"


_WITH_UNITS = {**dict(_writers(AGENT)), **dict(_writers(RESTART, "restart."))}
"""What writes the value of a key, by the key, where its number has a unit."""

_DEFAULTS: dict[str, Any] = json.loads(manifest_to_json(AgentManifest()))


@frozen
class KeyChange:
    """One key with another value. A value is as in JSON; None stands for no value.

    Attributes:
        path: The key, with the tables around it: `claude.model`.
        before: The value of the hive.
        after: The value of the file.
    """

    path: str
    before: str | None
    after: str | None

    @property
    def needs_restart(self) -> bool:
        """Whether it takes effect at the next start of the agent, not at once."""
        return self.path.partition(".")[0] not in AT_ONCE

    def __str__(self) -> str:
        if self.before == self.after == SECRET:
            return f"{self.path}: changed"
        return f"{self.path}: {self.before or '-'} -> {self.after or '-'}"


def compare_manifests(before: str | None, after: str | None) -> tuple[KeyChange, ...]:
    """Return the keys by which two manifests in JSON differ; secrets are not shown."""
    return compare(
        {**_DEFAULTS, **json.loads(before or "{}")}, {**_DEFAULTS, **json.loads(after or "{}")}
    )


def needs_restart(started: str | None, manifest: str | None) -> bool:
    """Return whether an agent that was started with one manifest needs a restart for another."""
    if started is None or started == manifest:
        return False
    return any(change.needs_restart for change in compare_manifests(started, manifest))


def compare(before: Any, after: Any, path: str = "") -> tuple[KeyChange, ...]:
    """Return the keys by which two JSON values differ."""
    if before == after:
        return ()
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[KeyChange] = []
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else str(key)
            found += compare(before.get(key), after.get(key), inner)
        return tuple(found)
    return (KeyChange(path, shown(path, before), shown(path, after)),)


def shown(path: str, value: Any) -> str | None:
    """Return a value as JSON, see `masked`, at most some 200 characters; None for none."""
    if value is None:
        return None
    text = json.dumps(masked(path, value), ensure_ascii=False)
    if text == json.dumps(SECRET):
        return SECRET
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def masked(path: str, value: Any) -> Any:
    """Return a value with `SECRET` in place of each one inside that may be a secret.

    A number of seconds or of bytes gets its unit, as agent.toml writes it.

    Args:
        path: Its key, with the tables around it.
        value: A JSON value.
    """
    if isinstance(value, dict):
        return {key: masked(f"{path}.{key}" if path else key, item) for key, item in value.items()}
    if path in _WITH_UNITS and isinstance(value, int | float):
        return _WITH_UNITS[path](value)
    return SECRET if _is_secret(path.split(".")) and value not in (None, []) else value


def _is_secret(keys: list[str]) -> bool:
    of_server = "mcp" in keys and not _SECRETS_OF_SERVERS.isdisjoint(keys)
    return of_server or not _SECRETS.isdisjoint(keys)
