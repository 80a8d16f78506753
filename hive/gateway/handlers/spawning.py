"""The manifest of an agent that the operator spawns.

It is that of a text, a copy of an agent's, or only a program or a driver; program, variables,
directory, driver, time limit and description of the request replace those of the manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from hive.config import (
    AgentManifest,
    HiveConfig,
    manifest_from_json,
    manifest_to_json,
    read_manifest,
)
from hive.config.existence import Lookup, missing_of
from hive.config.fitting import misfits
from hive.config.toml_text import manifest_values, to_toml
from hive.errors import BadRequestError, ConfigError, ConflictError
from hive.participants.manifest_changes import masked
from hive.participants.registry import Registry
from hive.wire.host import Spawn


def requested_manifest(
    request: Spawn, registry: Registry, config: HiveConfig, runtime: str, lookup: Lookup
) -> AgentManifest:
    """Return the manifest of a new agent. Blocks: it reads the disk.

    Args:
        request: What the operator asks for.
        registry: The agents that can be copied.
        config: The hive that it has to fit.
        runtime: Name of the runtime that is to start it.
        lookup: Looks for programs and files.

    Raises:
        BadRequestError: The request contradicts itself, or names no program.
        ConfigError: The manifest cannot be used, with file and line where it is a text.
        UnknownNameError: There is no agent to be copied.
    """
    base = _base(request, registry, config)
    manifest = attrs.evolve(base, **_replaced(request, base))
    manifest = manifest_from_json(manifest_to_json(manifest))
    problems = [f"{key}: {sentence}" for key, sentence in misfits(manifest, config)]
    problems += map(str, missing_of(manifest, runtime, lookup))
    if problems:
        raise ConfigError(f"{request.name!r} is not created: {'; '.join(problems)}")
    return manifest


def shown_manifest(manifest: AgentManifest) -> str:
    """Return a manifest as an `agent.toml`; its secrets are not shown."""
    return to_toml(masked("", manifest_values(manifest)))


def _base(request: Spawn, registry: Registry, config: HiveConfig) -> AgentManifest:
    if request.manifest is not None and request.template is not None:
        raise BadRequestError("give 'manifest' (a text) or 'template' (an agent), not both")
    if request.manifest is not None:
        given = request.manifest_path
        path = None if given is None else _absolute("manifest_path", given)
        return read_manifest(request.manifest, path, config)
    if request.template is not None:
        return _copied(request.template, registry)
    if request.driver is None and (request.run is None) == (request.exec is None):
        raise BadRequestError(
            "'spawn' needs one of 'run' (a program for each message) and 'exec' (a program that is "
            "the agent itself), or a 'driver'"
        )
    return AgentManifest()


def _copied(name: str, registry: Registry) -> AgentManifest:
    agent = registry.to_copy(name)
    if agent.record.applied is not None:
        raise ConflictError(
            f"the configuration of {agent.name!r} comes from its repository, and its files belong "
            f"to that commit; 'hive-c0re init-config NEW --from {agent.name}' copies the "
            "repository, and 'hive-c0re propose NEW' submits the copy"
        )
    return agent.settings


def _replaced(request: Spawn, base: AgentManifest) -> dict[str, Any]:
    """Return what of a manifest the request replaces."""
    if request.run is not None and request.exec is not None:
        raise BadRequestError("give one of 'run' and 'exec', not both")
    found: dict[str, Any] = {}
    for key, other in (("run", "exec"), ("exec", "run")):
        words = getattr(request, key)
        if words is not None:
            if not words or not words[0]:
                raise BadRequestError("the program to run is empty")
            found |= {key: tuple(words), other: None}
    if request.env:
        found["env"] = {**base.env, **request.env}
    if request.cwd is not None:
        found["cwd"] = _absolute("cwd", request.cwd)
    for key in ("driver", "time_limit", "description"):
        value = getattr(request, key)
        found |= {} if value is None else {key: value}
    return found


def _absolute(field: str, path: str) -> Path:
    """Return a path of a request; a relative one would be in the daemon's directory."""
    found = Path(path)
    if not found.is_absolute():
        raise BadRequestError(f"{field!r} must be an absolute path, {path!r} is not")
    return found
