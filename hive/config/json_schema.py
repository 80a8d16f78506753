"""The JSON schemas of `hive.toml` and of `agent.toml`, for editors and for other programs.

They describe the form of a file. What depends on other keys or on the machine, such as a key that
only one runtime supports, is found by `hive-c0re check`.
"""

from __future__ import annotations

from typing import Any

from hive.config.agent_schema import AGENT
from hive.config.hive_schema import HIVE
from hive.config.table_schema import Table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON schema."""

FILES: dict[str, tuple[str, Table[Any]]] = {
    "hive": ("hive.toml", HIVE),
    "agent": ("agent.toml", AGENT),
}
"""File name and table of each schema, by its name."""


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a file: "hive" or "agent"."""
    title, table = FILES[name]
    return {"$schema": DIALECT, "title": title, **table.schema}
