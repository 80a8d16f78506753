"""The operator's configuration: `hive.toml`, and the manifest of one agent.

`load` reads a whole hive, `load_manifest` one agent; both report every problem of a file at once.

`model` has the values, `hive_schema`, `web_schema`, `agent_schema` and `claude_schema` the keys of
each TOML table, `readers` the readers of single values, `kinds` and `container_kinds` their types
and forms. `table_schema` reads a table by its description, `loading` reads files and finds the line
of each problem, `fitting` finds what a hive cannot carry out, `existence` what a file names and the
machine lacks, `manifest_json` converts a manifest to JSON and back.
"""

from hive.config.loading import (
    MANIFEST_BYTES,
    MANIFEST_FILE,
    check,
    load,
    load_manifest,
    read_manifest,
)
from hive.config.manifest_json import driver_settings, manifest_from_json, manifest_to_json
from hive.config.model import (
    AgentManifest,
    Bind,
    Containers,
    HiveConfig,
    Limits,
    MachineProtection,
    Network,
    NoticesConfig,
    PeerConfig,
    RestartPolicy,
    RestartType,
    Retention,
    RuntimeName,
    WebConfig,
    in_units,
)
from hive.wire.claude import ClaudeConfig, Effort, McpServer

__all__ = [
    "MANIFEST_BYTES",
    "MANIFEST_FILE",
    "AgentManifest",
    "Bind",
    "ClaudeConfig",
    "Containers",
    "Effort",
    "HiveConfig",
    "Limits",
    "MachineProtection",
    "McpServer",
    "Network",
    "NoticesConfig",
    "PeerConfig",
    "RestartPolicy",
    "RestartType",
    "Retention",
    "RuntimeName",
    "WebConfig",
    "check",
    "driver_settings",
    "in_units",
    "load",
    "load_manifest",
    "manifest_from_json",
    "manifest_to_json",
    "read_manifest",
]
