"""Inside of containers: the unit of a peer, its Claude Code, and what an agent gets."""

import json
import re
import tomllib
from typing import Any

import pytest

from hive.machines.systemd.unit_files import GUEST_FILES
from tests.support.nix_modules import ROOT, STORE, evaluated

PEERS: dict[str, Any] = evaluated()["peers"]
AGENTS: dict[str, Any] = evaluated()["agents"]
FLAKE: dict[str, Any] = evaluated()["flake"]
PEERS_PAGE = (ROOT / "docs" / "peers.md").read_text()


def started(peer: str) -> str:
    command: str = PEERS[peer]["services"]["hive-peer"]["serviceConfig"]["ExecStart"]
    return command.removeprefix(f"{STORE}/hyperhive/bin/hive-ag3nt serve ")


def test_the_unit_of_a_peer_is_the_one_of_the_page() -> None:
    [page] = re.findall(
        r"```ini\n# /etc/systemd/system/hive-peer.service\n(.*?)```", PEERS_PAGE, re.DOTALL
    )
    service = PEERS["session"]["services"]["hive-peer"]
    for key in ("User", "Restart", "RestartSec"):
        assert f"{key}={service['serviceConfig'][key]}\n" in page
    assert f"Description={service['description']}\n" in page


@pytest.mark.parametrize(
    ("peer", "arguments"),
    [
        ("plain", "--peer"),
        ("session", r'--peer --bell "notify-send \"$$HIVE_NEWS\" 100%%"'),
        ("worker", '--driver command -- /bin/answer "--in one word"'),
    ],
)
def test_what_the_unit_starts(peer: str, arguments: str) -> None:
    assert started(peer) == arguments


def test_the_unit_finds_what_a_session_of_its_user_finds() -> None:
    path = PEERS["session"]["services"]["hive-peer"]["path"]
    assert path == ["/run/wrappers", "/etc/profiles/per-user/muede", "/run/current-system/sw"]


def test_the_hooks_are_those_of_the_page() -> None:
    [text] = PEERS["session"]["files"].values()
    [page] = re.findall(r"```json\n(.*?)```", PEERS_PAGE, re.DOTALL)
    written = text.replace(f"{STORE}/hyperhive/bin/hive-ag3nt", "hive-ag3nt")
    assert json.loads(written) == json.loads(page)
    assert list(PEERS["session"]["files"]) == ["claude-code/managed-settings.d/50-hyperhive.json"]
    assert PEERS["plain"]["files"] == {}, "nothing of the user's Claude Code changes unasked"


def test_the_host_can_give_the_hook_to_a_container_that_it_declares() -> None:
    hooked, session = PEERS["hooked"], PEERS["session"]
    assert hooked["files"] == session["files"]
    assert hooked["packages"] == [f"{STORE}/hyperhive"], "the package of the host"
    assert started("hooked") == "--peer"
    assert "hive-claude-mcp" not in hooked["services"]


def test_the_hook_of_the_host_leaves_the_settings_of_the_container() -> None:
    twice = PEERS["hookedTwice"]
    assert twice["services"]["hive-peer"]["serviceConfig"]["User"] == "muede"
    assert twice["packages"] == [f"{STORE}/ripgrep"], "its own, not the host's"
    assert len(twice["files"]) == 1


def test_the_tools_are_registered_once_for_the_user() -> None:
    unit = PEERS["session"]["services"]["hive-claude-mcp"]
    assert unit["serviceConfig"]["User"] == "muede"
    assert unit["script"].startswith("claude mcp get hive >/dev/null 2>&1 || claude mcp add ")
    assert "hive-claude-mcp" not in PEERS["plain"]["services"]


def test_an_agent_is_a_container_on_both_sides_of_the_rename() -> None:
    assert AGENTS["plain"]["boot"]["isNspawnContainer"] is True
    assert AGENTS["old"]["boot"]["isContainer"] is True


def test_what_a_system_sets_of_the_harness_is_added_to_the_unit_that_the_daemon_writes() -> None:
    added = AGENTS["plain"]["services"]["hive-agent"]
    assert GUEST_FILES[0] == "hive-agent.service"
    assert added["overrideStrategy"] == "asDropin"
    assert not added["enableDefaultPath"], "the PATH is that of the manifest"
    assert not added["restartIfChanged"], "its end would be that of the container"
    assert (added["serviceConfig"], added["environment"], added["path"]) == ({}, {}, [])


def test_a_system_of_an_agent_says_its_state_version_unless_its_module_does() -> None:
    assert AGENTS["plain"]["stateVersion"] == "26.05"
    assert AGENTS["without"]["stateVersion"] == "26.11"


def test_claude_code_is_allowed_and_nothing_else_that_is_unfree() -> None:
    assert AGENTS["plain"]["unfree"] == [True, False]
    assert AGENTS["without"]["unfree"] == [False, False]
    assert f"{STORE}/claude-code" not in AGENTS["without"]["packages"]


def test_the_flake_has_everything_for_both_platforms() -> None:
    assert FLAKE["systems"] == ["aarch64-linux", "x86_64-linux"]
    assert set(FLAKE["modules"]) == {"agent", "default", "hive-c0re", "peer"}
    assert set(FLAKE["outputs"]) >= {"apps", "checks", "devShells", "overlays", "packages"}
    assert FLAKE["packages"] == ["default", "hyperhive"]


def test_a_host_that_chooses_nothing_has_the_package_and_the_module_of_the_flake() -> None:
    assert FLAKE["host"]["package"] == f"{STORE}/hyperhive"
    assert FLAKE["host"]["containers"]["hyperhive"] == f"path:{STORE}/hyperhive-source"


def test_the_package_has_what_pyproject_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["claude"],
        *extras["mcp"],
        *extras["systemd"],
        *extras["tui"],
        *extras["web"],
    ]
    names = [re.split(r"[^A-Za-z0-9_-]", each)[0] for each in wanted]
    assert FLAKE["package"]["dependencies"] == names
    assert FLAKE["package"]["version"] == project["version"]
    programs = {name for name in FLAKE["programs"] if name != "default"}
    assert programs == set(project["scripts"])
