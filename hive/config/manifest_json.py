"""Manifests as JSON, as the store holds them. The keys are those of `agent.toml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec

from hive.config.agent_schema import AGENT
from hive.config.model import AgentManifest
from hive.config.readers import InvalidValueError
from hive.config.table_schema import ProblemsReportedError, ReadContext
from hive.errors import ConfigError


def manifest_to_json(manifest: AgentManifest) -> str:
    """Return a manifest as one line of JSON; equal manifests give equal lines."""
    return json.dumps(_plain(manifest), sort_keys=True, separators=(",", ":"))


def manifest_from_json(text: str) -> AgentManifest:
    """Return the manifest from a text in the form of `manifest_to_json`.

    Raises:
        ConfigError: When the text is not such a manifest.
    """
    context = ReadContext(Path("/"))
    try:
        return AGENT(json.loads(text), context)
    except json.JSONDecodeError as error:
        raise ConfigError(f"this manifest is not JSON: {error}") from None
    except InvalidValueError as error:
        raise ConfigError(f"this is not a manifest: {error}") from None
    except ProblemsReportedError:
        sentences = "; ".join(map(str, context.problems))
        raise ConfigError(f"this manifest cannot be used: {sentences}") from None


def driver_settings(manifest: AgentManifest) -> str | None:
    """Return the manifest's settings of the driver as one line of JSON; None without settings."""
    if manifest.claude is None:
        return None
    return json.dumps(_plain(manifest.claude), sort_keys=True, separators=(",", ":"))


_KEYS = {key.attribute: key.name for key in AGENT.keys}


def _plain(value: Any) -> Any:
    """Convert a model value to JSON types; None values are left out."""
    if attrs.has(type(value)):
        names = _KEYS if isinstance(value, AgentManifest) else {}
        fields = attrs.asdict(value, recurse=False)
        return _drop_none({names.get(name, name): item for name, item in fields.items()})
    if isinstance(value, msgspec.Struct):
        return _drop_none(msgspec.structs.asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _drop_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(item) for name, item in fields.items() if item is not None}
