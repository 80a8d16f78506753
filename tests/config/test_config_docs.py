"""docs/configuration.md lists every key with its default, and no other."""

import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from hive.config import (
    AgentManifest,
    Bind,
    ClaudeConfig,
    Containers,
    HiveConfig,
    Limits,
    McpServer,
    PeerConfig,
    RestartPolicy,
    Retention,
    load,
    load_manifest,
)
from hive.config.claude_schema import CLAUDE, MCP_SERVER
from hive.config.hive_schema import AGENT, BIND, CONTAINERS, HIVE, LIMITS, PEER, RESTART, RETENTION
from hive.config.table_schema import ReadContext, Table

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

NONE = "\N{EN DASH}"

SECTIONS = [
    ("The file", HIVE, HiveConfig),
    ("[containers]", CONTAINERS, Containers),
    ("[limits]", LIMITS, Limits),
    ("[retention]", RETENTION, Retention),
    ("[restart]", RESTART, RestartPolicy),
    ("[agents.NAME] and [manager]", AGENT, AgentManifest),
    ("[agents.NAME.claude]", CLAUDE, ClaudeConfig),
    ("[agents.NAME.claude.mcp.SERVER]", MCP_SERVER, McpServer),
    ("[[agents.NAME.bind]]", BIND, Bind),
    ("[peers.NAME]", PEER, PeerConfig),
]


def rows(section: str) -> dict[str, str]:
    """Return the default, as it is written, of each key of a section."""
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", text, re.MULTILINE))


@pytest.mark.parametrize(("section", "table", "model"), SECTIONS)
def test_every_key_and_its_default_is_documented(
    section: str, table: Table[Any], model: type
) -> None:
    written = rows(section)
    assert list(written) == [key.name for key in table.keys]
    defaults = defaults_of(model)
    for key in table.keys:
        default = defaults[key.attribute]
        if written[key.name].startswith("`"):
            value = tomllib.loads(f"x = {written[key.name].strip('`')}")["x"]
            assert key.read(value, ReadContext(Path("/"))) == default_of(default)
        elif written[key.name] == NONE:
            empty = (None, attrs.NOTHING, {})
            assert key.required or default_of(default) in empty
        else:
            assert default == type(default)()


def defaults_of(model: type) -> dict[str, Any]:
    """Return the default of each attribute of a model."""
    if attrs.has(model):
        return {each.name: each.default for each in attrs.fields(model)}
    return msgspec.structs.asdict(model())


def default_of(default: Any) -> Any:
    return default.factory() if isinstance(default, attrs.Factory) else default


def test_the_examples_are_valid(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    hive, claude, agent = examples
    (tmp_path / "hive.toml").write_text(hive + claude)
    (tmp_path / "agent.toml").write_text(agent)
    assert list(load(tmp_path / "hive.toml").all_agents()) == ["hm1nd", "alice", "bob", "coder"]
    assert load_manifest(tmp_path / "agent.toml").time_limit == 300.0
