"""An embedding program's names are checked like those of hive.toml and of `spawn`."""

from pathlib import Path

import pytest

from hive.config import HiveConfig, PeerConfig, load
from hive.daemon.hive import Hive
from hive.errors import BadRequestError, ConfigError
from hive.names import check_agent_name, check_peer_name
from tests.support.hives import EXEC, Site, echo, site

__all__ = ["site"]

WRONG = (
    "../../../evil",
    "",
    "operator",
    "manager",
    "system",
    "reminder",
    "self",
    "queue:x",
    "@team",
    "*",
    "My_Agent",
    "a b",
    "a\n",
    "x" * 33,
)


def sentence_of_file(tmp_path: Path, table: str, name: str) -> str:
    """Return what `load` says about a name in a table."""
    path = tmp_path / "hive.toml"
    escaped = name.replace("\n", "\\n")
    body = 'exec = ["agent"]' if table == "agents" else ""
    path.write_text(f'[{table}."{escaped}"]\n{body}\n')
    with pytest.raises(ConfigError) as refused:
        load(path)
    return str(refused.value)


@pytest.mark.parametrize("name", [*WRONG, "toolongname"])
def test_an_agent_of_a_wrong_name_is_refused_in_the_words_of_the_file(
    site: Site, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadRequestError) as of_spawn:
        check_agent_name(name)
    for given in ({"agents": {name: echo}}, {"config": HiveConfig(agents={name: EXEC})}):
        with pytest.raises(ConfigError) as refused:
            Hive(site.state_dir, run_dir=site.run_dir, **given)  # type: ignore[arg-type]
        assert str(refused.value) == f"agents.{name}: {of_spawn.value}"
    assert str(of_spawn.value) in sentence_of_file(tmp_path, "agents", name)
    assert not site.state_dir.exists()


@pytest.mark.parametrize("name", [*WRONG, "hm1nd"])
def test_a_peer_of_a_wrong_name_is_refused_in_the_words_of_the_file(
    site: Site, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadRequestError) as of_register:
        check_peer_name(name)
    for given in ({"peers": [name]}, {"config": HiveConfig(peers={name: PeerConfig()})}):
        with pytest.raises(ConfigError) as refused:
            Hive(site.state_dir, run_dir=site.run_dir, **given)  # type: ignore[arg-type]
        assert str(refused.value) == f"peers.{name}: {of_register.value}"
    assert str(of_register.value) in sentence_of_file(tmp_path, "peers", name)


def test_all_wrong_names_are_told_and_no_directory_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError) as refused:
        Hive(agents={"Alice": echo, "bob": echo, "": echo}, peers=["bob", "a b"])
    told = str(refused.value)
    for part in ("agents.Alice:", "agents.:", "peers.a b:", "'bob' is an agent already"):
        assert part in told
    assert list(tmp_path.iterdir()) == []


def test_the_manager_is_a_function_under_its_own_name_but_no_table_of_agents(site: Site) -> None:
    assert Hive(site.state_dir, run_dir=site.run_dir, agents={"hm1nd": echo})
    with pytest.raises(ConfigError, match=r"described in \[manager\]"):
        Hive(site.state_dir, run_dir=site.run_dir, config=HiveConfig(agents={"hm1nd": EXEC}))
