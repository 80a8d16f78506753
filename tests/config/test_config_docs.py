"""docs/configuration.md has the tables of the schema, and its examples are valid."""

import re
from pathlib import Path
from typing import Any

import pytest

from hive.config import load, load_manifest
from hive.config.table_schema import Key, ReadContext, Table
from tests.config_tables import PAGE, SECTIONS, with_tables

KEYS = [
    pytest.param(table, key, id=f"{heading} {key.name}")
    for heading, table in SECTIONS.items()
    for key in table.keys
]


def test_the_tables_are_those_of_the_schema() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text()), (
        "python -m tests.config_tables --write"
    )


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_default_as_it_is_written_is_the_default(table: Table[Any], key: Key) -> None:
    written = table.written_default(key)
    if written is None:
        assert key.required or table.default(key) is None
    else:
        assert key.kind.read(written, ReadContext(Path("/"))) == table.default(key)


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_meaning_is_one_line_without_an_end(table: Table[Any], key: Key) -> None:
    assert key.meaning
    assert not set("\n|") & set(key.meaning)
    assert key.meaning[-1] != "."


def test_the_examples_are_valid(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    hive, claude, credentials, agent = examples
    (tmp_path / "hive.toml").write_text(hive + claude)
    (tmp_path / "agent.toml").write_text(agent + credentials)
    assert list(load(tmp_path / "hive.toml").all_agents()) == ["hm1nd", "alice", "bob", "coder"]
    assert load_manifest(tmp_path / "agent.toml").time_limit == 300.0
