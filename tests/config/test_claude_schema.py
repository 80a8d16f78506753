"""Settings of the driver `claude` in a manifest, and their reading by the driver."""

from pathlib import Path

import pytest

from hive.config import AgentManifest, ClaudeConfig, McpServer, driver_settings, load
from hive.errors import ConfigError
from hive.wire.claude import settings_of

ALICE = '[agents.alice]\ndriver = "claude"\n[agents.alice.claude]\n'


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "hive.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('modle = "x"', "there is no such key; did you mean 'model'?"),
        ('effort = "hihg"', "did you mean 'high'?"),
        ('tools = ["Read it"]', 'expected a tool such as "Read"'),
        ('tools = ["mcp__x__y"]', "allowed by 'tools' in [claude.mcp.NAME]"),
        ('tools = ["SendMessage"]', "an agent has one inbox"),
        ("compact_at = 75", "expected a number from 0 to 1"),
        ("turn_budget = 0", "a budget of 0 allows no work"),
        ("turn_budget = 5\nday_budget = 2", "may not cost more than a whole day"),
        ('model = ""', "expected a text"),
        ('[agents.alice.claude.mcp.hive]\nrun = ["x"]', "the server of the hive's own tools"),
        ("[agents.alice.claude.mcp.x]", "either a program ('run') or an address ('url')"),
        ('[agents.alice.claude.mcp.x]\nurl = "ftp://a"', "expected an address"),
        ('[agents.alice.claude.mcp."a b"]\nrun = ["x"]', "is no name for a server"),
    ],
)
def test_a_mistake_is_reported(tmp_path: Path, line: str, sentence: str) -> None:
    assert sentence in problems(tmp_path, ALICE + line)


def test_settings_of_another_driver_are_an_error(tmp_path: Path) -> None:
    text = '[agents.alice]\nrun = ["true"]\n[agents.alice.claude]\nmodel = "x"'
    assert "this is for the driver 'claude'" in problems(tmp_path, text)
    text = '[agents.alice]\ndriver = "claude"\nrun = ["true"]'
    assert "no program for each message" in problems(tmp_path, text)


def test_the_driver_reads_the_settings_of_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text(
        ALICE
        + 'model = "m"\neffort = "max"\ntools = ["Read"]\nday_budget = 2\n'
        + '[agents.alice.claude.mcp.x]\nrun = ["x", "-v"]\ntools = ["go"]\nenv = { A = "b" }\n'
    )
    read = settings_of(driver_settings(load(path).agents["alice"]))
    server = McpServer(run=("x", "-v"), tools=("go",), env={"A": "b"})
    assert read == ClaudeConfig(
        model="m", effort="max", tools=("Read",), day_budget=2.0, mcp={"x": server}
    )


def test_without_settings_the_driver_uses_the_defaults() -> None:
    assert driver_settings(AgentManifest(driver="claude")) is None
    settings = driver_settings(AgentManifest(driver="claude", claude=ClaudeConfig()))
    assert settings_of(settings) == settings_of(None) == ClaudeConfig()


def test_settings_of_another_version_are_refused() -> None:
    with pytest.raises(ConfigError, match="not for this driver"):
        settings_of('{"colour": "blue"}')
