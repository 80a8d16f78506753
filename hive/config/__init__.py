"""The operator's configuration: `hive.toml`, and the manifest of one agent.

`load` reads a whole hive, `load_manifest` one agent; both report every problem of a file at once.

`model` has the values, `hive_schema` and `claude_schema` the keys of each TOML table, `readers` the
readers of single values. `table_schema` reads a table by its description, `loading` reads files and
finds the line of each problem, `manifest_json` converts a manifest to JSON and back.
"""

from hive.config.loading import load, load_manifest
from hive.config.manifest_json import driver_settings, manifest_from_json, manifest_to_json
from hive.config.model import (
    AgentManifest,
    Bind,
    Containers,
    HiveConfig,
    Limits,
    Network,
    PeerConfig,
    RestartPolicy,
    RestartType,
    Retention,
    RuntimeName,
)
from hive.wire.claude import ClaudeConfig, Effort, McpServer

__all__ = [
    "AgentManifest",
    "Bind",
    "ClaudeConfig",
    "Containers",
    "Effort",
    "HiveConfig",
    "Limits",
    "McpServer",
    "Network",
    "PeerConfig",
    "RestartPolicy",
    "RestartType",
    "Retention",
    "RuntimeName",
    "driver_settings",
    "load",
    "load_manifest",
    "manifest_from_json",
    "manifest_to_json",
]
