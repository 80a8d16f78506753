"""Manifests as TOML text: read again, they are the same."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hive.config import (
    AgentManifest,
    Bind,
    ClaudeConfig,
    McpServer,
    Network,
    RestartPolicy,
    RestartType,
    read_manifest,
)
from hive.config.toml_text import manifest_values, to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
PATHS = NAMES.map(lambda name: Path("/", name))
BINDS = st.builds(Bind, PATHS, PATHS, st.booleans())
SERVERS = st.builds(
    McpServer,
    run=st.lists(TEXT.filter(bool), min_size=1, max_size=3).map(tuple),
    env=st.dictionaries(NAMES, TEXT, max_size=2),
)
CLAUDE = st.builds(ClaudeConfig, mcp=st.dictionaries(NAMES, SERVERS, max_size=2))
POLICIES = st.builds(
    RestartPolicy,
    st.sampled_from(RestartType),
    max_restarts=st.integers(0, 99),
    within=st.sampled_from([0.5, 60.0, 3600.0, 61.25]),
    reset_after=st.none() | st.just(7.0),
)
MANIFESTS = st.builds(
    AgentManifest,
    exec=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    env=st.dictionaries(NAMES, TEXT, max_size=3),
    description=st.none() | TEXT,
    stop_timeout=st.sampled_from([0.001, 0.25, 10.0, 90.0, 86400.0]),
    restart=st.none() | POLICIES,
    binds=st.lists(BINDS, max_size=3).map(tuple),
    network=st.none() | st.sampled_from(Network),
    ports=st.lists(st.just("tcp:80:80"), max_size=2).map(tuple),
    credentials=st.dictionaries(NAMES, PATHS, max_size=2),
    groups=st.lists(NAMES, max_size=2).map(tuple),
    broadcast=st.booleans(),
    project=st.none() | NAMES,
)


@given(MANIFESTS)
def test_a_manifest_is_read_again_as_it_was(manifest: AgentManifest) -> None:
    text = to_toml(manifest_values(manifest))
    assert read_manifest(text, Path("/agent.toml")) == manifest


@given(CLAUDE)
def test_the_settings_of_a_driver_are_read_again(claude: ClaudeConfig) -> None:
    manifest = AgentManifest(driver="claude", claude=claude)
    assert read_manifest(to_toml(manifest_values(manifest)), Path("/agent.toml")) == manifest


def test_defaults_are_left_out_and_values_are_written_as_by_a_person() -> None:
    manifest = AgentManifest(
        run=("./a.sh", 'say "x"'), stop_timeout=90.0, binds=(Bind(Path("/a"), Path("/b")),)
    )
    assert to_toml(manifest_values(manifest)) == (
        'run = ["./a.sh", "say \\"x\\""]\n'
        'stop_timeout = "90s"\n'
        "\n"
        "[[bind]]\n"
        'source = "/a"\n'
        'target = "/b"\n'
    )
    assert tomllib.loads(to_toml({})) == {}
