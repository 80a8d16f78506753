"""The manifest of an agent that the operator spawns."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from hive.config import AgentManifest, HiveConfig, Limits, RestartPolicy, RuntimeName
from hive.config.existence import LocalLookup
from hive.errors import (
    BadRequestError,
    ConfigError,
    ConflictError,
    NotAllowedError,
    UnknownNameError,
)
from hive.gateway.handlers.spawning import requested_manifest, shown_manifest
from hive.participants.participant import new_agent, new_peer
from hive.participants.registry import Registry
from hive.wire.host import Spawn

ALICE = AgentManifest(run=("/bin/true",), env={"TOKEN": "hush"}, memory_max="8G", project="parser")

PROCESS = HiveConfig()


def swarm() -> Registry:
    """Return a registry with two agents and a peer, that stores nothing."""
    nothing: Any = None
    registry = Registry(nothing, nothing, nothing)
    registry.join(new_agent("alice", ALICE, 1.0))
    registry.join(attrs.evolve(new_agent("bob", ALICE, 1.0), applied="ab" * 20))
    registry.join(new_peer("damocles", 1.0))
    return registry


def requested(
    config: HiveConfig = PROCESS, runtime: str = "process", **fields: Any
) -> AgentManifest:
    request = Spawn(name="carol", **fields)
    return requested_manifest(request, swarm(), config, runtime, LocalLookup())


def test_a_text_is_read_strictly_and_errors_have_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    text = 'run = ["./a.sh"]\nmemory_maxx = "1G"\n'
    with pytest.raises(ConfigError, match=r"agent.toml:2: memory_maxx: .* 'memory_max'"):
        requested(manifest=text, manifest_path=str(path))
    text = 'run = ["/bin/true"]\ntime_limit = "5m"\n'
    config = HiveConfig(limits=Limits(lease_seconds=300.0))
    with pytest.raises(ConfigError, match=r"agent.toml:2: time_limit: the lease \(300 s\)"):
        requested(config, manifest=text, manifest_path=str(path))
    with pytest.raises(ConfigError, match=r"agent.toml:2: image: 'image' is for the runtime"):
        requested(manifest='run = ["/bin/true"]\nimage = "debian"\n', manifest_path=str(path))


def test_relative_paths_of_a_text_begin_at_its_file(tmp_path: Path) -> None:
    program = tmp_path / "a.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = requested(manifest='run = ["./a.sh"]', manifest_path=str(tmp_path / "agent.toml"))
    assert found.run == (str(program),)


def test_a_text_inherits_the_restart_policy_of_the_hive() -> None:
    config = HiveConfig(restart=RestartPolicy(max_restarts=9))
    text = 'exec = ["/bin/true"]\n[restart]\nbase = "1s"\n'
    assert requested(config, manifest=text).restart == RestartPolicy(max_restarts=9, base=1.0)


def test_a_copy_has_all_of_an_agent_and_what_the_request_replaces() -> None:
    assert requested(template="alice") == ALICE
    found = requested(template="alice", exec=["/bin/cat"], env={"A": "b"}, cwd="/tmp")
    assert (found.run, found.exec, found.cwd) == (None, ("/bin/cat",), Path("/tmp"))
    assert (found.env, found.memory_max) == ({"TOKEN": "hush", "A": "b"}, "8G")


def test_a_driver_needs_no_program_and_replaces_that_of_a_manifest() -> None:
    found = requested(driver="claude", time_limit=90.0, description="the parser")
    assert (found.driver, found.time_limit, found.description) == ("claude", 90.0, "the parser")
    text = 'driver = "claude"\ntime_limit = "5m"\ndescription = "of the file"\n'
    found = requested(manifest=text, time_limit=90.0)
    assert (found.driver, found.time_limit) == ("claude", 90.0)
    assert found.description == "of the file", "what is not given stays"


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"template": "nobody"}, UnknownNameError, "nobody"),
        ({"template": "bob"}, ConflictError, "'hive-c0re init-config NEW --from bob'"),
        ({"template": "damocles"}, NotAllowedError, "a peer has no manifest to copy"),
        ({"template": "alice", "manifest": ""}, BadRequestError, "not both"),
        ({"template": "alice", "run": ["a"], "exec": ["a"]}, BadRequestError, "not both"),
        ({"template": "alice", "run": []}, BadRequestError, "empty"),
        ({"template": "alice", "env": {"HIVE_X": "1"}}, ConfigError, "reserved for the hive"),
        ({"driver": "command"}, ConfigError, "a program is missing"),
        ({"driver": "claude", "exec": ["/bin/true"]}, ConfigError, "is idle"),
        ({"manifest": "", "manifest_path": "a.toml"}, BadRequestError, "absolute"),
        ({}, BadRequestError, "needs one of 'run'"),
    ],
)
def test_what_cannot_be_is_refused(
    fields: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        requested(**fields)


def test_what_is_missing_on_this_machine_is_refused_at_once(tmp_path: Path) -> None:
    missing = {
        "run": f"there is no program '{tmp_path}/a.sh' that can be started",
        "credentials.token": f"there is no {tmp_path}/token; create the file",
        "bind[0].source": f"there is no {tmp_path}/data; create it",
    }
    text = (
        'run = ["./a.sh"]\n[credentials]\ntoken = "token"\n'
        '[[bind]]\nsource = "data"\ntarget = "/data"\n'
    )
    with pytest.raises(ConfigError) as caught:
        requested(manifest=text, manifest_path=str(tmp_path / "agent.toml"))
    for key, sentence in missing.items():
        assert f"{key}: {sentence}" in str(caught.value)
    machinectl = HiveConfig(RuntimeName.MACHINECTL)
    with pytest.raises(ConfigError) as caught:
        requested(machinectl, "machinectl", manifest=text, manifest_path=str(tmp_path / "x"))
    assert "program" not in str(caught.value), "it is inside the container"


def test_a_manifest_is_shown_without_its_secrets() -> None:
    shown = shown_manifest(ALICE)
    assert "hush" not in shown
    assert shown == (
        'run = ["/bin/true"]\nmemory_max = "8G"\nproject = "parser"\n\n[env]\nTOKEN = "(secret)"\n'
    )
