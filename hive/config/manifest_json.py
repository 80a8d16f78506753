"""A manifest as JSON, the form in which the store keeps it. Its keys are those of `agent.toml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec

from hive.config.hive_schema import AGENT
from hive.config.model import AgentManifest
from hive.config.readers import Wrong
from hive.config.schema import Place, Reported
from hive.errors import ConfigError


def manifest_to_json(manifest: AgentManifest) -> str:
    """Return a manifest as one line of JSON; equal manifests give equal lines."""
    return json.dumps(_plain(manifest), sort_keys=True, separators=(",", ":"))


def manifest_from_json(text: str) -> AgentManifest:
    """Return the manifest that `manifest_to_json` wrote, or one of the same form.

    Raises:
        ConfigError: When the text is not such a manifest.
    """
    place = Place(Path("/"))
    try:
        return AGENT(json.loads(text), place)
    except json.JSONDecodeError as error:
        raise ConfigError(f"this manifest is not JSON: {error}") from None
    except Wrong as wrong:
        raise ConfigError(f"this is not a manifest: {wrong}") from None
    except Reported:
        sentences = "; ".join(map(str, place.problems))
        raise ConfigError(f"this manifest cannot be used: {sentences}") from None


def driver_settings(manifest: AgentManifest) -> str | None:
    """Return what the manifest tells its driver, as one line of JSON; None if it is nothing."""
    if manifest.claude is None:
        return None
    return json.dumps(_plain(manifest.claude), sort_keys=True, separators=(",", ":"))


_KEYS = {key.attribute: key.name for key in AGENT.keys}


def _plain(value: Any) -> Any:
    """Turn model values into what JSON has, leaving out what is not set."""
    if attrs.has(type(value)):
        names = _KEYS if isinstance(value, AgentManifest) else {}
        fields = attrs.asdict(value, recurse=False)
        return _set({names.get(name, name): held for name, held in fields.items()})
    if isinstance(value, msgspec.Struct):
        return _set(msgspec.structs.asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(held) for name, held in fields.items() if held is not None}
