"""TOML text of a manifest: only what differs from the defaults, as a person would write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hive.config.agent_schema import AGENT
from hive.config.model import AgentManifest

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def manifest_values(manifest: AgentManifest) -> dict[str, Any]:
    """Return the TOML values of a manifest's keys; those with the default are left out."""
    return AGENT.write(manifest)


def to_toml(values: Mapping[str, Any]) -> str:
    """Return TOML values as a text: keys first, then tables and arrays of tables."""
    return "\n".join([*_table((), values), ""]).lstrip("\n")


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if _is_table(value)}
    for key, value in values.items():
        if key not in tables:
            yield f"{_key(key)} = {toml_value(value)}"
    for key, value in tables.items():
        inner = (*path, key)
        name = ".".join(map(_key, inner))
        if isinstance(value, dict):
            # A table of tables needs no header of its own.
            yield from () if value and all(map(_is_table, value.values())) else ("", f"[{name}]")
            yield from _table(inner, value)
        else:
            for item in value:
                yield from ("", f"[[{name}]]")
                yield from _table(inner, item)


def _is_table(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, dict) for item in value)
    return isinstance(value, dict)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """Return a value that is no table as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON escapes what TOML does, except for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
