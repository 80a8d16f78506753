"""The tools as models see them are those of the snapshot `tools.json`.

After a change that is meant: python -m tests.mcp.test_tool_schemas > tests/mcp/tools.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from hive.client.agent import AgentClient
from hive.harness.tools import ModelTool, SessionMail, for_kind

SNAPSHOT = Path(__file__).with_name("tools.json")

MANAGERS = [
    *("kill", "start", "restart", "update"),
    *("request_spawn", "request_apply_commit", "get_logs"),
    *("request_init_config", "request_schedule", "request_adopt", "request_release"),
    "request_update_inputs",
]


def tools(*, manager: bool = True) -> tuple[ModelTool, ...]:
    client = AgentClient(Path("/nonexistent"))
    return for_kind(client, manager=manager, mail=SessionMail(client))


def shown() -> list[dict[str, Any]]:
    return [
        {"name": tool.name, "description": tool.description, "schema": tool.schema}
        for tool in tools()
    ]


def test_the_tools_are_those_of_the_snapshot():
    assert shown() == json.loads(SNAPSHOT.read_text())


def test_only_the_manager_controls_others():
    others = [tool.name for tool in tools(manager=False)]
    assert [tool.name for tool in tools()] == [*others, *MANAGERS]


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: cast("ModelTool", tool).name)
def test_a_schema_uses_only_keys_that_every_client_accepts(tool):
    Draft202012Validator.check_schema(tool.schema)
    assert tool.schema["type"] == "object"
    assert tool.schema["additionalProperties"] is False
    assert not {"$ref", "anyOf", "oneOf"} & set(words(tool.schema))
    for name, argument in tool.schema["properties"].items():
        assert argument["description"].endswith("."), name
    assert tool.description.endswith(".")
    assert len(tool.description) < 400


def words(schema: object) -> Iterator[str]:
    """Yield every key of a schema, at any depth."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            yield from words(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from words(value)


if __name__ == "__main__":
    print(json.dumps(shown(), indent=1))  # noqa: T201
