"""The JSON schemas accept what the loader accepts, and refuse what is wrong in its form."""

import json
import re
import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hive.config.json_schema import json_schema
from tests.config.test_loading import CONTAINERS, FULL
from tests.config_tables import PAGE


def refused(name: str, text: str) -> list[str]:
    validator = Draft202012Validator(json_schema(name))
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def test_they_are_schemas() -> None:
    for name in ("agent", "hive"):
        Draft202012Validator.check_schema(json_schema(name))
        assert json.loads(json.dumps(json_schema(name))) == json_schema(name)


@pytest.mark.parametrize("text", [FULL, CONTAINERS, ""])
def test_files_that_can_be_read_are_valid(text: str) -> None:
    assert refused("hive", text) == []


def test_the_examples_of_the_documentation_are_valid() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    hive, claude, credentials, agent = examples
    assert refused("hive", hive + claude) == []
    assert refused("agent", agent + credentials) == []


@pytest.mark.parametrize(
    "text",
    [
        "colour = 1",
        'time_limit = "15min"',
        "tasks_max = 0",
        "env = { A = 3 }",
        'network = "bridge"',
        "[restart]\nmax_restart = 3",
        '[[bind]]\nsource = "/a"',
        '[claude]\neffort = "much"',
    ],
)
def test_mistakes_in_the_form_are_refused(text: str) -> None:
    assert len(refused("agent", text)) == 1


def walk(schema: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for name, key in schema.get("properties", {}).items():
        found += [f"{path}{name}"] if not key.get("description") else []
        found += walk(key, f"{path}{name}.")
    return found


def test_every_key_is_described_without_markdown_links() -> None:
    assert walk(json_schema("hive")) == []
    assert "](" not in json.dumps(json_schema("hive"))
