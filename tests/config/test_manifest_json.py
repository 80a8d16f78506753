"""Manifests as JSON."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config import (
    AgentManifest,
    Bind,
    ClaudeConfig,
    Effort,
    McpServer,
    RestartPolicy,
    RestartType,
    manifest_from_json,
    manifest_to_json,
)
from hive.errors import ConfigError

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
programs = st.tuples(st.sampled_from(["sh", "/bin/x"]), words)
seconds = st.floats(0.1, 1e6)
paths = st.sampled_from([Path("/"), Path("/a b"), Path("/ü")])
policies = st.builds(
    RestartPolicy,
    restart=st.sampled_from(RestartType),
    max_restarts=st.integers(0, 99),
    within=seconds,
    base=st.floats(0, 1),
    cap=st.floats(1, 99),
    reset_after=st.none() | seconds,
)
common = {
    "env": st.dictionaries(st.sampled_from(["A", "B_1"]), words),
    "cwd": st.none() | paths,
    "time_limit": seconds,
    "stop_timeout": seconds,
    "restart": st.none() | policies,
    "binds": st.lists(st.builds(Bind, paths, paths, st.booleans()), max_size=2).map(tuple),
    "autostart": st.booleans(),
    "description": st.none() | words,
}
servers = st.builds(McpServer, run=programs, env=common["env"], tools=st.none() | st.just(("a",)))
claudes = st.builds(
    ClaudeConfig,
    model=st.none() | st.just("m"),
    effort=st.none() | st.sampled_from(Effort),
    tools=st.sampled_from([(), ("Read", "Bash(git:*)")]),
    mcp=st.dictionaries(st.sampled_from(["one", "two"]), servers),
    day_budget=st.none() | st.floats(1, 9),
    compact_at=st.floats(0, 1),
)
manifests = (
    st.builds(AgentManifest, run=programs, **common)
    | st.builds(AgentManifest, exec=programs, **common)
    | st.builds(AgentManifest, driver=st.just("claude"), claude=st.none() | claudes, **common)
)


@given(manifests)
def test_a_manifest_survives_the_round_trip(manifest):
    text = manifest_to_json(manifest)
    assert "\n" not in text
    assert manifest_from_json(text) == manifest
    assert manifest_to_json(manifest_from_json(text)) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[]", "expected a table"),
        ('{"run":["x"],"tim_limit":1}', "did you mean 'time_limit'"),
        ('{"run":["x"],"autostart":1,"stop_timeout":0}', "autostart.*stop_timeout"),
    ],
)
def test_an_invalid_manifest_is_refused(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        manifest_from_json(text)
