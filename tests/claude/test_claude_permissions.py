"""Tools that the manifest allows."""

from __future__ import annotations

from hive.harness.claude.permissions import allow_rules, offered_tools, unexpected_tools
from hive.wire.claude import ClaudeConfig, McpServer

SETTINGS = ClaudeConfig(
    tools=("Read", "Bash(git:*)", "Bash(make:*)"),
    mcp={"x": McpServer(run=("x",), tools=("go",)), "y": McpServer(url="http://y")},
)


def test_only_tools_that_a_rule_names_are_offered() -> None:
    assert offered_tools(SETTINGS) == ("Read", "Bash")
    assert allow_rules(SETTINGS) == (*SETTINGS.tools, "mcp__hive__*", "mcp__x__go", "mcp__y__*")


def test_tools_beyond_the_manifest_are_found() -> None:
    fine = ["Read", "Bash", "mcp__hive__send", "mcp__x__go", "mcp__x__other"]
    assert unexpected_tools(SETTINGS, fine) == ()
    assert unexpected_tools(SETTINGS, [*fine, "Write", "mcp__z__a"]) == ("Write", "mcp__z__a")
    assert unexpected_tools(SETTINGS, ["Bash"]) == (), "less is no danger"
